"""Some runs are told and others are not, and all who take part agree on which; those that fail can be kept."""

import gc
import os
import sys

import pytest

from runweaver.producer import Producer
from runweaver.producer.sampling import HELD_BYTES, HELD_MESSAGES, is_in_sample
from runweaver.query import Insights
from runweaver.shared import InvalidArgumentError, ProducerSettings, RunStatus
from tests.support.processes import Pipeline


def test_a_share_of_the_runs_is_told(pipeline: Pipeline) -> None:
    """Those that are not send nothing at all."""
    with Producer(settings=pipeline.producer_settings, sample=0.3) as producer:
        runs = [producer.start_run("sampled") for _ in range(100)]
        for run in runs:
            with run:
                run.record_outcome(run.quick_decision("Do", "It"), success=True)
        assert producer.flush()
        told = [run.run_id for run in runs if run.is_sampled]
        assert 4 * len(told) == producer.stats().sent_messages

    assert 10 < len(told) < 60
    assert [2] * len(told) == [pipeline.summary(run_id).completeness.received // 2 for run_id in told]
    assert not any(pipeline.runs.get(run.run_id) for run in runs if not run.is_sampled)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_the_share_is_what_was_asked_for(share: float) -> None:
    """Of many run ids; and whoever looks at one comes to the same."""
    run_ids = [f"run-{number}" for number in range(20_000)]

    told = {run_id for run_id in run_ids if is_in_sample(run_id, share)}

    assert abs(len(told) / len(run_ids) - share) <= 0.02
    # A larger share has the same runs, and more.
    assert told <= {run_id for run_id in run_ids if is_in_sample(run_id, min(1.0, share + 0.1))}


def test_who_joins_does_as_who_started(pipeline: Pipeline, producer: Producer) -> None:
    """By the carrier, whatever the share is there; by the run id, where the share is the same."""
    with (
        Producer(settings=pipeline.producer_settings, sample=0.5) as starter,
        Producer(settings=pipeline.producer_settings, sample=0.5) as same,
        Producer(settings=pipeline.producer_settings, sample=0) as none,
    ):
        runs = [starter.start_run("shared") for _ in range(30)]
        for run in runs:
            for other in (same.join_run(run.run_id), producer.join_run(run.carrier()), none.join_run(run.carrier())):
                assert run.is_sampled == other.is_sampled
                with other:
                    other.quick_decision("Help", "Do it")
        # Who ends a run does not know of those who joined it and are not heard yet.
        assert all(each.flush() for each in (same, none, producer))
        for run in runs:
            run.end()

    assert {True, False} == {run.is_sampled for run in runs}
    for run in runs:
        if run.is_sampled:
            assert 3 == pipeline.summary(run.run_id).decision_count
        else:
            assert None is pipeline.runs.get(run.run_id)


def test_a_run_that_fails_can_be_kept(pipeline: Pipeline) -> None:
    """All of it, from its beginning, as if it had been in the sample; a tag says that it was not."""
    with Producer(settings=pipeline.producer_settings, sample=0, keep_failed=True) as producer:
        failing = producer.start_run("kept", tags=["mine"])
        decision = failing.quick_decision("Do", "It")
        failing.record_outcome(decision, success=False, error="It did not work")
        failing.heartbeat()
        failing.report_problem("critical", "It is broken")
        failing.end("failed")
        failing.record_outcome(decision, success=False, error="It really did not")
        forgotten = []
        for status in ("completed", "cancelled"):
            with producer.start_run("kept") as run:
                run.quick_decision("Do", "It")
                run.end(status)
            run.quick_decision("Do", "It late")
            forgotten.append(run.run_id)
        abandoned = producer.start_run("kept")
        assert producer.flush()
        assert 6 == producer.stats().sent_messages

    summary = pipeline.summary(failing.run_id)

    assert (RunStatus.FAILED, ["sampled-out", "mine"], 1, 1) == (
        summary.status,
        summary.tags,
        summary.failed_decisions,
        len(summary.critical_problems),
    )
    assert (0, 0) == (summary.completeness.missing, summary.completeness.dropped)
    assert not any(pipeline.runs.get(run_id) for run_id in [*forgotten, abandoned.run_id])


def test_insights_are_told_of_the_sample(own_pipeline: Pipeline) -> None:
    """With failures that are kept beside it, all rates would be wrong. They can be asked for by themselves."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    for sample in (1, 0):
        with Producer(settings=own_pipeline.producer_settings, sample=sample, keep_failed=True) as producer:
            completed, failed = producer.start_run("sampled"), producer.start_run("sampled")
            completed.end("completed")
            failed.end("failed")
        for run in (completed, failed) if sample else (failed,):
            own_pipeline.summary(run.run_id)
    own_pipeline.wait_until_idle()

    insights = Insights(own_pipeline.url, namespace=own_pipeline.namespace)
    of_all, of_kept = insights.get("sampled"), insights.get(tag="sampled-out")
    shown = own_pipeline.run("insights").stdout

    assert (1, 2, 1) == (of_all.success.count, of_all.success.total, of_all.sampled_out)
    assert (0, 1, 0) == (of_kept.success.count, of_kept.success.total, of_kept.sampled_out)
    assert "1 that failed are in no sample, and left out: see --tag sampled-out" in shown


@pytest.mark.parametrize(("count", "size"), [(HELD_MESSAGES + 500, 10), (40, HELD_BYTES // 20)])
def test_what_is_held_has_a_bound(pipeline: Pipeline, count: int, size: int) -> None:
    """The beginning stays, and the latest of the rest; what went counts as dropped, as the summary says."""
    with Producer(settings=pipeline.producer_settings, sample=0, keep_failed=True) as producer:
        run = producer.start_run("long")
        for number in range(count):
            run.quick_decision(f"Step {number}", "x" * size)
        run.end("failed")
        assert producer.flush()

    summary = pipeline.summary(run.run_id)
    full = pipeline.runs.get(run.run_id)

    assert full is not None
    assert f"Step {count - 1}" == full.decisions[-1].intent
    assert 0 < len(full.decisions) == summary.decision_count < count
    assert count - summary.decision_count == summary.completeness.missing == summary.completeness.dropped
    assert "long" == summary.goal_id


def test_what_is_held_goes_with_its_run() -> None:
    """An agent that forgets its runs does not keep them in memory."""
    producer = Producer(settings=ProducerSettings(redis_url="redis://127.0.0.1:1"), sample=0, keep_failed=True)
    before = len(producer._runs)
    run = producer.start_run("forgotten")
    run.quick_decision("Do", "It")
    assert before + 1 == len(producer._runs)

    del run
    gc.collect()

    assert (before, 0) == (len(producer._runs), producer.stats().buffered_messages)
    assert producer.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_leaves_what_is_held_to_its_parent(pipeline: Pipeline) -> None:
    """Nothing is told twice, and nothing of the child: whether the run fails, it cannot know."""
    with Producer(settings=pipeline.producer_settings, sample=0, keep_failed=True) as producer:
        run = producer.start_run("forked")
        run.quick_decision("Before", "It")
        child = os.fork()
        if child == 0:
            run.quick_decision("In the child", "It")
            run.end("failed")
            producer.close()
            os._exit(0)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        run.quick_decision("After", "It")
        run.end("failed")
        assert producer.flush()

    full = pipeline.runs.get(run.run_id) if pipeline.summary(run.run_id) else None

    assert full is not None
    assert ["Before", "After"] == [decision.intent for decision in full.decisions]


_AGENT = """
from runweaver.producer import Producer
with Producer() as producer, producer.start_run("set", run_id="set-by-the-environment") as run:
    run.quick_decision("Do", "It")
    print(run.is_sampled)
    run.end("failed")
"""


def test_both_can_be_set_in_the_environment(pipeline: Pipeline) -> None:
    """For agents whose code nobody wants to touch."""
    agent = pipeline.spawn([sys.executable, "-c", _AGENT], RUNWEAVER_SAMPLE="0", RUNWEAVER_KEEP_FAILED="true")

    assert 0 == agent.wait(30)
    assert ["sampled-out"] == pipeline.summary("set-by-the-environment").tags


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    """When the producer is made."""
    with pytest.raises(InvalidArgumentError, match="is no share of all runs: it goes from 0 to 1"):
        Producer(sample=share)
