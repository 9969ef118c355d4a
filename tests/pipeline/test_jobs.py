"""Jobs can do nothing but finalize: whoever can write to RQ's keys can not make us run something."""

import pickle
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from fakeredis import FakeRedis
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from runweaver.worker.jobs import FinalizeJob, ForbiddenJobError
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


class _Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (str(self.path),)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that is there only if something was executed."""
    return tmp_path / "executed"


def _still_works(pipeline: Pipeline) -> bool:
    script = Script("run")
    pipeline.send(script.started(), script.ended())
    return pipeline.summary("run").goal_id == "goal"


def test_a_job_that_names_another_function_is_refused(own_pipeline: Pipeline, target: Path) -> None:
    """It ends in the failed registry, and says why."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    queue = Queue(own_pipeline.jobs.queue.name, connection=own_pipeline.redis, serializer=JSONSerializer)
    job = queue.enqueue("os.system", f"touch {target}")

    wait_until(lambda: job.get_status() == "failed", what="the job failed")
    result = job.latest_result()

    assert result is not None
    assert "ForbiddenJobError" in (result.exc_string or "")
    assert _still_works(own_pipeline)
    assert not target.exists()


def test_a_pickled_job_is_not_unpickled(own_pipeline: Pipeline, target: Path) -> None:
    """Jobs are JSON: anything else is no job."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    queue = Queue(own_pipeline.jobs.queue.name, connection=own_pipeline.redis, serializer=JSONSerializer)
    job = queue.enqueue("runweaver.finalize", ["nobody"])
    own_pipeline.redis.hset(job.key, "data", pickle.dumps(_Touch(target)))

    wait_until(lambda: own_pipeline.jobs.queue.count == 0, what="the job was taken")

    assert _still_works(own_pipeline)
    assert not target.exists()


def test_callbacks_of_jobs_are_not_called(own_pipeline: Pipeline, target: Path) -> None:
    """Neither after success nor after failure."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    queue = Queue(own_pipeline.jobs.queue.name, connection=own_pipeline.redis, serializer=JSONSerializer)
    callback = Callback("tests.support.crashing._die")
    queue.enqueue("runweaver.finalize", ["nobody"], on_success=callback, on_failure=callback)
    queue.enqueue("os.system", f"touch {target}", on_success=callback, on_failure=callback)

    wait_until(lambda: own_pipeline.jobs.queue.failed_job_registry.count == 2, what="both are refused")

    assert _still_works(own_pipeline)
    assert not target.exists()


@pytest.mark.parametrize(
    ("function", "arguments", "options"),
    [
        ("runweaver.finalize", [["{}"]], {}),
        ("runweaver.finalize", [["a b", "run"]], {}),
        ("runweaver.finalize", [[5]], {}),
        ("runweaver.finalize", ["run"], {}),
        ("runweaver.finalize", [], {}),
        ("runweaver.finalize", [["run"], True], {}),
        ("runweaver.finalize", [["run"]], {"else": 1}),
        ("runweaver.finalize", [["run"] * 20_000], {}),
        ("runweaver.finalize_silent", [["run"]], {}),
        ("runweaver.finalize_silent", [{"run": "long ago"}], {}),
        ("runweaver.finalize_silent", [{"\ud800": 1.0}], {}),
    ],
)
def test_a_job_with_arguments_that_make_no_sense_is_refused(
    function: str, arguments: list[Any], options: dict[str, Any]
) -> None:
    """Before anything is read: what is no run id must not become part of a key. The error says what is wrong."""
    job = FinalizeJob.create(function, args=arguments, kwargs=options, connection=FakeRedis())

    with patch.object(FinalizeJob, "finalizer", Mock()), pytest.raises(ForbiddenJobError, match="asks for") as e:
        _ = job.func

    assert len(str(e.value)) < 600


def test_a_job_with_arguments_that_make_no_sense_harms_nobody(own_pipeline: Pipeline) -> None:
    """It ends in the failed registry; the finalizer goes on. So it does where the job itself is garbage."""
    own_pipeline.start("worker")
    finalizer = own_pipeline.start("finalizer")
    queue = Queue(own_pipeline.jobs.queue.name, connection=own_pipeline.redis, serializer=JSONSerializer)
    queue.enqueue("runweaver.finalize", [["}", 5]])
    garbage = queue.enqueue("runweaver.finalize", ["nobody"], at_front=True)
    own_pipeline.redis.hset(garbage.key, mapping={"created_at": b"\xff", "timeout": b"soon", "data": b"\x00"})

    assert _still_works(own_pipeline)
    wait_until(lambda: queue.failed_job_registry.count >= 1, what="the job failed")
    assert finalizer.poll() is None
