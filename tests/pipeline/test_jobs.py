"""Jobs can do nothing but finalize: whoever can write to RQ's keys can not make us run something."""

import pickle
from pathlib import Path

import pytest
from rq import Callback, Queue
from rq.serializers import JSONSerializer

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


def test_jobs_do_not_pile_up_where_finalizers_are_behind(own_pipeline: Pipeline) -> None:
    """While many wait, more messages for a run that is due already make no further job; an end always does."""
    queue = own_pipeline.jobs.queue
    for _ in range(100):
        own_pipeline.jobs.finalize(["nobody"])
    own_pipeline.start("worker", RUNWEAVER_SETTLE_S="1000")
    script = Script("run")
    own_pipeline.send(script.started(), script.ended(declare=False))
    own_pipeline.wait_until_merged()
    assert 101 == queue.count

    for _ in range(3):
        own_pipeline.send(script.heartbeat())
        own_pipeline.wait_until_merged()
    assert 101 == queue.count

    queue.empty()
    own_pipeline.send(script.heartbeat())
    own_pipeline.wait_until_merged()
    assert [["run"]] == [job.args[0] for job in queue.jobs]
