"""Ended runs: asked for at once where a finalizer has time, together where it has none."""

import pytest
from fakeredis import FakeRedis

from runweaver.shared.keys import Keys
from runweaver.worker import JobQueue, ended_runs
from runweaver.worker.ended_runs import EndedRuns
from runweaver.worker.jobs import RUNS_A_JOB
from tests.support.waiting import wait_until


@pytest.fixture
def jobs() -> JobQueue:
    """A queue from which nobody takes anything."""
    return JobQueue(FakeRedis(), Keys("rw"))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs wait for others for as long as it takes."""
    monkeypatch.setattr(ended_runs, "_PATIENCE_S", 600.0)


def _asked_for(jobs: JobQueue) -> list[list[str]]:
    return [job.args[0] for job in jobs.queue.jobs]


@pytest.mark.usefixtures("patient")
def test_where_no_job_waits_a_run_is_asked_for_at_once(jobs: JobQueue) -> None:
    """A summary must not come later than it can."""
    ended = EndedRuns(jobs)

    ended.add(["first"])

    assert [["first"]] == _asked_for(jobs)
    assert not ended.are_waiting


@pytest.mark.usefixtures("patient")
def test_where_a_job_waits_runs_gather(jobs: JobQueue) -> None:
    """They go together when that job was taken up, each once."""
    ended = EndedRuns(jobs)
    ended.add(["first"])

    ended.add(["second"])
    ended.add(["third", "second"])
    assert [["first"]] == _asked_for(jobs)
    assert ended.are_waiting

    jobs.queue.connection.delete(jobs.queue.key)
    ended.ask()
    assert [["second", "third"]] == _asked_for(jobs)


def test_a_run_does_not_wait_long_for_others(jobs: JobQueue) -> None:
    """Finalizers may be behind for hours: then a job is there for it nevertheless."""
    ended = EndedRuns(jobs)
    ended.add(["first"])
    ended.add(["second"])

    def ask() -> bool:
        ended.ask()
        return not ended.are_waiting

    wait_until(ask, what="it is asked for")
    assert [["first"], ["second"]] == _asked_for(jobs)


@pytest.mark.usefixtures("patient")
def test_a_full_job_does_not_wait(jobs: JobQueue) -> None:
    """More would not go into it."""
    ended = EndedRuns(jobs)
    ended.add(["first"])

    ended.add(f"run-{number}" for number in range(RUNS_A_JOB))

    assert [1, RUNS_A_JOB] == [len(run_ids) for run_ids in _asked_for(jobs)]


@pytest.mark.usefixtures("patient")
def test_at_the_end_all_are_asked_for(jobs: JobQueue) -> None:
    """A worker that stops leaves nothing to the sweep that it can do itself."""
    ended = EndedRuns(jobs)
    ended.add(["first"])
    ended.add(["second"])

    ended.ask(at_once=True)

    assert [["first"], ["second"]] == _asked_for(jobs)
