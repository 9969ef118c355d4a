"""Workers: how they start, share, take over, sweep and stop."""

import json
import os
import signal
import threading
import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError  # noqa: A004 - the driver's name for it
from rq import SimpleWorker
from rq.worker import WorkerStatus

from runweaver.producer import Producer
from runweaver.shared import FinalizerSettings, ProducerSettings, RunStatus
from runweaver.shared.keys import WORKER_GROUP, partition_of
from runweaver.worker import DeadLetters, FinalizerProcess, JobQueue
from tests.support.messages import Script, summary_of, without_history
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


def _run(run_id: str) -> Script:
    script = Script(run_id)
    script.started()
    script.steps(10)
    script.ended()
    return script


def _jobs(server: Server, pipeline: Pipeline) -> JobQueue:
    return JobQueue(server.client(), pipeline.keys)


def test_sigterm_ends_a_worker_and_a_finalizer_cleanly(own_pipeline: Pipeline) -> None:
    """Exit code 0, nothing left pending, and the consumer gone from the group."""
    worker, finalizer = own_pipeline.start("worker"), own_pipeline.start("finalizer")
    script = _run("run")
    own_pipeline.send(*script.written)
    own_pipeline.summary("run")

    assert [0, 0] == [own_pipeline.stop(worker), own_pipeline.stop(finalizer)]
    stream = own_pipeline.keys.messages(0)
    assert [] == own_pipeline.redis.xinfo_consumers(stream, WORKER_GROUP)
    assert 0 == own_pipeline.redis.xlen(stream)


def test_a_worker_stopped_under_load_loses_and_repeats_nothing(own_pipeline: Pipeline) -> None:
    """Others go on where it ended."""
    first = own_pipeline.start("worker")
    scripts = [_run(f"run-{number}") for number in range(200)]
    for script in scripts[:100]:
        own_pipeline.send(*script.written)
    wait_until(lambda: own_pipeline.redis.exists(own_pipeline.keys.run("run-0")), what="it works")
    for script in scripts[100:]:
        own_pipeline.send(*script.written)
    assert own_pipeline.stop(first) == 0

    own_pipeline.start("worker")
    own_pipeline.start("finalizer")

    for script in scripts:
        summary = own_pipeline.summary(script.run_id)
        assert summary_of(script.written) == without_history(summary)
        assert 1 == summary.revision


def test_a_lost_job_costs_time_and_not_the_run(own_pipeline: Pipeline) -> None:
    """What is still to summarise stands in the due set: the sweep asks again."""
    worker = own_pipeline.start("worker", RUNWEAVER_SETTLE_S="1")
    own_pipeline.send(*_run("run").written)
    wait_until(lambda: own_pipeline.jobs.queue.count > 0, what="a job is there")
    own_pipeline.jobs.queue.empty()

    own_pipeline.start("finalizer")

    assert RunStatus.COMPLETED == own_pipeline.summary("run").status
    assert worker.poll() is None


def test_messages_without_a_producer_are_told_apart_by_their_place(own_pipeline: Pipeline) -> None:
    """Equal messages in one entry under the same field name, and in two streams under the same entry id, all count."""
    own_pipeline.start("worker", RUNWEAVER_PARTITIONS="2")
    own_pipeline.start("finalizer")
    heartbeat = '{"type":"heartbeat","run_id":"run"}'
    for partition in (0, 1):
        stream = own_pipeline.keys.messages(partition)
        own_pipeline.redis.execute_command("XADD", stream, "5-1", "m", heartbeat, "m", heartbeat)
        own_pipeline.redis.execute_command("XADD", stream, "5-2", "m", heartbeat)
    own_pipeline.send('{"type":"run_ended","run_id":"run","status":"completed"}')

    assert 7 == own_pipeline.summary("run").completeness.received


def test_absent_times_are_those_of_the_entry(own_pipeline: Pipeline) -> None:
    """The server's time when it took the message in, whenever and by whomever it is merged."""
    entry_id = "1767225600123-0"
    started = '{"type":"run_started","run_id":"run","goal_id":"g"}'
    fields = {"id": "d", "node_id": "n", "intent": "i", "outcome": {"success": True}}
    decision = json.dumps({"type": "decision", "run_id": "run", "decision": fields})
    own_pipeline.redis.execute_command("XADD", own_pipeline.keys.messages(0), entry_id, "m", started, "m", decision)
    own_pipeline.start("worker")
    run = wait_until(lambda: own_pipeline.runs.get("run"), what="the run is there")

    assert run is not None
    outcome = run.decisions[0].outcome
    assert outcome is not None
    assert 3 * ["2026-01-01T00:00:00.123000+00:00"] == [
        moment.isoformat() for moment in (run.started_at, run.decisions[0].timestamp, outcome.timestamp)
    ]


def test_the_number_of_partitions_can_grow_while_messages_flow(own_pipeline: Pipeline) -> None:
    """A producer with more partitions than the workers were given is served all the same."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    open_run = Script("open")
    own_pipeline.send(open_run.started())
    settings = ProducerSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace, partitions=4)
    runs = []
    with Producer(settings=settings) as producer:
        for number in range(12):
            with producer.start_run("spread", run_id=f"run-{number}") as run:
                run.quick_decision("Go", "Go")
            runs.append(run.run_id)
            assert producer.flush()
    own_pipeline.send(open_run.ended(), partition=3)

    assert {0, 1, 2, 3} == {partition_of(run_id, 4) for run_id in runs}
    for run_id in [*runs, "open"]:
        assert RunStatus.COMPLETED == own_pipeline.summary(run_id).status
    wait_until(lambda: not any(own_pipeline.redis.zcard(own_pipeline.keys.active(k)) for k in range(4)), what="done")
    assert b"4" == own_pipeline.redis.get(own_pipeline.keys.partitions)


def test_runs_marked_before_the_partitions_grew_move_to_their_new_home(own_pipeline: Pipeline) -> None:
    """Nobody looks for them at the old place any more; the sweep moves them."""
    run_id = next(f"run-{number}" for number in range(99) if partition_of(f"run-{number}", 2) == 1)
    before = own_pipeline.start("worker", RUNWEAVER_STUCK_AFTER_S="1000")
    own_pipeline.send(Script(run_id).started())
    own_pipeline.wait_until_merged()
    assert own_pipeline.stop(before) == 0
    assert own_pipeline.redis.zscore(own_pipeline.keys.active(0), run_id) is not None

    own_pipeline.start("worker", RUNWEAVER_PARTITIONS="2", RUNWEAVER_STUCK_AFTER_S="1")
    own_pipeline.start("finalizer")

    assert RunStatus.STUCK == own_pipeline.summary(run_id).status


def test_half_a_run_does_not_overwrite_a_whole_summary(own_pipeline: Pipeline) -> None:
    """Messages that come after the archive has expired are set aside."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer", RUNWEAVER_ARCHIVE_TTL_S="1")
    script = _run("run")
    own_pipeline.send(*script.written)
    summary = own_pipeline.summary("run")
    wait_until(lambda: not own_pipeline.redis.exists(own_pipeline.keys.archive("run")), what="the archive is gone")

    late = script.heartbeat()
    own_pipeline.send(late)
    letters = DeadLetters(own_pipeline.redis, own_pipeline.keys)
    found = wait_until(lambda: list(letters), what="a dead letter")

    assert [("expired", json.loads(late))] == [(letter.code, json.loads(letter.message)) for letter in found]
    wait_until(lambda: not own_pipeline.is_due("run"), what="the run is done with")
    assert summary == own_pipeline.summaries.get("run")


def test_a_run_that_cannot_be_finalized_fails_alone(own_pipeline: Pipeline) -> None:
    """Its neighbours in the job are summarised; it ends in RQ's failed registry, with its traceback."""
    own_pipeline.start("worker", RUNWEAVER_SETTLE_S="1000")
    for run_id in ("good", "bad", "fine"):
        own_pipeline.send(*_run(run_id).written)
    own_pipeline.wait_until_merged()
    own_pipeline.jobs.queue.empty()
    own_pipeline.redis.hset(own_pipeline.keys.run("bad"), "p#1", "{what no worker would have stored")

    own_pipeline.start("finalizer")
    own_pipeline.jobs.finalize(["good", "bad", "fine"], settled=True)
    own_pipeline.summary("good")
    own_pipeline.summary("fine")

    failed = own_pipeline.jobs.queue.failed_job_registry
    (job_id,) = wait_until(failed.get_job_ids, what="a failed job")
    job = own_pipeline.jobs.queue.fetch_job(job_id)
    assert job is not None
    assert (["bad"],) == tuple(job.args)
    result = job.latest_result()
    assert result is not None
    assert "InvalidMessageError" in (result.exc_string or "")
    assert own_pipeline.summaries.get("bad") is None
    assert own_pipeline.is_due("bad")


def test_rq_may_have_a_server_of_its_own(own_pipeline: Pipeline) -> None:
    """While that is away messages are merged all the same, and summaries come when it is back."""
    with Server() as jobs_server:
        environment = {"RUNWEAVER_JOBS_URL": jobs_server.url}
        own_pipeline.start("worker", **environment)
        finalizer = own_pipeline.start("finalizer", **environment)
        own_pipeline.send(*_run("before").written)
        assert RunStatus.COMPLETED == own_pipeline.summary("before").status
        assert (0, 1) == (own_pipeline.jobs.status().finalizers, _jobs(jobs_server, own_pipeline).status().finalizers)

        jobs_server.kill()
        own_pipeline.send(*_run("meanwhile").written)
        own_pipeline.wait_until_merged()
        jobs_server.start()

        assert RunStatus.COMPLETED == own_pipeline.summary("meanwhile", timeout_s=60).status
        assert finalizer.poll() is None


def test_a_narrator_can_be_plugged_in(own_pipeline: Pipeline) -> None:
    """It tells the run; where it fails, the plain one does; one that cannot be had is told at the start."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer", RUNWEAVER_NARRATOR="tests.support.narrators:Haiku")
    for run_id in ("run", "fails"):
        own_pipeline.send(*_run(run_id).written)

    told, plain = own_pipeline.summary("run"), own_pipeline.summary("fails")
    assert ("run ran, and is done", "tests.support.narrators:Haiku") == (told.narrative, told.narrator)
    assert plain.narrative.startswith("Run completed successfully.")
    assert "runweaver" == plain.narrator

    missing = own_pipeline.run("finalizer", RUNWEAVER_NARRATOR="tests.support.narrators:Sonnet")
    assert (2, 1) == (missing.returncode, len(missing.stderr.splitlines()))
    assert "tests.support.narrators:Sonnet" in missing.stderr


def test_a_trickle_of_late_messages_cannot_put_off_the_next_revision(own_pipeline: Pipeline) -> None:
    """The first of them sets the time; each is in some revision."""
    own_pipeline.start("worker", RUNWEAVER_LATE_AFTER_S="1")
    own_pipeline.start("finalizer")
    script = _run("run")
    own_pipeline.send(*script.written)
    own_pipeline.summary("run")

    def is_revised() -> bool:
        own_pipeline.send(script.heartbeat())
        return own_pipeline.summary("run").revision > 1

    wait_until(is_revised, timeout_s=10, what="the next revision")
    own_pipeline.wait_until_idle()
    assert summary_of(script.written) == without_history(own_pipeline.summary("run"))


def test_a_finalizer_outlives_a_server_that_is_away_for_long(namespace: str) -> None:
    """Also at the moment in which it begins anew with RQ: it tries again."""
    with Server() as server:
        process = FinalizerProcess(FinalizerSettings(redis_url=server.url, namespace=namespace))
        server.kill()

        assert not process._work()


def test_a_finalizer_hears_a_stop_between_two_attempts(
    server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server went away in the middle of a job, and SIGTERM comes before RQ has begun anew."""
    attempts = []

    def break_off(worker: SimpleWorker, **_options: Any) -> bool:
        attempts.append(worker)
        assert len(attempts) == 1, "it went on"
        worker._install_signal_handlers()
        worker.set_state(WorkerStatus.BUSY)
        raise ConnectionError

    monkeypatch.setattr(SimpleWorker, "work", break_off)
    monkeypatch.setattr(time, "sleep", lambda _s: os.kill(os.getpid(), signal.SIGTERM))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        FinalizerProcess(FinalizerSettings(redis_url=server.url, namespace=namespace)).run()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert 1 == len(attempts)
    monkeypatch.undo()
    # What would end a process that does not stop in time must not end one that goes on with other things.
    wait_until(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()), what="no deadline")
