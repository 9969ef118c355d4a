"""What the pipeline leaves behind: nothing that is not on a list, and that no longer than is said."""

import re
import time
from collections.abc import Iterator

import pytest

from runweaver.shared import RunStatus
from runweaver.shared.keys import WORKER_GROUP
from tests.support.messages import Script
from tests.support.owned_keys import LASTING
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


@pytest.fixture
def alone(namespace: str) -> Iterator[Pipeline]:
    """A pipeline with a server that nobody else uses."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        yield pipeline


def _lasting(pipeline: Pipeline) -> list[str]:
    """All keys of the server that do not expire."""
    return [key.decode() for key in pipeline.redis.scan_iter() if pipeline.redis.pttl(key) == -1]


def _whole(run_id: str) -> list[str]:
    script = Script(run_id)
    return [script.started(), *script.steps(10), script.ended()]


def test_after_all_runs_have_ended_only_what_is_listed_stays(alone: Pipeline) -> None:
    """After whole, stuck, revised and refused runs, and processes that were killed at their work."""
    alone.environment["RUNWEAVER_STUCK_AFTER_S"] = "1"
    doomed = [alone.start("worker"), alone.start("finalizer")]
    alone.send(*_whole("killed"))
    time.sleep(0.05)
    for process in doomed:
        alone.kill(process)
    alone.start("worker")
    alone.start("finalizer")
    script = Script("late")
    alone.send(*_whole("whole"), script.started(), script.ended(), "{garbage")
    alone.send(Script("silent").started())
    alone.summary("late")
    alone.send(script.decision("after"))
    assert RunStatus.STUCK == alone.summary("silent").status
    alone.summary("late", revision=2)
    alone.summary("killed", timeout_s=60)
    alone.wait_until_idle()

    patterns = [re.compile(pattern.replace("{namespace}", alone.namespace)) for pattern in LASTING]
    assert [] == [key for key in _lasting(alone) if not any(pattern.fullmatch(key) for pattern in patterns)]
    assert [] == [key for key in _lasting(alone) if ":run:" in key or ":active:" in key or ":due:" in key]
    assert 0 == alone.redis.xlen(alone.keys.messages(0))


def test_a_worker_that_died_is_taken_off_the_group(alone: Pipeline) -> None:
    """Once what it had in hand was taken over."""

    def names() -> set[str]:
        found = alone.redis.xinfo_consumers(alone.keys.messages(0), WORKER_GROUP)
        return {consumer["name"].decode() for consumer in found}

    first = alone.start("worker")
    wait_until(lambda: alone.redis.exists(alone.keys.messages(0)) and names(), what="the first worker")
    [dead] = names()
    first.send_signal(19)
    alone.send(*_whole("run"))
    alone.kill(first)

    alone.start("worker")
    alone.start("finalizer")

    assert RunStatus.COMPLETED == alone.summary("run").status
    wait_until(lambda: len(names()) == 1 and dead not in names(), what="the dead worker's name is gone")


def test_a_summary_takes_its_index_entries_along(alone: Pipeline) -> None:
    """When its term is over, nothing of the run is left."""
    alone.start("worker")
    alone.start("finalizer", RUNWEAVER_SUMMARY_TTL_S="1", RUNWEAVER_ARCHIVE_TTL_S="1")
    alone.send(*_whole("run"))
    wait_until(lambda: alone.redis.xlen(alone.keys.finished) == 1, what="the summary")

    def remains() -> list[str]:
        names = [key.decode() for key in alone.redis.scan_iter(f"{alone.namespace}:*")]
        return [key for key in names if re.search(r":(index|summary|archive|run|active|due):", key)]

    wait_until(lambda: not remains(), what="nothing of the run is left")


def test_dead_letters_go_by_number_and_by_age(alone: Pipeline) -> None:
    """The oldest first."""
    worker = alone.start("worker", RUNWEAVER_DEAD_LETTERS_KEPT="100")
    for _ in range(30):
        alone.send(*[b"{"] * 20)
    alone.wait_until_merged()
    # About: the server trims by whole nodes of a hundred.
    assert 100 <= alone.redis.xlen(alone.keys.dead_letters(0)) <= 200
    alone.stop(worker)

    alone.start("worker", RUNWEAVER_DEAD_LETTER_TTL_S="1")

    wait_until(lambda: alone.redis.xlen(alone.keys.dead_letters(0)) == 0, what="they are gone")


def test_announcements_go_by_number(alone: Pipeline) -> None:
    """The oldest first."""
    alone.start("worker")
    alone.start("finalizer", RUNWEAVER_FINISHED_KEPT="100")
    for number in range(300):
        alone.send(*_whole(f"run-{number}"))
    alone.summary("run-299")
    alone.wait_until_idle()

    assert 100 <= alone.redis.xlen(alone.keys.finished) <= 200


def test_jobs_do_not_pile_up_without_finalizers(alone: Pipeline) -> None:
    """When very many wait, no more are added: what is due is on the server anyway."""
    alone.start("worker")
    for number in range(3_000):
        alone.send(*_whole(f"run-{number}"))
        if number % 100 == 99:
            alone.wait_until_merged()
    jobs = alone.jobs.queue.count

    assert jobs < 1_300
    assert 3_000 == sum(alone.redis.zcard(key) for key in [alone.keys.due(0)])


def test_jobs_do_not_pile_up_where_finalizers_are_behind(own_pipeline: Pipeline) -> None:
    """While many wait, more messages for a run that is due already make no further job; an end always does."""
    queue = own_pipeline.jobs.queue
    for _ in range(100):
        own_pipeline.jobs.finalize(["nobody"])
    own_pipeline.start("worker", RUNWEAVER_SETTLE_S="1000")
    script = Script("run")
    own_pipeline.send(script.started(), script.ended(declare=False))
    own_pipeline.wait_until_merged()
    wait_until(lambda: queue.count == 101, what="the end makes a job")

    for _ in range(3):
        own_pipeline.send(script.heartbeat())
        own_pipeline.wait_until_merged()
    assert 101 == queue.count

    queue.empty()
    own_pipeline.send(script.heartbeat())
    own_pipeline.wait_until_merged()
    assert [["run"]] == [job.args[0] for job in queue.jobs]
