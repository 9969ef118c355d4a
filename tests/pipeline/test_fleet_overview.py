"""How a fleet did over a period: all runs are counted, and of no more than some it is looked at more closely."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runweaver.query import ChangeKind, Direction, Fleet, FleetOverview, Rate
from runweaver.shared import InvalidArgumentError, RunStatus, RunSummary
from runweaver.shared.figures import RunFigures
from runweaver.shared.run import SAMPLED_OUT_TAG
from tests.support.kept_summaries import NOON, keep, made
from tests.support.processes import Pipeline

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def _fleet(pipeline: Pipeline) -> Fleet:
    return Fleet(pipeline.url, namespace=pipeline.namespace)


def _over(pipeline: Pipeline, period: timedelta = _HOUR, **options: Any) -> FleetOverview:
    return _fleet(pipeline).over(period, until=NOON, **options)


def _several(prefix: str, count: int, finished_at: datetime, **fields: Any) -> list[RunSummary]:
    return [made(f"{prefix}-{number}", finished_at, **fields) for number in range(count)]


def test_every_run_of_the_period_is_in_the_step_in_which_it_ended(own_pipeline: Pipeline) -> None:
    """Steps begin at round times; the last one is that in which the period ends."""
    ends = [NOON - _HOUR + _MINUTE, NOON - 2 * _MINUTE, NOON - timedelta(milliseconds=1), NOON, NOON + 0.99 * _MINUTE]
    outside = [NOON - _HOUR + _MINUTE - timedelta(milliseconds=1), NOON + _MINUTE]
    keep(own_pipeline, [made(f"run-{number}", end) for number, end in enumerate([*ends, *outside])])

    overview = _over(own_pipeline)

    assert (60, 60) == (overview.step_s, len(overview.steps))
    assert (NOON - _HOUR + _MINUTE, NOON + _MINUTE) == (overview.since, overview.until)
    assert {0: 1, 57: 1, 58: 1, 59: 2} == {place: step.runs for place, step in enumerate(overview.steps) if step.runs}
    assert (5, 1) == (overview.runs, overview.runs_before)


def test_few_runs_are_told_exactly(own_pipeline: Pipeline) -> None:
    """Statuses, tokens and times; cancelled runs are counted, and say nothing about success."""
    keep(
        own_pipeline,
        [
            made("run-0", tokens=100, duration_ms=10),
            made("run-1", tokens=200, duration_ms=30),
            made("run-2", tokens=300, duration_ms=20, status=RunStatus.FAILED),
            made("run-3", tokens=400, duration_ms=90, status=RunStatus.STUCK),
            made("run-4", tokens=500, duration_ms=80, status=RunStatus.CANCELLED),
            made("run-5", NOON - _HOUR, status=RunStatus.FAILED),
        ],
    )

    overview = _over(own_pipeline)
    step = overview.steps[-1]

    assert {"completed": 2, "failed": 1, "stuck": 1, "cancelled": 1} == overview.statuses == step.statuses
    assert Rate(count=2, total=4) == overview.success == step.success
    assert Rate(count=0, total=1) == overview.before
    assert (1_500, 30) == (overview.tokens, overview.duration_p50_ms) == (step.tokens, step.duration_p50_ms)
    assert 5 == overview.looked_at


@pytest.mark.parametrize(
    ("period", "step_s", "steps"),
    [
        (timedelta(seconds=1), 1, 1),
        (timedelta(hours=6), 5 * 60, 72),
        (timedelta(days=1), 15 * 60, 96),
        (timedelta(days=7), 2 * 60 * 60, 84),
        (timedelta(days=3_650), 37 * 24 * 60 * 60, 99),
    ],
)
def test_there_are_never_more_than_a_hundred_steps(
    own_pipeline: Pipeline, period: timedelta, step_s: int, steps: int
) -> None:
    """However long the period: each is a round time."""
    overview = _over(own_pipeline, period)

    assert (step_s, steps) == (overview.step_s, len(overview.steps))


def test_where_runs_are_many_only_tokens_and_times_are_estimates(own_pipeline: Pipeline) -> None:
    """Of each step some runs are looked at; what they used stands for the others."""
    busy = _several("busy", 3_000, NOON - 10 * _MINUTE, tokens=10, duration_ms=500)
    calm = _several("calm", 100, NOON - 20 * _MINUTE, tokens=1_000, duration_ms=9_000)
    lost = _several("lost", 3, NOON - 30 * _MINUTE, goal_id="rare", status=RunStatus.FAILED)
    keep(own_pipeline, [*busy, *calm, *lost])

    overview = _over(own_pipeline)

    assert 3_103 == overview.runs
    assert {"completed": 3_100, "failed": 3} == overview.statuses
    assert 333 + 100 + 3 == overview.looked_at
    assert 3_000 * 10 + 100 * 1_000 == overview.tokens
    # Each that was looked at weighs as much as those that it stands for.
    assert 500 == overview.duration_p50_ms
    assert {"a": 3_100, "rare": 3} == {goal.goal: goal.runs for goal in overview.goals}


def test_goals_that_got_clearly_worse_come_first(own_pipeline: Pipeline) -> None:
    """Then those that lost most runs, whether or not that is new."""
    before, now = NOON - 90 * _MINUTE, NOON - 5 * _MINUTE
    keep(
        own_pipeline,
        [
            *_several("good-before", 30, before, goal_id="fell"),
            *_several("bad-now", 20, now, goal_id="fell", status=RunStatus.FAILED),
            made("bad-last", now + _MINUTE, goal_id="fell", status=RunStatus.STUCK),
            *_several("bad-always", 40, now, goal_id="always", status=RunStatus.FAILED),
            *_several("bad-already", 40, before, goal_id="always", status=RunStatus.FAILED),
            *_several("good", 9, now, goal_id="fine"),
        ],
    )

    overview = _over(own_pipeline)
    fell, always, fine = overview.goals

    assert ("fell", "always", "fine") == (fell.goal, always.goal, fine.goal)
    assert (Direction.WORSE, Direction.STEADY) == (fell.direction, always.direction)
    assert (Rate(count=30, total=30), Rate(count=0, total=21)) == (fell.before, fell.success)
    assert ("bad-last", None) == (fell.last_lost, fine.last_lost)
    assert [0] * 10 + [20, 1] == [point.success.total for point in fell.points]
    assert [] == _over(own_pipeline, goals=0).goals
    assert ["fell"] == [goal.goal for goal in _over(own_pipeline, goals=1).goals]
    assert 3 == _over(own_pipeline, goals=1).goals_found


def test_runs_that_are_in_no_sample_are_told_apart(own_pipeline: Pipeline) -> None:
    """They were kept because they failed: who reads the success rate has to know."""
    keep(own_pipeline, [made("run-0"), made("run-1", status=RunStatus.FAILED, tags=[SAMPLED_OUT_TAG])])

    assert 1 == _over(own_pipeline).sampled_out


def test_what_is_no_summary_is_counted_and_left_out_of_the_rest(own_pipeline: Pipeline) -> None:
    """So is one that has expired before its entries in the indexes."""
    keep(own_pipeline, [made("run-0", tokens=7), made("run-1", tokens=7), made("run-2", tokens=7)])
    own_pipeline.redis.set(own_pipeline.keys.summary("run-1"), b"{", ex=60)
    own_pipeline.redis.delete(own_pipeline.keys.summary("run-2"))

    overview = _over(own_pipeline)

    assert (3, 1, 3 * 7) == (overview.runs, overview.looked_at, overview.tokens)


@pytest.mark.parametrize("period", [timedelta(0), timedelta(days=-1), timedelta(days=40_000), timedelta.max])
def test_a_period_that_makes_no_sense_is_refused(own_pipeline: Pipeline, period: timedelta) -> None:
    """With the period in the text."""
    with pytest.raises(InvalidArgumentError, match="period: "):
        _over(own_pipeline, period)
    with pytest.raises(InvalidArgumentError, match="goals: -1"):
        _over(own_pipeline, goals=-1)


def test_a_fleet_that_has_done_nothing_yet(own_pipeline: Pipeline) -> None:
    """Has steps, and nothing in them."""
    overview = _fleet(own_pipeline).over()

    assert (96, 0, 0, []) == (len(overview.steps), overview.runs, overview.tokens, overview.goals)
    assert (Direction.UNKNOWN, None) == (overview.direction, overview.duration_p50_ms)
    assert abs(overview.until - datetime.now(UTC)) < timedelta(minutes=16)


def test_new_errors_are_told_before_those_that_are_gone(own_pipeline: Pipeline) -> None:
    """Where chance is an unlikely reason."""
    met = [("old", NOON - 90 * _MINUTE, "Time out"), ("new", NOON - 5 * _MINUTE, "No access")]
    runs = [
        (made(f"{name}-{number}", end, status=RunStatus.FAILED), error)
        for name, end, error in met
        for number in range(9)
    ]
    keep(own_pipeline, [summary for summary, _ in runs], [_figures(*run) for run in runs])

    found = _fleet(own_pipeline).changes(_HOUR, until=NOON)

    assert (9, 9) == (found.runs, found.runs_before)
    assert [(ChangeKind.NEW_ERROR, "No access"), (ChangeKind.GONE_ERROR, "Time out")] == [
        (change.kind, change.error) for change in found.changes
    ]
    assert Counter({"new": 5}) == Counter(run_id.partition("-")[0] for run_id in found.changes[0].run_ids)


def _figures(summary: RunSummary, error: str) -> RunFigures:
    """A run of one step that met this error."""
    choice: tuple[Any, ...] = ("node", "Do it", "a", "The way a", 0, 1, 0, 0, [])
    facts = RunFigures.from_summary(summary).model_dump()
    return RunFigures.model_validate({**facts, "choices": [choice], "failures": [(0, error, 1, 0)]})
