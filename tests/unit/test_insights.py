"""What is told of many runs follows from their numbers, and what may be chance is not told as more."""

from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from runweaver.query import Direction
from runweaver.query.many_runs import contrasts, digest
from runweaver.query.many_runs.aggregate import Aggregate, Era
from runweaver.query.many_runs.findings import ChangeKind
from runweaver.query.many_runs.suggestions import suggest
from runweaver.shared.failures import FailureKind
from runweaver.shared.figures import RunFigures

_numbers = count()

#: A choice as figures have it: node, intent, option, description, succeeded, failed, pending, tokens, latencies.
_Choice = tuple[str, str, str, str, int, int, int, int, list[tuple[int, int]]]


def _choice(option: str = "a", *, node: str = "node", intent: str = "Look", ok: int = 1, bad: int = 0) -> _Choice:
    return (node, intent, option, f"Way {option}", ok, bad, 0, 10, [])


def _run(status: str, *choices: _Choice, goal: str = "goal", **fields: object) -> RunFigures:
    number = next(_numbers)
    return RunFigures.model_validate(
        {
            "run_id": f"run-{number}",
            "goal_id": goal,
            "status": status,
            "finished_at_ms": number * 1000,
            "duration_ms": 0,
            "tokens": 0,
            "decisions": len(choices),
            "choices": choices,
            **fields,
        }
    )


def _failing(error: str, option: str = "a", status: str = "failed", recovered: int = 0) -> RunFigures:
    breakdown = None if recovered else (FailureKind.FAILED_DECISION, 0, error)
    return _run(status, _choice(option, ok=0, bad=1), failures=[(0, error, 1, recovered)], breakdown=breakdown)


def _sentences(runs: Sequence[RunFigures]) -> list[str]:
    return [suggestion.sentence for suggestion in suggest(Aggregate(runs), 10)]


def test_errors_that_differ_in_numbers_are_one() -> None:
    """They are counted together, those first that most runs met."""
    runs = [_failing("Row 1 is bad"), _failing("Row 22 is bad"), _failing("No access", recovered=1)]

    first, second = digest.errors(Aggregate(runs), 10)

    assert ("Row <n> is bad", 2, 0, {"goal": 2}) == (first.error, first.count, first.recovered, first.goals)
    assert [runs[1].run_id, runs[0].run_id] == first.run_ids
    assert ("No access", 1, 1) == (second.error, second.count, second.recovered)


def test_an_error_that_a_run_meets_several_times_counts_so_often() -> None:
    """But as one run."""
    runs = [_run("completed", _choice(ok=1, bad=3), failures=[(0, "Busy", 3, 2)]), _failing("Busy")]

    [error] = digest.errors(Aggregate(runs), 10)

    assert (4, 2, {"goal": 2}, 1, 2) == (error.count, error.recovered, error.goals, error.runs.count, error.runs.total)


def test_what_lost_most_runs_is_to_be_mended_first() -> None:
    """With how many runs that would save, and which they are."""
    runs = [_failing("Rare", option="b"), *(_failing("Frequent") for _ in range(3)), _run("completed", _choice())]

    first, second = suggest(Aggregate(runs), 10)[:2]

    assert ("[node] Look: mend what “a” fails with: Frequent", 3) == (first.sentence, first.saves)
    assert [run.run_id for run in reversed(runs[1:4])] == first.run_ids
    assert "3 runs were lost after it, and nothing made up for it. It came 3 times" in first.because
    assert ("[node] Look: mend what “b” fails with: Rare", 1) == (second.sentence, second.saves)


def test_intents_are_told_as_an_agent_told_them() -> None:
    """Not with their numbers folded, although all of these are one thing."""
    runs = [
        _run(
            "failed",
            _choice(intent=f"Book for ${price}", ok=0, bad=1),
            failures=[(0, "Sold out", 1, 0)],
            breakdown=(FailureKind.FAILED_DECISION, 0, "Sold out"),
        )
        for price in (300, 400)
    ]

    assert ("[node] Book for $300: mend what “a” fails with: Sold out", 2) == (
        suggest(Aggregate(runs), 1)[0].sentence,
        suggest(Aggregate(runs), 1)[0].saves,
    )
    assert ["Book for $300"] == [loss.intent for loss in digest.losses(Aggregate(runs), 10)]


def test_another_way_is_suggested_where_it_is_clearly_better() -> None:
    """By the runs that began with it. It stands for what the worse way fails with."""
    worse = [_failing("No answer") for _ in range(20)]
    better = [_run("completed", _choice("b")) for _ in range(18)] + [_failing("Odd", option="b") for _ in range(2)]

    suggestions = suggest(Aggregate([*worse, *better]), 10)

    assert "[node] Look: begin with “b” rather than “a”." == suggestions[0].sentence
    assert 18 == suggestions[0].saves
    assert "with “a”, 0 of 20 (0%) completed; of those that began with “b”, 18 of 20 (90%)." in suggestions[0].because
    assert not [each for each in suggestions if "“a” fails with" in each.sentence]


def test_a_way_that_is_only_tried_second_is_not_taken_for_better() -> None:
    """Runs that took it had come further, or had failed before: they are not alike."""
    runs = [_run("completed", _choice("a", ok=0, bad=1), _choice("b")) for _ in range(20)]
    runs += [_failing("No answer") for _ in range(20)]
    # Too few begin with it to tell.
    runs += [_run("completed", _choice("b")) for _ in range(3)]

    assert not [sentence for sentence in _sentences(runs) if "begin with" in sentence]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FailureKind.PENDING_DECISION, "[node] Look: give “a” a time limit, and let the agent report what came of it."),
        (FailureKind.PROBLEM, "Find out what leads to the problem “Odd”: compare a run with one that completed."),
        (FailureKind.BAD_DECISION, "[node] Look: look why “a” was judged badly."),
    ],
)
def test_each_way_to_lose_a_run_has_its_suggestion(kind: FailureKind, expected: str) -> None:
    """With how many runs it is about."""
    runs = [_run("stuck", _choice(ok=0), breakdown=(kind, 0, "Odd")), _run("completed", _choice())]

    suggestions = suggest(Aggregate(runs), 10)

    assert expected == suggestions[0].sentence
    assert 1 == suggestions[0].saves


def test_what_the_agents_suggest_is_passed_on() -> None:
    """Once for all that say the same, with the runs that were lost with it; completed ones need no mending."""
    fixes = ["Ask for 3 weeks", "Ask for 4 weeks"]
    runs = [_run(status, _choice(), fixes=fixes) for status in ("failed", "stuck", "completed")]

    suggestion = suggest(Aggregate(runs), 10)[0]

    assert ("Do what the agents suggest: Ask for <n> weeks", 2) == (suggestion.sentence, suggestion.saves)


def test_runs_that_nothing_explains_are_told_as_such() -> None:
    """Agents that do not report what fails cannot be helped."""
    runs = [_run("failed"), _run("completed")]

    [suggestion] = suggest(Aggregate(runs), 10)
    [loss] = digest.losses(Aggregate(runs), 10)

    assert "Let the agents report why they fail" in suggestion.sentence
    assert (None, 1, [runs[0].run_id]) == (loss.kind, loss.runs, loss.run_ids)


def test_nothing_is_suggested_where_all_goes_well() -> None:
    """Cancelled runs are nobody's fault."""
    assert [] == _sentences([_run("completed", _choice()), _run("cancelled", _choice(ok=0, bad=1))])


def test_a_pair_that_fails_far_more_than_the_rest_is_told() -> None:
    """Not after a few attempts, and not where others fail as often."""
    usual = [_run("completed", _choice("b", ok=9, bad=1)) for _ in range(5)]

    def pairs(*runs: RunFigures) -> list[str]:
        return [pair.option for pair in digest.pairs(Aggregate([*usual, *runs]), 10)]

    assert ["a"] == pairs(*(_run("completed", _choice("a", ok=3, bad=7)) for _ in range(3)))
    assert [] == pairs(_run("completed", _choice("a", ok=0, bad=4)))
    assert [] == pairs(*(_run("completed", _choice("a", ok=8, bad=2)) for _ in range(3)))


def test_nodes_tell_their_failures_latencies_and_tokens() -> None:
    """Latencies to within 2.5 %, those that were not told left out; the node that fails most stands first."""
    slow = ("slow", "Look", "a", "", 100, 0, 0, 500, [(100, 60), (150, 37), (200, 3)])
    runs = [_run("completed", slow, _choice(node="bad", ok=1, bad=1))]

    bad, good = digest.nodes(Aggregate(runs), 10)

    assert ("bad", 1, 2, None, None) == (
        bad.node,
        bad.failures.count,
        bad.decisions,
        bad.latency_p50_ms,
        bad.latency_p95_ms,
    )
    assert (132, 1508, 500.0) == (good.latency_p50_ms, good.latency_p95_ms, good.tokens_a_run)


def test_new_and_gone_errors_are_told_unless_they_may_be_chance() -> None:
    """One that came once in many runs may come once in as many: that it did not is no news."""

    def fleet(*errors: str) -> Iterator[RunFigures]:
        yield from (_run("completed", _choice()) for _ in range(40))
        yield from (_failing(error) for error in errors)

    before, now = Era(fleet(*["Gone"] * 5, "Once", "Stays")), Era(fleet(*["New"] * 5, "Now", "Stays"))

    assert [(ChangeKind.GONE_ERROR, "Gone", 5, 0), (ChangeKind.NEW_ERROR, "New", 0, 5)] == [
        (change.kind, change.error, change.before.count, change.now.count) for change in digest.changes(before, now, 10)
    ]
    assert [] == digest.changes(Era(), now, 10)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [(30, 90, Direction.BETTER), (90, 30, Direction.WORSE), (50, 55, Direction.STEADY)],
)
def test_a_trend_is_told_where_it_is_more_than_chance(before: int, now: int, expected: Direction) -> None:
    """Out of a hundred runs each."""
    older, newer = (
        Aggregate(_run("completed" if number < completed else "failed") for number in range(100))
        for completed in (before, now)
    )

    assert expected == digest.trend(newer, older.success, newer.success, 0, 1).direction
    assert Direction.UNKNOWN == digest.trend(newer, Aggregate().success, newer.success, 0, 1).direction


def test_a_trend_has_points_over_the_whole_time() -> None:
    """Each run is in one of them, also those at both ends."""
    aggregate = Aggregate(_run("completed", finished_at_ms=at) for at in (1000, 1001, 1500, 1999, 2000))

    trend = digest.trend(aggregate, aggregate.success, aggregate.success, 1000, 2000)

    assert [2, 0, 0, 0, 1, 0, 0, 2] == [point.success.total for point in trend.points]


def test_runs_of_a_goal_are_contrasted_with_each_other() -> None:
    """What completed ones did more, or less, often, the largest difference first; not over goals that all complete."""
    ask, look = _choice("ask", ok=2), _choice("look")
    runs = [_run("completed", ask, look), _run("failed", look), _run("completed", ask, goal="easy")]

    [contrast] = contrasts.contrasts(Aggregate(runs), 10)

    assert ("goal", 1, 2) == (contrast.goal, contrast.success.count, contrast.success.total)
    [difference] = contrast.differences
    assert ("ask", 2.0, 0.0) == (difference.option, difference.completed_times, difference.lost_times)


def test_a_habit_shows_over_many_goals() -> None:
    """Where completed runs do something more often in nearly all goals, that is hardly chance."""

    def goals(count: int) -> Aggregate:
        return Aggregate(
            run
            for number in range(count)
            for run in (
                _run("completed", _choice("ask"), _choice("look"), goal=f"goal-{number}"),
                _run("failed", _choice("look"), goal=f"goal-{number}"),
            )
        )

    [habit] = contrasts.habits(goals(8), 10)

    assert ("ask", 8, 0) == (habit.option, len(habit.more_in), len(habit.less_in))
    assert [] == contrasts.habits(goals(3), 10)


def test_a_habit_is_how_often_a_run_takes_a_way_not_how_many_runs_there_are() -> None:
    """Goals with many lost runs do not make a way that all take look like a habit of the lost."""

    def runs() -> Iterator[RunFigures]:
        for number in range(8):
            yield _run("completed", _choice("ask"), goal=f"goal-{number}")
            yield from (_run("failed", _choice("ask"), goal=f"goal-{number}") for _ in range(3))

    assert [] == contrasts.habits(Aggregate(runs()), 10)
    assert [] == contrasts.contrasts(Aggregate(runs()), 10)


def test_ways_whose_runs_complete_more_often_are_signs() -> None:
    """Whether they are the reason is not known."""
    runs = [_run("completed", _choice("ask")) for _ in range(20)] + [_run("failed", _choice("look")) for _ in range(20)]

    signs = contrasts.signs(Aggregate(runs), 10)

    assert {("ask", 20, 0), ("look", 0, 20)} == {(sign.option, sign.taken.count, sign.others.count) for sign in signs}


def test_what_a_run_did_not_come_to_tells_nothing() -> None:
    """Runs that break off at what fails do not take what comes after it: that is no reason for their loss."""
    early, late = _choice("ask"), _choice("look", intent="Close")
    completed = [_run("completed", early, late) for _ in range(20)]
    broken = [_failing("Odd", option="ask") for _ in range(20)]
    # These went on after what failed for good.
    gone_on = [
        _run(
            "failed",
            _choice("ask", ok=0, bad=1),
            _choice("wait", intent="Close"),
            failures=[(0, "Odd", 1, 0)],
            breakdown=(FailureKind.FAILED_DECISION, 0, "Odd"),
        )
        for _ in range(20)
    ]

    assert [] == contrasts.signs(Aggregate([*completed, *broken]), 10)
    assert [] == contrasts.contrasts(Aggregate([*completed, *broken]), 10)
    assert {"look", "wait"} == {sign.option for sign in contrasts.signs(Aggregate([*completed, *gone_on]), 10)}
    [contrast] = contrasts.contrasts(Aggregate([*completed, *gone_on]), 10)
    assert {"look", "wait"} == {difference.option for difference in contrast.differences}


def test_sections_are_cut() -> None:
    """To as many entries as were asked for."""
    runs = [_failing(f"Error {letter}") for letter in "abcdef"]

    assert 3 == len(digest.errors(Aggregate(runs), 3)) == len(digest.losses(Aggregate(runs), 3))
    assert 2 == len(suggest(Aggregate(runs), 2))


def test_a_pair_whose_errors_are_not_known_can_still_be_told() -> None:
    """A run keeps no more than some of its errors."""
    runs = [_run("completed", _choice("a", ok=0, bad=5), _choice("b", ok=20)) for _ in range(3)]

    assert ["[node] Look at “a”: it fails far more often than the rest."] == _sentences(runs)


def test_suggestions_come_in_the_order_of_what_they_save() -> None:
    """Those of which that is not known come last."""
    runs = [_run("completed", _choice("ask")) for _ in range(20)]
    runs += [_failing("Odd", option="look") for _ in range(5)] + [_run("failed", _choice("look")) for _ in range(15)]

    saves = [suggestion.saves for suggestion in suggest(Aggregate(runs), 10)]

    assert sorted((each for each in saves if each is not None), reverse=True) == saves[: len(saves) - saves.count(None)]
    # The better way stands for what the worse one fails with; 15 are lost without a reason, all with the same choice.
    assert [20, 15, 15] == saves[:3]
    assert None in saves


def test_of_runs_without_figures_only_the_end_is_known() -> None:
    """An earlier release summarised them: they are neither unexplained, nor do they lack what others did or met."""
    of_earlier = [_run(status, decisions=2) for status in ("completed", "failed") for _ in range(30)]
    completed, failing = [_run("completed", _choice("ask")) for _ in range(30)], [_failing("Odd") for _ in range(5)]
    aggregate = Aggregate([*of_earlier, *completed])

    assert (90, 60, 2 * 60 + 30) == (aggregate.runs, aggregate.success.count, aggregate.decisions)
    assert ([], [], []) == (suggest(aggregate, 10), contrasts.signs(aggregate, 10), digest.losses(aggregate, 10))
    assert [] == digest.changes(Era(of_earlier), Era([*completed, *failing]), 10)
    assert (30, 30) == (Era(of_earlier).ended.completed, Era(of_earlier).ended.lost)
