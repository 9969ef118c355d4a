"""Somebody wrote something else where a run is kept: that run fails by itself, and says so in one sentence."""

import pytest
import zstandard

from runweaver.shared import CorruptArchiveError, CorruptSummaryError, RunStatus
from runweaver.worker import DeadLetters
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

#: A few kilobytes that would unpack to 300 MB.
_BOMB = zstandard.ZstdCompressor().compress(bytes(300 * 1024 * 1024))


def _summarised(pipeline: Pipeline, *run_ids: str) -> list[Script]:
    scripts = [Script(run_id) for run_id in run_ids]
    for script in scripts:
        pipeline.send(script.started(), script.decision("d"), script.ended())
    for script in scripts:
        pipeline.summary(script.run_id)
    pipeline.wait_until_idle()
    return scripts


@pytest.mark.parametrize("packed", [b"no archive", _BOMB], ids=["no archive", "a bomb"])
def test_a_corrupt_archive_fails_alone(own_pipeline: Pipeline, packed: bytes) -> None:
    """Late messages of its run cannot be summarised; those of its neighbours, looked at by the same job, are."""
    own_pipeline.start("worker")
    finalizer = own_pipeline.start("finalizer")
    scripts = _summarised(own_pipeline, "bad", "good-1", "good-2")
    own_pipeline.redis.set(own_pipeline.keys.archive("bad"), packed, ex=600)

    own_pipeline.send(*(script.outcome("d", success=False) for script in scripts))

    assert 1 == own_pipeline.summary("good-1", revision=2).failed_decisions
    assert 1 == own_pipeline.summary("good-2", revision=2).failed_decisions
    failed = own_pipeline.jobs.queue.failed_job_registry
    wait_until(lambda: failed.count == 1, what="the bad run's job failed")
    [job_id] = failed.get_job_ids()
    job = own_pipeline.jobs.queue.fetch_job(job_id)
    assert job is not None
    result = job.latest_result()
    assert result is not None
    assert "CorruptArchiveError: the archive of bad cannot be read" in (result.exc_string or "")
    assert 1 == own_pipeline.summary("bad").revision
    assert finalizer.poll() is None
    # What came for it is kept until somebody mends it.
    assert 1 == own_pipeline.redis.hlen(own_pipeline.keys.run("bad"))


def test_a_corrupt_archive_is_told_in_a_sentence(own_pipeline: Pipeline) -> None:
    """To who asks for the full run; the summary can still be read."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    _summarised(own_pipeline, "bad")
    own_pipeline.redis.set(own_pipeline.keys.archive("bad"), b"no archive", ex=600)

    with pytest.raises(CorruptArchiveError, match="the archive of bad cannot be read: it is no zstandard frame"):
        own_pipeline.runs.get("bad")
    full, short = own_pipeline.run("show", "bad", "--full"), own_pipeline.run("show", "bad")

    assert (2, "") == (full.returncode, full.stdout)
    assert full.stderr.startswith("runweaver: the archive of bad cannot be read")
    assert 1 == full.stderr.count("\n")
    assert 0 == short.returncode


def test_a_corrupt_summary_is_left_out_of_lists_and_told_in_a_sentence(own_pipeline: Pipeline) -> None:
    """What somebody wrote there is not shown, and does not hide the others."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    _summarised(own_pipeline, "bad", "good")
    own_pipeline.redis.set(own_pipeline.keys.summary("bad"), b'{"run_id":"secret"}', ex=600)

    with pytest.raises(CorruptSummaryError, match="stored as the summary of bad is none"):
        own_pipeline.summaries.get("bad")
    shown, listed = own_pipeline.run("show", "bad"), own_pipeline.run("runs", "--json")

    assert ["good"] == [summary.run_id for summary in own_pipeline.summaries.list().items]
    assert (2, 1) == (shown.returncode, shown.stderr.count("\n"))
    assert (0, 1) == (listed.returncode, listed.stdout.count("\n"))
    assert "leaving out a run" in listed.stderr
    assert "secret" not in shown.stderr + listed.stdout + listed.stderr


def test_open_runs_are_listed_without_those_that_cannot_be_read(own_pipeline: Pipeline) -> None:
    """Neither a run with a broken set hides the others, nor one whose late messages wait beside a summary."""
    worker = own_pipeline.start("worker")
    open_, bad, late = Script("open"), Script("bad"), Script("late")
    own_pipeline.send(open_.started(), bad.started(), late.started())
    own_pipeline.wait_until_merged()
    own_pipeline.stop(worker)
    own_pipeline.redis.hset(own_pipeline.keys.run("bad"), "p#9", "nothing")
    own_pipeline.redis.set(own_pipeline.keys.summary("late"), b"{}", ex=600)

    assert ["open"] == [run.id for run in own_pipeline.runs.running()]
    listed = own_pipeline.run("runs", "--status", "running", "--json")
    assert (0, 1) == (listed.returncode, listed.stdout.count("\n"))


def test_strangers_among_the_runs_that_are_due_do_no_harm(own_pipeline: Pipeline) -> None:
    """The sweep removes what can be no run, and asks for the others."""
    script = Script("good")
    keys, client = own_pipeline.keys, own_pipeline.redis
    client.zadd(keys.due(0), {b"\xff": 0, b"a run": 0, b"": 0, b"{}": 0})
    client.zadd(keys.index_all, {b"\xff": 0})
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")

    # Without a number it is the sweep that finds it.
    own_pipeline.send(script.started(), script.ended(declare=False))

    assert RunStatus.COMPLETED == own_pipeline.summary("good").status
    own_pipeline.wait_until_idle()
    assert ["good"] == [summary.run_id for summary in own_pipeline.summaries.list().items]


def test_a_letter_that_somebody_else_wrote_is_listed(own_pipeline: Pipeline) -> None:
    """With what there is of it; it can be sent again and dropped as any other."""
    own_pipeline.redis.xadd(own_pipeline.keys.dead_letters(0), {"reason": b"\xff"}, id=f"{2**64 - 1}-0")
    letters = DeadLetters(own_pipeline.redis, own_pipeline.keys)

    [letter] = letters

    assert (b"", "", "\ufffd", 9999) == (letter.message, letter.code, letter.reason, letter.at.year)
    assert letters.drop(letter.id)
