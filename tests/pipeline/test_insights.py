"""What is kept of each run adds up to what its archive says, whatever became of the run on the way."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from runweaver.query import GoalInsights, Insights
from runweaver.shared import InvalidArgumentError, Run
from tests.support.counting import assert_told, count
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _insights(pipeline: Pipeline, goal: str | None = None, **options: object) -> GoalInsights:
    return Insights(pipeline.url, namespace=pipeline.namespace).get(goal, limit=1_000, **options)  # type: ignore[arg-type]


def _archived(pipeline: Pipeline, run_ids: Sequence[str]) -> list[Run]:
    runs = [pipeline.runs.get(run_id) for run_id in run_ids]
    assert all(runs)
    return [run for run in runs if run is not None]


def _script(number: int) -> Script:
    return Script(f"run-{number:02}", begin=_NOON + timedelta(minutes=number))


def _messages(script: Script, number: int) -> list[str]:
    """A run that differs from the next one in goal, steps, errors and end."""
    sent = [script.started("ab"[number % 2], tags=["even" if number % 2 == 0 else "odd"])]
    for step in range(number % 4 + 1):
        decision_id = f"{script.producer}-{step}"
        chosen = "ab"[(number + step) % 2]
        sent.append(script.decision(decision_id, f"Step {step}", f"node-{step % 2}", chosen_option_id=chosen))
        failed = (number + step) % 3 == 0
        error = f"Error {number}: no row {step}" if failed else None
        sent.append(
            script.outcome(decision_id, success=not failed, error=error, tokens_used=number, latency_ms=10 * number)
        )
    return sent


def test_insights_are_what_the_archives_say(own_pipeline: Pipeline) -> None:
    """Runs that end, that get messages twice, late, by several producers, that are stuck and come back."""
    environment = {"RUNWEAVER_STUCK_AFTER_S": "1"}
    own_pipeline.start("worker", **environment)
    own_pipeline.start("finalizer", **environment)
    scripts = [_script(number) for number in range(12)]
    for number, script in enumerate(scripts):
        sent = _messages(script, number)
        own_pipeline.send(*sent)
        if number % 5 != 4:  # the others fall silent
            own_pipeline.send(*sent, script.ended("failed" if number % 3 == 0 else "completed"))
    for script in scripts:
        own_pipeline.summary(script.run_id)

    # Some change after they have been summarised: by a late failure, a late success, a late end.
    late = Script(scripts[1].run_id, "late", begin=_NOON)
    own_pipeline.send(late.decision("late", "Step 9", "late"), late.outcome("late", success=False, error="Too late"))
    own_pipeline.send(scripts[2].outcome("p-0", success=True, timestamp=(_NOON + timedelta(hours=1)).isoformat()))
    own_pipeline.send(scripts[4].ended("cancelled"))
    for number in (1, 2, 4):
        own_pipeline.summary(scripts[number].run_id, revision=2)
    own_pipeline.wait_until_idle()

    run_ids = [script.run_id for script in scripts]
    runs = _archived(own_pipeline, run_ids)
    assert {"completed", "failed", "cancelled", "stuck"} == {run.status.value for run in runs}
    assert_told(count(runs), _insights(own_pipeline))
    for goal in "ab":
        assert_told(count(run for run in runs if run.goal_id == goal), _insights(own_pipeline, goal))
    assert_told(count(run for run in runs if "odd" in run.tags), _insights(own_pipeline, tag="odd"))
    since, until = _NOON + timedelta(minutes=3), _NOON + timedelta(minutes=9)
    assert_told(
        count(run for run in runs if since <= run.finished_at < until),
        _insights(own_pipeline, since=since, until=until),
    )


def test_runs_of_an_earlier_release_are_counted(own_pipeline: Pipeline) -> None:
    """They have no figures: status and goal are told by their summaries. What is none is left out."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    for number in range(3):
        script = _script(number)
        own_pipeline.send(*_messages(script, number), script.ended())
        own_pipeline.summary(script.run_id)
    own_pipeline.wait_until_idle()
    own_pipeline.redis.delete(own_pipeline.keys.figures("run-00"))
    own_pipeline.redis.set(own_pipeline.keys.figures("run-01"), "none of ours", ex=60)

    insights = _insights(own_pipeline)

    assert (2, 1) == (insights.runs, insights.without_figures)
    assert 2 == insights.success.count


def test_figures_go_with_their_summary(own_pipeline: Pipeline) -> None:
    """What is kept of a run has one term."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer", RUNWEAVER_SUMMARY_TTL_S="1")
    script = _script(0)
    own_pipeline.send(*_messages(script, 0), script.ended())
    own_pipeline.summary(script.run_id)

    wait_until(lambda: not own_pipeline.redis.exists(own_pipeline.keys.figures(script.run_id)), what="figures are gone")

    assert 0 == _insights(own_pipeline).runs
    assert own_pipeline.summaries.get(script.run_id) is None


def test_what_changed_is_told_against_the_time_before(own_pipeline: Pipeline) -> None:
    """With a period, against the one of the same length before it; without one, the newer half against the older."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    for number in range(40):
        script = Script(f"run-{number:02}", begin=_NOON + timedelta(minutes=number))
        fails = number >= 20
        own_pipeline.send(
            script.started(),
            script.decision("d"),
            script.outcome("d", success=not fails, error="It broke" if fails else None),
            script.ended("failed" if fails else "completed"),
        )
    own_pipeline.wait_until_idle()
    wait_until(lambda: 40 == len(own_pipeline.summaries.list(limit=50).items), what="all summaries")

    halves = _insights(own_pipeline)
    period = _insights(own_pipeline, since=timedelta(minutes=20), until=_NOON + timedelta(minutes=40))

    for insights in (halves, period):
        assert ("worse", 20, 0) == (insights.trend.direction, insights.trend.before.count, insights.trend.now.count)
        assert [("new_error", "It broke")] == [(change.kind, change.error) for change in insights.changes]
    assert (40, 20) == (halves.runs, period.runs)
    assert "mend what “a” fails with: It broke" in period.suggestions[0].sentence
    assert 20 == period.suggestions[0].saves


def test_a_period_that_makes_no_sense_is_refused(pipeline: Pipeline) -> None:
    """So is a limit."""
    with pytest.raises(InvalidArgumentError, match="since: 2026-01-01T12:00:00\\+00:00 is not before 2026-01-01"):
        _insights(pipeline, since=_NOON, until=_NOON)
    with pytest.raises(InvalidArgumentError, match="limit: 0 is not a number above 0"):
        Insights(pipeline.url, namespace=pipeline.namespace).get(limit=0)
