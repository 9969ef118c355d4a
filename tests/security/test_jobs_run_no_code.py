"""Whoever can write to RQ's keys can not make a finalizer run anything, nor keep it from its work.

Every job that could is planted here. It must be refused and reported, and a run must still get its summary.
"""

import json
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.messages import Script
from tests.support.planting import Planter
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

_runs = count()

#: What no job of ours has, and RQ would act on.
_FORBIDDEN: Final = [
    *("success_callback_name", "failure_callback_name", "stopped_callback_name", "webhooks", "dependency_id"),
    *("dependency_ids", "group_id", "rate_limit_key", "repeats_left", "repeat_intervals", "meta", "result"),
]
#: What is read of a job, and has a form.
_READ: Final = ["status", "retries_left", "created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat"]
#: What RQ reads of a job, and we do not.
_IGNORED: Final = [
    *("origin", "timeout", "result_ttl", "failure_ttl", "ttl", "number_of_retries", "retry_intervals", "exc_info"),
    *("success_callback_timeout", "failure_callback_timeout", "stopped_callback_timeout", "enqueue_at_front"),
    *("enqueue_at_front_on_retry", "allow_dependency_failures", "rate_limit_concurrency", "serializer"),
]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A worker and a finalizer on a server that nothing else uses."""
    with Server() as server, Pipeline(server.url, "planted") as running:
        running.log = tmp_path_factory.mktemp("planted") / "log"
        running.start("worker")
        running.start("finalizer")
        yield running


@pytest.fixture
def planter(pipeline: Pipeline, tmp_path: Path) -> Iterator[Planter]:
    """Whoever writes to RQ's keys. Whatever it was: nothing was executed, and the same processes go on as before."""
    planted = Planter(pipeline, tmp_path / "executed")
    yield planted
    assert _summarises(pipeline)
    assert not planted.target.exists()
    assert [None] * len(pipeline.processes) == [process.poll() for process in pipeline.processes]


def _summarises(pipeline: Pipeline) -> bool:
    script = Script(f"good-{next(_runs)}")
    pipeline.send(script.started(), script.ended())
    return pipeline.summary(script.run_id, timeout_s=30).goal_id == "goal"


def _log(pipeline: Pipeline) -> str:
    assert pipeline.log is not None
    return pipeline.log.read_text()


def test_a_job_like_ours_is_run(planter: Planter) -> None:
    """What the other tests plant would be run, were it not for what they change."""
    planter.wait_until_done(planter.job())


@pytest.mark.parametrize(
    "function",
    [
        *("os.system", "posix.system", "subprocess.call", "subprocess.check_output", "builtins.eval", "builtins.exec"),
        *("pathlib.Path.touch", "tests.support.planting.Touch", "pickle.loads", "importlib.import_module"),
        *("runweaver.worker.finalizer_process.load_narrator", "runweaver.worker.jobs.JobQueue", "runweaver.finalize "),
        *("finalize", "", "__class__", "func", "rq.job.Job.delete"),
    ],
)
def test_a_job_that_names_another_function_is_refused(planter: Planter, function: str) -> None:
    """It ends in the failed registry, with the name of the function."""
    command = f"touch {planter.target}"
    code = f"__import__('pathlib').Path({str(planter.target)!r}).touch()"
    argument: Any = command.split() if "subprocess" in function else code if "builtins" in function else command

    reason = planter.wait_until_failed(planter.job(data=planter.data(function, argument)))

    assert "ForbiddenJobError" in reason
    assert repr(function) in reason


@pytest.mark.parametrize("function", [None, 1, ["os.system"], {"name": "os.system"}, True])
def test_a_job_that_names_no_function_fails(planter: Planter, function: Any) -> None:
    """Whatever JSON stands in its place."""
    assert planter.wait_until_failed(planter.job(data=planter.data(function)))


def test_a_job_for_an_object_of_its_own_is_refused(planter: Planter) -> None:
    """RQ calls methods of objects that a job brings along: ours bring none."""
    data = planter.data("touch", instance={"py/object": "pathlib.Path", "path": str(planter.target)})

    assert "ForbiddenJobError" in planter.wait_until_failed(planter.job(data=data))


@pytest.mark.parametrize("args", [[5], [[None]], [{"a": {"b": 1}}], [["x"], "settled", "more"], ["\x00\ud800"]])
def test_arguments_that_make_no_sense_harm_nobody(planter: Planter, args: list[Any]) -> None:
    """The job fails, or finds no such run."""
    job_id = planter.job(data=planter.data("runweaver.finalize", *args))

    wait_until(
        lambda: (
            not planter.pipeline.redis.exists(f"rq:job:{job_id}")
            or job_id in planter.queue.failed_job_registry.get_job_ids(cleanup=False)
        ),
        what="the job was dealt with",
    )


def test_data_that_is_no_json_is_refused(planter: Planter) -> None:
    """A pickle, packed or not, lists of another length, what is too deep or too large, and nothing at all."""
    deep = b"[" * 100_000 + b"]" * 100_000
    data = [planter.pickle, zlib.compress(planter.pickle), zlib.compress(zlib.compress(planter.pickle)), b"\xff"]
    data += [b"", b"{}", b"[]", b'["runweaver.finalize"]', b'"four"', deep, zlib.compress(b" " * 64 * 1024 * 1024)]
    planted = [planter.job(data=each) for each in (None, *data)]

    reasons = [planter.wait_until_failed(job_id) for job_id in planted]

    assert all("DeserializationError" in reason or "ForbiddenJobError" in reason for reason in reasons)
    assert "larger than" in reasons[-1]


@pytest.mark.parametrize("field", _FORBIDDEN)
def test_a_job_that_has_what_ours_never_have_is_refused(planter: Planter, field: str) -> None:
    """Whether it holds the name of a function, a pickle, or what RQ would put there itself. Nothing of it is kept."""
    url = json.dumps([{"url": "http://localhost:1/", "statuses": ["finished"]}])
    for value in ("os.system", planter.pickle, zlib.compress(planter.pickle), b"\xff", url, "1", "null"):
        job_id = planter.job(**{field: value})

        reason = planter.wait_until_failed(job_id)

        assert f"ForbiddenJobError: job {job_id} is refused: it has {field}" in reason
        assert planter.pipeline.redis.hget(f"rq:job:{job_id}", field) in (None, b"")
        assert f'"job": "{job_id}", "reason": "it has {field}"' in _log(planter.pipeline)


@pytest.mark.parametrize("field", _READ)
def test_a_field_that_is_not_what_it_should_be_is_refused(planter: Planter, field: str) -> None:
    """No date, no number, no text: the job fails instead of its finalizer."""
    for value in (planter.pickle, b"\xff\xfe", "os.system", "[]"):
        assert "ForbiddenJobError" in planter.wait_until_failed(planter.job(**{field: value}))


@pytest.mark.parametrize("field", ["description", "worker_name"])
def test_a_text_that_is_none_is_refused(planter: Planter, field: str) -> None:
    """Bytes that are no UTF-8 cannot be shown to anybody."""
    assert "ForbiddenJobError" in planter.wait_until_failed(planter.job(**{field: b"\xff\xfe"}))


@pytest.mark.parametrize("field", _IGNORED)
def test_a_field_that_we_know_better_is_not_believed(planter: Planter, field: str) -> None:
    """The queue of a job, how long it may take and how often it is repeated are ours to say."""
    for value in (planter.pickle, b"\xff", "never", "-1", "0", "9" * 30, "rq.serializers.PickleSerializer", '["x"]'):
        planter.wait_until_done(planter.job(**{field: value}))


def test_a_field_that_has_no_name_is_not_read(planter: Planter) -> None:
    """Neither are fields that RQ does not know."""
    job_id = planter.write(something="else")
    planter.pipeline.redis.hset(f"rq:job:{job_id}", b"\xff", planter.pickle)
    planter.push(job_id)

    planter.wait_until_done(job_id)


def test_a_job_is_not_repeated_for_ever(planter: Planter) -> None:
    """One that fails and asks for a million retries ends soon."""
    data = planter.data("runweaver.finalize", 5)

    assert planter.wait_until_failed(planter.job(data=data, retries_left=1_000_000))


def test_what_is_no_job_id_is_put_away(planter: Planter) -> None:
    """Bytes that are no text, nothing, very long ones, ids of nothing and of something else."""
    planter.pipeline.redis.set("rq:job:text", planter.pickle)
    refused = [b"\xff\xfe", b"", b"x" * 100_000, b"../job", b"a:b", b"a b", planter.pickle, b"text"]
    for job_id in (*refused, b"nobody"):
        planter.push(job_id)

    wait_until(lambda: planter.queue.count == 0, what="the queue is empty")

    wait_until(lambda: _log(planter.pipeline).count("refused what is no job") == len(refused), what="all reported")
    intermediate: Any = planter.pipeline.redis.lrange(planter.queue.intermediate_queue_key, 0, -1)
    assert {b"text", b"nobody"} >= set(intermediate)


def test_nothing_can_be_hung_onto_a_job(planter: Planter) -> None:
    """RQ enqueues what waits for a job when that is done. Ours have nobody waiting: a job that has fails instead."""
    waiting = planter.write(data=planter.data("os.system", f"touch {planter.target}"), status="deferred")
    first = planter.write()
    planter.pipeline.redis.sadd(f"rq:job:{first}:dependents", waiting)
    planter.push(first)

    assert planter.wait_until_failed(first)
    assert b"deferred" == planter.pipeline.redis.hget(f"rq:job:{waiting}", "status")


def test_nonsense_among_what_rq_tidies_up_harms_nobody(planter: Planter) -> None:
    """A finalizer that finds it says so, and does its work."""
    client, name = planter.pipeline.redis, planter.queue.name
    evil = planter.write(meta=planter.pickle, failure_callback_name="os.system", status="started")
    client.zadd(f"rq:wip:{name}", {f"{evil}:execution": 1})
    client.zadd(f"rq:ready:{name}", {evil: 1})
    client.rpush(planter.queue.intermediate_queue_key, evil)
    client.sadd("rq:groups", "group")
    client.sadd("rq:group:group", evil)
    _begin_anew(planter)
    assert "cannot tidy up" not in _log(planter.pipeline)

    client.zadd(f"rq:wip:{name}", {b"\xff\xfe": 1})
    client.rpush(planter.queue.intermediate_queue_key, b"\xff\xfe")
    _begin_anew(planter)
    assert "cannot tidy up RQ's keys, finalizing nevertheless" in _log(planter.pipeline)

    client.delete(f"rq:wip:{name}", planter.queue.intermediate_queue_key, "rq:groups", "rq:group:group")


def _begin_anew(planter: Planter) -> None:
    """Start another finalizer, which begins by tidying up."""
    planter.pipeline.stop(planter.pipeline.processes.pop())
    planter.pipeline.redis.delete(planter.queue.registry_cleaning_key, "rq:clean_groups")
    planter.pipeline.start("finalizer")
    assert _summarises(planter.pipeline)


@pytest.mark.parametrize(
    "command",
    [
        *(b"\xff", b"", b"[]", b'"shutdown"', b'{"command": "shutdown"}', b'{"command": "kill-horse"}'),
        *(b'{"command": "stop-job", "job_id": null}', b'{"command": ["os.system"]}'),
    ],
)
def test_nobody_listens_to_commands(planter: Planter, command: bytes) -> None:
    """Who may publish on RQ's channels can not stop a finalizer: signals do."""
    names: Any = planter.pipeline.redis.smembers(f"rq:workers:{planter.queue.name}")
    assert names
    for name in names:
        channel = b"rq:pubsub:" + name.removeprefix(b"rq:worker:")
        assert 0 == planter.pipeline.redis.publish(channel, command)


def test_messages_are_never_executed(planter: Planter) -> None:
    """Whoever may only report can put anything into a message: it becomes a dead letter, or part of a run, as text."""
    code = f"__import__('pathlib').Path({str(planter.target)!r}).touch()"
    script = Script("hostile")
    script.started(goal_description=code, input_data={"py/object": "os.system", "py/reduce": [code]}, tags=[code])
    script.decision("a", intent=f"{{{code}}}", reasoning=f"${{{code}}} $({code}) `{code}` {{{{ {code} }}}} %({code})s")
    script.outcome("a", success=False, error=f"!!python/object/apply:os.system [{code}]")
    script.ended("failed", narrative=f"<script>{code}</script> \x1b[2J")
    letters = planter.pipeline.keys.dead_letters(0)
    planter.pipeline.redis.delete(letters)

    planter.pipeline.send(planter.pickle, zlib.compress(planter.pickle), code, f"!!python/name:{code}", *script.written)

    assert [f"<script>{code}</script> \x1b[2J"] == [planter.pipeline.summary("hostile").narrative]
    wait_until(lambda: 4 == planter.pipeline.redis.xlen(letters), what="four dead letters")
    assert 0 == planter.pipeline.run("dead-letters", "list").returncode
    assert 0 == planter.pipeline.run("show", "hostile", "--full").returncode
