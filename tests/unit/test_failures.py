"""Where a run went wrong for good."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given

from runweaver.shared import Decision, DecisionType, Outcome, Run
from runweaver.shared.failures import FailureKind, failure_point, failures
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of, moment
from tests.unit.run_strategies import runs

_RETRY = DecisionType.RETRY_STRATEGY


@pytest.fixture
def script() -> Script:
    """A run that has started."""
    script = Script(RUN_ID)
    script.started()
    return script


def recoveries(script: Script) -> dict[str, str | None]:
    """Which decision failed, and which one made up for it."""
    run = fold_of(*script.written)
    return {each.decision.id: each.recovery.id if each.recovery is not None else None for each in failures(run)}


def test_a_later_success_at_the_same_thing_makes_up_for_a_failure(script: Script) -> None:
    """The nearest one counts; for all failures before it."""
    for name, success in (("d1", False), ("d2", False), ("d3", True), ("d4", True)):
        script.decision(name, "Book")
        script.outcome(name, success=success)

    assert {"d1": "d3", "d2": "d3"} == recoveries(script)


@pytest.mark.parametrize(
    "later",
    [
        {"intent": "Pay", "chosen_option_id": "b"},
        {"intent": "Book", "node_id": "elsewhere"},
        {"intent": "Pay", "options": [{"id": "a", "description": "Something else"}]},
    ],
    ids=["another thing", "another node", "another choice of the same name"],
)
def test_a_success_at_something_else_does_not(script: Script, later: dict[str, object]) -> None:
    """An option's id alone says little: `quick_decision` gives the same one to all."""
    script.decision("d1", "Book")
    script.outcome("d1", success=False)
    script.decision("d2", **later)  # type: ignore[arg-type]
    script.outcome("d2")

    assert {"d1": None} == recoveries(script)


def test_the_very_same_choice_under_another_name_does(script: Script) -> None:
    """What was done has worked after all, whatever for."""
    script.decision("d1", "Book")
    script.outcome("d1", success=False)
    script.decision("d2", "Book once more")
    script.outcome("d2")

    assert {"d1": "d2"} == recoveries(script)


def test_a_retry_that_follows_at_once_does_also_when_it_takes_several(script: Script) -> None:
    """A chain of retries: what makes up for the last makes up for all."""
    for name, intent, kind, success in (
        ("d1", "Book", "custom", False),
        ("d2", "Try the other site", "retry_strategy", False),
        ("d3", "Try by phone", "retry_strategy", True),
    ):
        script.decision(name, intent, decision_type=kind, options=[], chosen_option_id=None)
        script.outcome(name, success=success)

    assert {"d1": "d3", "d2": "d3"} == recoveries(script)


def test_the_point_is_the_first_failure_that_was_not_made_up_for(script: Script) -> None:
    """Which is neither the first failure nor the last; problems that speak of it come along, the gravest first."""
    for name, intent, success in (
        ("d1", "Book", False),
        ("d2", "Pay", False),
        ("d3", "Book", True),
        ("d4", "Print", False),
    ):
        script.decision(name, intent, options=[{"id": "a", "description": intent}])
        script.outcome(name, success=success)
    script.problem("p1", "minor", decision_id="d2")
    script.problem("p2", "critical", decision_id="d2")
    script.problem("p3", "critical")

    point = failure_point(fold_of(*script.written))

    assert point is not None
    assert point.decision is not None
    assert (FailureKind.FAILED_DECISION, "d2") == (point.kind, point.decision.id)
    assert ["p2", "p1"] == [problem.id for problem in point.problems]


def test_without_such_a_failure_the_gravest_problem_is_the_point(script: Script) -> None:
    """Not one that speaks of a failure that was made up for, and not a minor one."""
    for name, success in (("d1", False), ("d2", True)):
        script.decision(name, "Book")
        script.outcome(name, success=success)
    script.problem("p1", "critical", decision_id="d1")
    script.problem("p2", "minor")
    assert failure_point(fold_of(*script.written)) is None

    script.problem("p3", "warning", decision_id="d2")
    point = failure_point(fold_of(*script.written, script.ended("failed")))

    assert point is not None
    assert point.decision is not None
    assert (FailureKind.PROBLEM, "d2", ["p3"]) == (point.kind, point.decision.id, [p.id for p in point.problems])


@pytest.mark.parametrize(
    ("status", "expected"),
    [("failed", "d2"), ("cancelled", "d2"), ("completed", None), (None, None)],
)
def test_the_last_open_decision_is_the_point_of_a_run_that_stopped(
    script: Script, status: str | None, expected: str | None
) -> None:
    """A run that goes on may wait for an outcome, and one that completed did not need it."""
    script.decision("d1")
    script.decision("d2")
    if status is not None:
        script.ended(status)

    point = failure_point(fold_of(*script.written))

    assert expected == (point.decision.id if point is not None and point.decision is not None else None)


def test_a_decision_that_was_judged_bad_is_the_point_where_nothing_else_is(script: Script) -> None:
    """It did what it should, but was not what the goal needed."""
    script.decision("d1")
    script.outcome("d1")
    script.evaluation("d1", goal_aligned=False)

    point = failure_point(fold_of(*script.written, script.ended()))

    assert point is not None
    assert FailureKind.BAD_DECISION is point.kind


@given(runs())
def test_it_agrees_with_looking_at_each_pair_of_decisions(run: Run) -> None:
    """What is made up for is what a slow look at all later decisions finds; the point never is."""
    expected = [d.id for at, d in enumerate(run.decisions) if d.has_failed and not is_made_up_for(run.decisions, at)]

    assert expected == [failure.decision.id for failure in failures(run) if failure.recovery is None]
    point = failure_point(run)
    if expected:
        assert point is not None
        assert point.decision is not None
        assert (FailureKind.FAILED_DECISION, expected[0]) == (point.kind, point.decision.id)
    elif point is not None:
        assert point.kind is not FailureKind.FAILED_DECISION
        assert point.decision is None or not point.decision.has_failed


def is_made_up_for(decisions: Sequence[Decision], at: int) -> bool:
    """By the rules, without any cleverness."""
    failed, later = decisions[at], decisions[at + 1 :]
    if any(
        other.was_successful
        and other.node_id == failed.node_id
        and (other.intent == failed.intent or is_same_choice(failed, other))
        for other in later
    ):
        return True
    if not later or later[0].node_id != failed.node_id or later[0].decision_type is not _RETRY:
        return False
    return later[0].was_successful or (later[0].has_failed and is_made_up_for(decisions, at + 1))


def is_same_choice(one: Decision, other: Decision) -> bool:
    """The same option, described alike, with the same parameters."""
    first, second = one.chosen_option, other.chosen_option
    if first is None or second is None:
        return False
    return (first.id, first.description, first.action_params) == (second.id, second.description, second.action_params)


def test_a_run_of_a_hundred_thousand_decisions_is_looked_through_at_once() -> None:
    """In time that grows with the number of decisions: none of the failures is made up for."""
    first = Decision(id="first", node_id="node", intent="First step", outcome=Outcome(success=False))
    later = (first.model_copy(update={"id": f"d{number}", "intent": f"Step {number}"}) for number in range(99_999))
    made = [first, *later]
    run = Run(id="r", goal_id="g", started_at=moment(0), last_activity_at=moment(0)).model_copy(
        update={"decisions": made}
    )
    begin = time.process_time()

    found = list(failures(run))
    point = failure_point(run)

    assert 100_000 == len(found)
    assert point is not None
    assert point.decision is made[0]
    # Compared each with each, they would take hours.
    assert time.process_time() - begin < 10
