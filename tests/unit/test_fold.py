"""The fold, one row of the message table at a time."""

import pytest

from runweaver.shared.fold import fold
from runweaver.shared.messages import BaseMessage, parse_message
from runweaver.shared.run import Run, RunStatus
from tests.support.messages import Script
from tests.unit.making import ENTRY_TIME, RUN_ID, at, fold_of, moment, stored


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)


def _outcome_results(run: Run) -> list[object]:
    return [decision.outcome and decision.outcome.result for decision in run.decisions]


def test_a_run_has_what_its_start_says(script: Script) -> None:
    """Goal, description, input, tags and time come from `run_started`."""
    run = fold_of(
        script.started("g", goal_description="Do it", input_data={"lead": 1}, tags=["a", "b"], started_at=at(3))
    )

    assert RUN_ID == run.id
    assert ("g", "Do it", {"lead": 1}, ["a", "b"]) == (run.goal_id, run.goal_description, run.input_data, run.tags)
    assert moment(3) == run.started_at
    assert RunStatus.RUNNING == run.status
    assert run.completed_at is None


def test_the_earliest_start_wins(script: Script) -> None:
    """Of several starts, the one with the earliest time counts, in whichever order they come."""
    run = fold_of(
        script.started("late", started_at=at(2)),
        script.started("early", started_at=at(1)),
        script.started("later", started_at=at(3)),
    )

    assert "early" == run.goal_id
    assert moment(1) == run.started_at


def test_of_starts_at_one_time_the_first_identity_wins() -> None:
    """Ties are decided by who sent it and its number, not by how it came; numbers count as numbers."""
    script = Script(RUN_ID)
    starts = [script.started(f"goal-{number}", started_at=at(1)) for number in range(12)]

    assert "goal-2" == fold_of(starts[10], starts[2]).goal_id
    assert "goal-2" == fold_of(starts[2], starts[10]).goal_id


def test_a_run_without_a_start_has_an_unknown_goal(script: Script) -> None:
    """It begins with the first thing that is known of it."""
    run = fold_of(script.decision("d", timestamp=at(4)), script.decision("e", timestamp=at(2)))

    assert "unknown" == run.goal_id
    assert moment(2) == run.started_at


def test_decisions_are_in_order_of_time(script: Script) -> None:
    """Not in the order in which they came; at the same time, by identity."""
    run = fold_of(
        script.decision("third", timestamp=at(3)),
        script.decision("first", timestamp=at(1)),
        script.decision("second", timestamp=at(2)),
        script.decision("fourth", timestamp=at(3)),
    )

    assert ["first", "second", "third", "fourth"] == [decision.id for decision in run.decisions]


@pytest.mark.parametrize("swapped", [False, True])
def test_of_a_decision_told_twice_the_later_counts(script: Script, swapped: bool) -> None:  # noqa: FBT001
    """One decision, with the later words."""
    told = [
        script.decision("d", "Later", timestamp=at(2)),
        script.decision("d", "Earlier", timestamp=at(1)),
    ]

    run = fold_of(*(reversed(told) if swapped else told))

    assert ["Later"] == [decision.intent for decision in run.decisions]
    assert 1 == run.metrics.total_decisions


def test_of_decisions_at_one_time_the_last_identity_counts() -> None:
    """A tie goes to the later number of one producer, and to the later name among producers."""
    script, other = Script(RUN_ID), Script(RUN_ID, "o")
    told = [script.decision("d", f"intent-{number}", timestamp=at(1)) for number in range(12)]

    assert "intent-10" == fold_of(told[10], told[2]).decisions[0].intent
    assert "intent-2" == fold_of(told[2], other.decision("d", "of another", timestamp=at(1))).decisions[0].intent


def test_an_outcome_may_come_before_its_decision(script: Script) -> None:
    """They are joined by the decision's id, whichever comes first."""
    run = fold_of(script.outcome("d", result=7, timestamp=at(1)), script.decision("d", timestamp=at(2)))

    assert [7] == _outcome_results(run)
    assert [] == run.unmatched_outcomes
    assert 1 == run.metrics.successful_decisions


def test_an_outcome_without_a_decision_is_told(script: Script) -> None:
    """It counts nowhere, but its decision's id is listed, once and in order."""
    run = fold_of(script.outcome("y"), script.outcome("x", success=False, tokens_used=5), script.outcome("y"))

    assert ["x", "y"] == run.unmatched_outcomes
    assert (0, 0, 0, 0) == (
        run.metrics.total_decisions,
        run.metrics.successful_decisions,
        run.metrics.failed_decisions,
        run.metrics.total_tokens,
    )


@pytest.mark.parametrize("swapped", [False, True])
def test_a_second_outcome_replaces_the_first(script: Script, swapped: bool) -> None:  # noqa: FBT001
    """Each decision counts once, with its latest outcome: also in tokens and time."""
    outcomes = [
        script.outcome("d", success=False, tokens_used=100, latency_ms=1000, timestamp=at(2)),
        script.outcome("d", success=True, tokens_used=7, latency_ms=70, timestamp=at(3)),
    ]

    metrics = fold_of(script.decision("d"), *(reversed(outcomes) if swapped else outcomes)).metrics

    assert (1, 1, 0) == (metrics.total_decisions, metrics.successful_decisions, metrics.failed_decisions)
    assert (7, 70) == (metrics.total_tokens, metrics.total_latency_ms)


def test_of_outcomes_at_one_time_the_last_identity_counts(script: Script) -> None:
    """Ties are decided by number."""
    outcomes = [script.outcome("d", result=number, timestamp=at(2)) for number in range(12)]

    assert [10] == _outcome_results(fold_of(script.decision("d"), outcomes[10], outcomes[2]))


@pytest.mark.parametrize(("embedded_at", "expected"), [(1, "message"), (9, "embedded")])
def test_an_embedded_outcome_competes_with_an_outcome_message(script: Script, embedded_at: int, expected: str) -> None:
    """A decision may bring its outcome along: the later of both counts, whatever time the decision has."""
    embedded = {"success": True, "result": "embedded", "timestamp": at(embedded_at)}

    run = fold_of(
        script.decision("d", timestamp=at(20), outcome=embedded),
        script.outcome("d", result="message", timestamp=at(5)),
    )

    assert [expected] == _outcome_results(run)


def test_an_outcome_outlives_a_decision_told_again_without_it(script: Script) -> None:
    """The later word on a decision does not say that nothing came of it."""
    run = fold_of(
        script.decision("d", timestamp=at(1), outcome={"success": True, "result": 1, "timestamp": at(2)}),
        script.decision("d", timestamp=at(3)),
    )

    assert [1] == _outcome_results(run)


def test_the_latest_evaluation_counts(script: Script) -> None:
    """Whether it came by itself or with the decision."""

    def judged(seconds: int, quality: float) -> str:
        return script.write("evaluation", decision_id="d", evaluation={"outcome_quality": quality}, sent_at=at(seconds))

    decision = script.decision("d", timestamp=at(3), evaluation={"outcome_quality": 0.3})
    told = [judged(4, 0.4), judged(2, 0.2)]

    def quality(*messages: str) -> float | None:
        evaluation = fold_of(*messages).decisions[0].evaluation
        return evaluation.outcome_quality if evaluation else None

    assert 0.4 == quality(decision, *told)
    assert 0.3 == quality(decision, told[1])
    assert quality(script.decision("d")) is None


def test_an_evaluation_without_a_decision_is_ignored(script: Script) -> None:
    """There is nothing that it could be shown with."""
    run = fold_of(script.write("evaluation", decision_id="x", evaluation={}))

    assert [] == run.decisions
    assert [] == run.unmatched_outcomes


def test_the_latest_word_on_a_problem_counts(script: Script) -> None:
    """By its id; all of them in order of time."""
    run = fold_of(
        script.problem("x", description="Now clear", timestamp=at(5)),
        script.problem("x", description="Unclear", timestamp=at(1)),
        script.problem("y", timestamp=at(3)),
    )

    assert ["y", "x"] == [problem.id for problem in run.problems]
    assert "Now clear" == run.problems[1].description


@pytest.mark.parametrize("swapped", [False, True])
def test_edges_are_in_order_of_first_traversal(script: Script, swapped: bool) -> None:  # noqa: FBT001
    """Each once, by the time at which it was first traversed, in whichever order the messages come."""

    def edge(source: str, target: str, seconds: int) -> str:
        return script.write("edge", source=source, target=target, at=at(seconds))

    told = [edge("b", "c", 5), edge("a", "b", 4), edge("c", "a", 3), edge("b", "c", 1)]

    run = fold_of(*(reversed(told) if swapped else told))

    assert ["b->c", "c->a", "a->b"] == run.metrics.edges_traversed


def test_nodes_are_in_order_of_first_use(script: Script) -> None:
    """Each once, in the order of the decisions."""
    run = fold_of(
        script.decision("d", node_id="b", timestamp=at(3)),
        script.decision("e", node_id="a", timestamp=at(1)),
        script.decision("f", node_id="b", timestamp=at(2)),
    )

    assert ["a", "b"] == run.metrics.nodes_executed


def test_a_pending_decision_is_neither_failed_nor_successful(script: Script) -> None:
    """It has no outcome yet."""
    metrics = fold_of(script.decision("d"), script.decision("e"), script.outcome("e", success=False)).metrics

    assert (2, 0, 1, 1) == (
        metrics.total_decisions,
        metrics.successful_decisions,
        metrics.failed_decisions,
        metrics.pending_decisions,
    )


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_end_ends_the_run(script: Script, status: str) -> None:
    """Status, time, output and narrative come from `run_ended`."""
    run = fold_of(
        script.started(started_at=at(1)),
        script.ended(status, ended_at=at(3.5), output_data={"a": 1}, narrative="All told"),
    )

    assert status == run.status
    assert run.has_ended
    assert (moment(3.5), 2500) == (run.completed_at, run.duration_ms)
    assert ({"a": 1}, "All told") == (run.output_data, run.narrative)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_latest_end_wins(script: Script, swapped: bool) -> None:  # noqa: FBT001
    """A run that ended twice ended the second time."""
    ends = [
        script.ended("failed", ended_at=at(2), output_data={"a": 1}),
        script.ended("completed", ended_at=at(3)),
    ]

    run = fold_of(*(reversed(ends) if swapped else ends))

    assert (RunStatus.COMPLETED, moment(3), {}) == (run.status, run.completed_at, run.output_data)


def test_a_run_that_ended_before_it_began_took_no_time(script: Script) -> None:
    """Clocks of two machines differ: a duration is never negative."""
    run = fold_of(script.started(started_at=at(5)), script.ended(ended_at=at(2)))

    assert 0 == run.duration_ms


def test_messages_after_the_end_count(script: Script) -> None:
    """What comes after the end still belongs to the run, and does not reopen it."""
    run = fold_of(
        script.started(started_at=at(0)),
        script.ended(ended_at=at(2)),
        script.decision("d", timestamp=at(5)),
        script.outcome("d", timestamp=at(6)),
        script.problem("x", timestamp=at(7)),
    )

    assert (RunStatus.COMPLETED, moment(2)) == (run.status, run.completed_at)
    assert 1 == run.metrics.successful_decisions
    assert 1 == len(run.problems)
    assert moment(7) == run.last_activity_at
    assert moment(2) == run.finished_at


@pytest.mark.parametrize("kind", ["heartbeat", "producer_left"])
def test_a_sign_of_life_is_activity_only(script: Script, kind: str) -> None:
    """It moves the last activity and nothing else."""
    start = script.started(started_at=at(0))
    sent = {"sent": 2} if kind == "producer_left" else {}

    run = fold_of(start, script.write(kind, sent_at=at(60), **sent))

    assert moment(60) == run.last_activity_at
    unlike = {"last_activity_at", "completeness"}
    assert fold_of(start).model_dump(exclude=unlike) == run.model_dump(exclude=unlike)


def test_a_message_without_a_time_happened_when_it_arrived(script: Script) -> None:
    """The time of its entry is its time."""
    run = fold_of(
        script.write("run_started", goal_id="g"),
        script.write("decision", decision={"id": "d", "node_id": "n", "intent": "i"}),
    )

    assert (ENTRY_TIME, ENTRY_TIME, ENTRY_TIME) == (
        run.started_at,
        run.decisions[0].timestamp,
        run.last_activity_at,
    )


def test_unknown_fields_of_decisions_outcomes_and_problems_are_kept(script: Script) -> None:
    """Agents may say more than the schema knows."""
    run = fold_of(
        script.decision("d", model="large"), script.outcome("d", cost=0.5), script.problem("x", owner="somebody")
    )

    assert {"model": "large"} == run.decisions[0].model_extra
    assert run.decisions[0].outcome is not None
    assert {"cost": 0.5} == run.decisions[0].outcome.model_extra
    assert {"owner": "somebody"} == run.problems[0].model_extra


def test_folding_does_not_change_its_input(script: Script) -> None:
    """The same messages folded again give the same run, and are what they were."""
    raws = stored(script.decision("d"), script.outcome("d"), script.write("evaluation", decision_id="d", evaluation={}))
    messages: dict[str, BaseMessage] = {identity: parse_message(raw) for identity, raw in raws.items()}
    before = {identity: message.model_dump_json() for identity, message in messages.items()}

    first = fold(messages)
    first.decisions.clear()
    first.metrics.nodes_executed.clear()

    assert before == {identity: message.model_dump_json() for identity, message in messages.items()}
    assert fold_of(*(raw.decode() for raw in raws.values())) == fold(messages)


def test_a_silent_run_is_stuck_since_its_last_sign_of_life(script: Script) -> None:
    """It counts as finished then, but has not ended: it may come back."""
    run = fold_of(script.started(started_at=at(0)), script.decision("d", timestamp=at(4)))

    stuck = run.as_stuck()

    assert (RunStatus.STUCK, moment(4), 4000) == (stuck.status, stuck.completed_at, stuck.duration_ms)
    assert not stuck.has_ended
    assert RunStatus.RUNNING == run.status
