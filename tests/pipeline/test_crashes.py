"""Whatever dies, and wherever: the summary is that of everything sent."""

import random
import subprocess
import sys

import pytest

from runweaver.shared import FinalizerSettings, Run, RunStatus
from runweaver.worker import DeadLetters, PlainNarrator, Story
from runweaver.worker.finalize import Finalizer
from tests.support.crashing import PLACES, POISON
from tests.support.messages import Script, summary_of, without_history
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


def _whole_run(run_id: str, steps: int = 20) -> Script:
    script = Script(run_id)
    script.started()
    script.steps(steps)
    script.ended()
    return script


@pytest.mark.parametrize("place", PLACES)
def test_a_process_that_dies_costs_nothing(own_pipeline: Pipeline, place: str) -> None:
    """Killed at each step between taking a message and being done with the run, another takes it up exactly."""
    script = _whole_run("run")
    dying = own_pipeline.spawn([sys.executable, "-m", "tests.support.crashing", place])
    role, _ = PLACES[place]
    if role == "finalizer":
        own_pipeline.start("worker")
    own_pipeline.send(*script.written)
    assert -9 == dying.wait(20)

    own_pipeline.start("worker")
    own_pipeline.start("finalizer")

    # The sweep asks again after 30 s for what a finalizer took along; a job of ours does not wait that long.
    if role == "finalizer":
        own_pipeline.wait_until_merged()
        own_pipeline.jobs.finalize(["run"], settled=True)
    summary = own_pipeline.summary("run")
    wait_until(lambda: not own_pipeline.is_due("run"), what="the run is done with")
    assert summary_of(script.written) == without_history(summary)
    assert ["run"] == [each.run_id for each in own_pipeline.summaries.list().items]
    assert 1 == summary.revision


def test_the_same_job_twice_changes_nothing(own_pipeline: Pipeline) -> None:
    """A run whose messages are all summarised keeps its revision, and is announced once."""
    script = _whole_run("run")
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    own_pipeline.send(*script.written)
    first = own_pipeline.summary("run")

    for _ in range(3):
        own_pipeline.jobs.finalize(["run"], settled=True)
    own_pipeline.wait_until_idle()

    assert first == own_pipeline.summary("run")
    assert 1 == own_pipeline.redis.xlen(own_pipeline.keys.finished)


def test_messages_delivered_again_after_the_summary_change_nothing(own_pipeline: Pipeline) -> None:
    """The same identities are the same messages: no new revision, and nothing is left in the live set."""
    script = _whole_run("run")
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    own_pipeline.send(*script.written)
    first = own_pipeline.summary("run")

    own_pipeline.send(*script.written)
    own_pipeline.wait_until_merged()
    wait_until(lambda: not own_pipeline.is_due("run"), what="the run is done with again")

    assert first == own_pipeline.summary("run")
    assert not own_pipeline.redis.exists(own_pipeline.keys.run("run"))


def test_two_finalizers_on_one_run_while_messages_still_come(own_pipeline: Pipeline) -> None:
    """They may both look at it all the time: in the end the summary has everything, once."""
    for role in ("worker", "worker", "finalizer", "finalizer"):
        own_pipeline.start(role)
    script = Script("run")
    own_pipeline.send(script.started(), script.ended())
    for _ in range(60):
        own_pipeline.send(*script.steps(10))
        for _ in range(2):
            own_pipeline.jobs.finalize(["run"], settled=True)
    own_pipeline.send(script.left())
    own_pipeline.wait_until_merged()
    wait_until(lambda: not own_pipeline.is_due("run"), timeout_s=30, what="the run is done with")

    summary = own_pipeline.summary("run")
    assert summary_of(script.written) == without_history(summary)
    assert not own_pipeline.redis.exists(own_pipeline.keys.run("run"))


def test_a_finalizer_that_is_slow_to_index_does_not_bring_back_the_past(own_pipeline: Pipeline) -> None:
    """Between its summary and its index entries another one wrote the next revision: the indexes are of that one."""
    redis, keys = own_pipeline.redis, own_pipeline.keys
    first, second = Script("run"), Script("run", "q")
    first.started()
    first.ended("completed")
    second.steps(10)
    second.ended("failed")

    def store(script: Script) -> None:
        redis.hset(keys.run("run"), mapping={f"{script.producer}#{n}": raw for n, raw in enumerate(script.written)})
        redis.zadd(keys.due(0), {"run": len(script.written)})

    class Overtaken(PlainNarrator):
        def narrate(self, run: Run) -> Story:
            if run.id == "other":
                store(second)
                _finalizer(own_pipeline, PlainNarrator()).finalize(["run"], settled=True)
            return super().narrate(run)

    store(first)
    redis.hset(keys.run("other"), "p#0", Script("other").ended())
    redis.zadd(keys.due(0), {"other": 1})
    _finalizer(own_pipeline, Overtaken()).finalize(["run", "other"], settled=True)

    summary = own_pipeline.summary("run", revision=2)
    assert RunStatus.FAILED == summary.status
    assert [b"run"] == redis.zrange(keys.index_status(RunStatus.FAILED), 0, -1)
    assert summary.finished_at.timestamp() * 1000 == redis.zscore(keys.index_all, "run")
    assert [b"other"] == redis.zrange(keys.index_status(RunStatus.COMPLETED), 0, -1)
    assert not own_pipeline.is_due("run")


def test_scrambled_duplicated_and_split_over_workers_it_is_the_same(own_pipeline: Pipeline) -> None:
    """The order, the number of deliveries and the number of workers make no difference."""
    dice = random.Random(7)
    scripts = [_whole_run(f"run-{number}", steps=30) for number in range(20)]
    deliveries = [message for script in scripts for message in script.written] * 2
    dice.shuffle(deliveries)
    for role in ("worker", "worker", "worker", "finalizer"):
        own_pipeline.start(role)

    while deliveries:
        size = dice.randint(1, 40)
        own_pipeline.send(*deliveries[:size])
        del deliveries[:size]
    own_pipeline.wait_until_idle()

    for script in scripts:
        summary = own_pipeline.summary(script.run_id)
        assert summary_of(script.written) == without_history(summary)


def test_the_server_dies_and_comes_back(namespace: str) -> None:
    """Workers and finalizers outlive it, and go on where the server's log ends."""
    with Server(appendonly="yes", appendfsync="always") as server, Pipeline(server.url, namespace) as pipeline:
        for role in ("worker", "worker", "finalizer"):
            pipeline.start(role)
        scripts = [_whole_run(f"run-{number}") for number in range(60)]
        for number, script in enumerate(scripts):
            if number in (20, 40):
                server.kill()
                server.start()
            half = len(script.written) // 2
            pipeline.send(*script.written[:half])
            pipeline.send(*script.written[half:])

        for script in scripts:
            summary = pipeline.summary(script.run_id, timeout_s=40)
            assert summary_of(script.written) == without_history(summary)
        assert all(process.poll() is None for process in pipeline.processes)


def test_the_server_comes_back_empty(namespace: str) -> None:
    """Without a log on disk all is gone; workers and finalizers go on with what comes then."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        pipeline.start("worker")
        pipeline.start("finalizer")
        before = _whole_run("before")
        pipeline.send(*before.written)
        pipeline.summary("before")

        server.kill()
        server.start()
        after = _whole_run("after")
        pipeline.send(*after.written)

        assert summary_of(after.written) == without_history(pipeline.summary("after", timeout_s=30))


def test_a_message_that_kills_its_workers_is_set_aside_alone(own_pipeline: Pipeline) -> None:
    """After its entry was delivered five times its messages are tried one by one; the others of it are merged."""
    script = _whole_run("run")
    poison = Script("sick").started("poison")
    own_pipeline.send(*script.written[:10], poison, *script.written[10:])
    deaths = 0
    letters = DeadLetters(own_pipeline.redis, own_pipeline.keys)
    while not list(letters):
        worker = own_pipeline.spawn(
            [sys.executable, "-m", "tests.support.crashing", POISON], RUNWEAVER_CLAIM_AFTER_S="0.1"
        )
        _wait_for_death_or_letter(worker, letters)
        deaths += worker.poll() is not None
    own_pipeline.start("finalizer")

    summary = own_pipeline.summary("run")
    assert summary_of(script.written) == without_history(summary)
    assert [("deadly", poison)] == [(letter.code, letter.message.decode()) for letter in letters]
    assert 5 == deaths
    wait_until(lambda: not own_pipeline.redis.exists(own_pipeline.keys.suspects(0)), what="the notes are gone")


def _finalizer(pipeline: Pipeline, narrator: PlainNarrator) -> Finalizer:
    settings = FinalizerSettings(summary_ttl_s=1000, archive_ttl_s=1000)
    return Finalizer(pipeline.redis, pipeline.jobs, pipeline.keys, narrator=narrator, settings=settings)


def _wait_for_death_or_letter(worker: subprocess.Popen[bytes], letters: DeadLetters) -> None:
    wait_until(lambda: worker.poll() is not None or list(letters), what="a death or the letter")
