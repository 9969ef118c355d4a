"""Workers and finalizers end in order, in time, and leave nothing behind."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runweaver.shared.keys import WORKER_GROUP
from tests.support.messages import Script, summary_of, without_history
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


@pytest.fixture
def hanging(namespace: str) -> Iterator[tuple[Server, Pipeline]]:
    """A server that can be made to hang, and a pipeline on it."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        yield server, pipeline
        server.go_on()


def _consumers(pipeline: Pipeline) -> set[str]:
    stream = pipeline.keys.messages(0)
    if not pipeline.redis.exists(stream) or not pipeline.redis.xinfo_groups(stream):
        return set()
    found = pipeline.redis.xinfo_consumers(stream, WORKER_GROUP)
    return {consumer["name"].decode() for consumer in found}


def _wait_for(pipeline: Pipeline, role: str, count: int = 1) -> None:
    """Wait until so many workers have joined the group, or finalizers wait for jobs."""

    def is_there() -> bool:
        if role == "finalizer":
            return pipeline.jobs.status().finalizers == count
        return len(_consumers(pipeline)) == count

    wait_until(is_there, what=f"{count} {role}")


def _seconds_to_end(process: subprocess.Popen[bytes]) -> float:
    begun = time.monotonic()
    process.wait(30)
    return time.monotonic() - begun


def test_a_rolling_restart_under_load_loses_and_repeats_nothing(own_pipeline: Pipeline) -> None:
    """Each worker that is told to stop ends with 0, leaves the group, and leaves nothing to be delivered again."""
    workers = [own_pipeline.start("worker") for _ in range(2)]
    own_pipeline.start("finalizer")
    scripts = [Script(f"run-{number}") for number in range(60)]
    for number, script in enumerate(scripts):
        own_pipeline.send(script.started(), *script.steps(100))
        own_pipeline.send(script.ended())
        if number % 15 == 14:
            workers.append(own_pipeline.start("worker"))
            _wait_for(own_pipeline, "worker", 3)
            assert 0 == own_pipeline.stop(workers.pop(0))
    own_pipeline.wait_until_idle()

    for script in scripts:
        summary = own_pipeline.summary(script.run_id)
        assert (summary_of(script.written), 1) == (without_history(summary), summary.revision)
    assert 2 == len(_consumers(own_pipeline))
    assert 0 == own_pipeline.redis.xlen(own_pipeline.keys.dead_letters(0))


@pytest.mark.parametrize("role", ["worker", "finalizer"])
def test_a_server_that_hangs_does_not_keep_anybody(hanging: tuple[Server, Pipeline], role: str) -> None:
    """They end within five seconds, with 0: what was not done is still to be done on the server."""
    server, pipeline = hanging
    process = pipeline.start(role)
    _wait_for(pipeline, role)
    for number in range(20):
        pipeline.redis.xadd(pipeline.keys.messages(0), {"m": Script(f"run-{number}").started()})
    server.hang()

    process.terminate()

    assert _seconds_to_end(process) < 5.5
    assert 0 == process.returncode


def _second_signal_ends(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None

    process.send_signal(signal.SIGTERM)

    assert _seconds_to_end(process) < 1.5
    assert 128 + signal.SIGTERM == process.returncode


def test_a_second_signal_ends_a_worker_at_once(hanging: tuple[Server, Pipeline]) -> None:
    """As the signal itself would have done."""
    server, pipeline = hanging
    worker = pipeline.start("worker")
    _wait_for(pipeline, "worker")
    server.hang()

    _second_signal_ends(worker)


def test_a_second_signal_ends_a_finalizer_at_once(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """Also in the middle of a run."""
    own_pipeline.start("worker")
    begun = tmp_path / "begun"
    slow = {"RUNWEAVER_NARRATOR": "tests.support.narrators:Slow", "SLOW_S": "30", "SLOW_BEGUN": str(begun)}
    finalizer = own_pipeline.start("finalizer", **slow)
    script = Script("run")
    own_pipeline.send(script.started(), script.ended())
    wait_until(begun.exists, what="it is in the middle of the run")

    _second_signal_ends(finalizer)


def test_the_rest_of_a_long_job_is_left_to_others(own_pipeline: Pipeline) -> None:
    """A finalizer that is told to stop ends the run in hand; the others of its job are still due, and summarised."""
    own_pipeline.start("worker", RUNWEAVER_SETTLE_S="2")
    slow = own_pipeline.start("finalizer", RUNWEAVER_NARRATOR="tests.support.narrators:Slow")
    scripts = [Script(f"run-{number}") for number in range(40)]
    own_pipeline.send(*(message for script in scripts for message in (script.started(), script.ended())))
    wait_until(lambda: own_pipeline.jobs.queue.started_job_registry.count == 1, what="the job is taken up")

    slow.terminate()

    assert _seconds_to_end(slow) < 5.5
    assert 0 == slow.returncode
    assert 0 < sum(own_pipeline.is_due(script.run_id) for script in scripts)
    own_pipeline.start("finalizer")
    for script in scripts:
        own_pipeline.summary(script.run_id, timeout_s=60)


def test_a_slow_narrator_does_not_keep_others_from_the_list(own_pipeline: Pipeline) -> None:
    """What is summarised is listed soon, however many runs its job has left."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer", RUNWEAVER_NARRATOR="tests.support.narrators:Slow", SLOW_S="1")
    scripts = [Script(f"run-{number}") for number in range(10)]
    own_pipeline.send(*(message for script in scripts for message in (script.started(), script.ended())))

    wait_until(lambda: own_pipeline.redis.zcard(own_pipeline.keys.index_all) == 1, what="the first is listed")

    # All of them are asked for with one job.
    assert 1 == own_pipeline.jobs.queue.started_job_registry.count
    assert 0 < sum(own_pipeline.is_due(script.run_id) for script in scripts)
