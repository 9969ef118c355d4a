"""Why a run ended as it did."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given

from runweaver.query import Explanation, explain
from runweaver.query.one_run.explanation import CauseSource, Relation, SuggestionSource
from runweaver.shared import Run, RunStatus
from runweaver.shared.evidence import Evidence
from runweaver.shared.failures import FailureKind, failures
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of
from tests.unit.run_strategies import runs
from tests.unit.strategies import messages


@pytest.fixture
def script() -> Script:
    """A run that has started."""
    script = Script(RUN_ID)
    script.started()
    return script


def explained(script: Script, status: str | None = "failed") -> Explanation:
    """What is said of the run, with this end."""
    if status is not None:
        script.ended(status)
    return explain(fold_of(*script.written))


def attempt(
    script: Script, decision_id: str, intent: str = "Book", *, success: bool = False, **decision: object
) -> None:
    """A decision and its outcome, which brings an error where it failed."""
    script.decision(decision_id, intent, **decision)  # type: ignore[arg-type]
    script.outcome(decision_id, success=success, **({} if success else {"error": "No seats"}))


def option(name: str, description: str | None = None, **fields: object) -> dict[str, object]:
    """An option."""
    return {"id": name, "description": description or f"Way {name}", **fields}


def sentences(evidence: list[Evidence]) -> list[str]:
    """What is said, without what it rests on."""
    return [each.sentence for each in evidence]


def sources(explanation: Explanation) -> list[str]:
    """Where the causes come from, in their order."""
    return [cause.source.value for cause in explanation.causes]


def test_the_error_of_what_failed_for_good_is_a_cause(script: Script) -> None:
    """And the verdict names it, with the decision that it rests on."""
    attempt(script, "d1", "Look", success=True)
    attempt(script, "d2", options=[option("a")])

    explanation = explained(script)

    assert (
        "Failed; [node] Book, with “Way a”, failed and was never made up for: No seats" == explanation.verdict.sentence
    )
    assert (["d2"], "node", True) == (
        explanation.verdict.decision_ids,
        explanation.verdict.node,
        explanation.verdict.whole_run,
    )
    assert explanation.point is not None
    assert (FailureKind.FAILED_DECISION, "d2", "Book") == (
        explanation.kind,
        explanation.point.decision_id,
        explanation.point.intent,
    )
    assert [("error", "No seats", ["d2"])] == [(c.source, c.sentence, c.decision_ids) for c in explanation.causes]


def test_causes_stand_in_order_of_trust(script: Script) -> None:
    """First what somebody found out, then the error, then a judgement, then what could have been done."""
    attempt(script, "d1", options=[option("a"), option("b", pros=["cheap"], confidence=0.9)])
    script.evaluation("d1", goal_aligned=False, explanation="It was too late")
    script.problem("p1", "critical", "Nothing booked", decision_id="d1", root_cause="The site was down")

    explanation = explained(script)

    assert ["problem", "error", "evaluation", "alternative"] == sources(explanation)
    assert [
        "The site was down (said with the problem “Nothing booked”)",
        "No seats",
        "judged afterwards: It was too late",
        "“Way b” was listed and not taken (pros: cheap, confidence 0.9)",
    ] == sentences([*explanation.causes])
    assert ["p1"] == explanation.causes[0].problem_ids


def test_a_failed_run_in_which_nothing_failed_for_good_is_unknown(script: Script) -> None:
    """A problem that only says that the goal was not reached is no cause. Another run may tell."""
    attempt(script, "d1", options=[option("a", action_params={"seat": 1})])
    attempt(script, "d2", options=[option("a", action_params={"seat": 2})], success=True)
    script.problem("p1", "critical", "The goal was not reached")

    explanation = explained(script)

    assert explanation.is_unknown
    assert ["unknown"] == sources(explanation)
    assert ["p1"] == explanation.causes[0].problem_ids
    assert [f"Compare it with a run that succeeded: `runweaver compare {RUN_ID} --nearest`."] == sentences(
        [*explanation.suggestions]
    )
    assert (
        "[node] Book failed (No seats), and then succeeded with other parameters than at first: seat (1 → 2)."
        in sentences(explanation.observations)
    )


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_nothing_at_all_is_unknown_too(script: Script, status: str) -> None:
    """It does not make anything up."""
    explanation = explained(script, status)

    assert (None, None, ["unknown"]) == (explanation.kind, explanation.point, sources(explanation))
    assert explanation.verdict.sentence.endswith("and nothing in it shows why.")
    assert explanation.causes[0].whole_run


def test_a_run_that_went_well_has_nothing_to_explain(script: Script) -> None:
    """No cause, no suggestion; what was made up for is told."""
    attempt(script, "d1", success=True)
    clean = explained(script, "completed")
    assert ("Completed; nothing went wrong.", [], [], []) == (
        clean.verdict.sentence,
        clean.causes,
        clean.observations,
        clean.suggestions,
    )

    healed = Script(RUN_ID)
    healed.started()
    attempt(healed, "d1")
    attempt(healed, "d2", success=True)
    explanation = explained(healed, "completed")
    assert "Completed; the failure was made up for." == explanation.verdict.sentence
    assert ["[node] Book failed (No seats), and then succeeded unchanged."] == sentences(explanation.observations)
    assert ([], []) == (explanation.causes, explanation.suggestions)


def test_completed_but(script: Script) -> None:
    """A run may complete although something failed for good, or is still open."""
    attempt(script, "d1")
    script.decision("d2", "Pay")
    explanation = explained(script, "completed")

    assert explanation.verdict.sentence.startswith("Completed, but [node] Book, with “The first way”, failed")
    assert "Without an outcome: [node] Pay." in sentences(explanation.observations)

    pending = Script(RUN_ID)
    pending.started()
    pending.decision("d1")
    explanation = explained(pending, "completed")
    assert ("Completed, but 1 decision has no outcome.", ["d1"]) == (
        explanation.verdict.sentence,
        explanation.verdict.decision_ids,
    )
    assert [SuggestionSource.PENDING] == [suggestion.source for suggestion in explanation.suggestions]


def test_a_stuck_run_points_to_what_it_left_open(script: Script) -> None:
    """And says when it was last heard of. What came of the decision is not known, so the cause is not either."""
    attempt(script, "d1", success=True)
    script.decision("d2", "Wait for the bank")
    explanation = explain(fold_of(*script.written).as_stuck())

    assert explanation.point is not None
    assert ("d2", ["unknown"]) == (explanation.point.decision_id, sources(explanation))
    assert "Got stuck; the last that it left open is [node] Wait for the bank, with “The first way”." == (
        explanation.verdict.sentence
    )
    assert "Nothing was heard of it after 2026-01-01 00:00:03 UTC." in sentences(explanation.observations)


def test_a_run_that_goes_on_may_have_open_decisions(script: Script) -> None:
    """That is no failure, and calls for nothing."""
    script.decision("d1")
    explanation = explained(script, None)

    assert "Still going on; nothing went wrong so far." == explanation.verdict.sentence
    assert ([], []) == (explanation.causes, explanation.suggestions)


def test_an_alternative_that_succeeded_elsewhere_comes_before_a_likelier_one(script: Script) -> None:
    """What worked in this run is better evidence than what the agent expected; what failed there is none."""
    options = [option("a"), option("b"), option("c", confidence=0.9), option("d", confidence=1)]
    attempt(script, "d1", "Look", options=options, chosen_option_id="b", success=True)
    attempt(script, "d2", "Ask", options=options, chosen_option_id="d")
    attempt(script, "d3", options=options)

    # The first failure is d2: what it did not take is looked at.
    explanation = explained(script)

    assert explanation.point is not None
    assert "d2" == explanation.point.decision_id
    assert ("For [node] Ask, take “Way b”: it succeeded with [node] Look in this run.", ["d2", "d1"]) == (
        explanation.suggestions[0].sentence,
        explanation.suggestions[0].decision_ids,
    )


def test_an_option_that_failed_as_well_is_not_suggested(script: Script) -> None:
    """Nor is it a cause that it was not taken."""
    options = [option("a"), option("b")]
    attempt(script, "d1", options=options)
    attempt(script, "d2", options=options, chosen_option_id="b")

    explanation = explained(script)

    assert ["error"] == sources(explanation)
    assert [] == explanation.suggestions


def test_what_was_judged_better_and_fixes_that_were_reported_are_suggested(script: Script) -> None:
    """Fixes first: somebody looked at it."""
    attempt(script, "d1", options=[option("a"), option("b"), option("c", confidence=1)])
    script.evaluation("d1", goal_aligned=False, better_option_id="b", why_better="It is cheaper")
    script.problem("p1", "warning", "Too dear", suggested_fix="Set a limit")

    assert [
        "Set a limit (suggested with the problem “Too dear”)",
        "For [node] Book, take “Way b”: it was judged the better option.",
    ] == sentences([*explained(script).suggestions])


def test_a_loop_is_told_and_calls_for_an_end(script: Script) -> None:
    """Three equal failures in a row, not two."""
    for number in range(2):
        attempt(script, f"d{number}")
    assert SuggestionSource.LOOP not in [each.source for each in explain(fold_of(*script.written)).suggestions]

    attempt(script, "d2")
    explanation = explained(script)

    loop = next(each for each in explanation.suggestions if each.source is SuggestionSource.LOOP)
    assert (
        "Make it stop repeating [node] Book: the same choice was made 3 times in a row (“No seats”)." == loop.sentence
    )
    assert ["d0", "d1", "d2"] == loop.decision_ids
    assert "[node] Book failed 3 times in a row with the very same choice: No seats" in sentences(
        explanation.observations
    )


def test_a_failure_long_before_the_end_is_not_said_to_be_the_reason(script: Script) -> None:
    """Where nobody blamed it and the run went on."""
    attempt(script, "d1")
    attempt(script, "d2", "Pay", success=True, options=[option("p")], chosen_option_id="p")
    went_on = "The run went on after it with 1 decision, of which 1 succeeded."
    told = f"{went_on} Nothing says that it is what made the run fail."

    assert told in sentences(explained(script).observations)

    script.problem("p1", "critical", decision_id="d1")
    assert told not in sentences(explained(script).observations)


def test_missing_messages_are_said_to_be_missing(script: Script) -> None:
    """Whose they are, and where to look for them."""
    attempt(script, "d1", success=True)
    script.ended("failed")
    del script.written[2]

    explanation = explain(fold_of(*script.written))

    assert "1 message of this run did not arrive." in sentences(explanation.observations)
    missing = next(each for each in explanation.suggestions if each.source is SuggestionSource.MISSING)
    assert missing.sentence.startswith("The data is incomplete: without 1 message of producer p; it sent them")


def test_the_chain_has_what_has_to_do_with_the_failure_and_nothing_else(script: Script) -> None:
    """Earlier attempts, what fed it, and what an edge leads from; in order of time."""
    script.edge("plan", "node")
    script.decision("d1", "Search", "search")
    script.outcome("d1", result={"flights": [{"id": "HAT-1"}]})
    attempt(script, "d2", "Greet", success=True, node_id="other")
    attempt(script, "d3", "Plan", success=True, node_id="plan")
    attempt(script, "d4", options=[option("a", action_params={"flight": "HAT-0"})])
    attempt(script, "d5", "Greet", success=True, node_id="other")
    attempt(script, "d6", options=[option("a", action_params={"flight": "HAT-1"})])
    attempt(script, "d7", "Pay", options=[option("p", action_params={"for": ["HAT-1"]})], chosen_option_id="p")
    # Without the failures of the booking, paying is the first that failed for good.
    run = fold_of(*script.written, script.ended("failed"))
    for decision in run.decisions[3:6:2]:
        assert decision.outcome is not None
        decision.outcome.success = True

    explanation = explain(run)

    assert explanation.point is not None
    assert "d7" == explanation.point.decision_id
    assert [("d1", Relation.FED, "its result holds HAT-1"), ("d3", Relation.LED_TO, "[plan] leads to [node]")] == [
        (link.decision_id, link.relation, link.why) for link in explanation.chain
    ]


def test_earlier_attempts_are_in_the_chain(script: Script) -> None:
    """Those that succeeded are, too: this was not the first time."""
    attempt(script, "d1", success=True)
    attempt(script, "d2", "Greet", success=True)
    attempt(script, "d3", options=[option("z")], chosen_option_id="z")

    assert [("d1", Relation.ATTEMPT)] == [(link.decision_id, link.relation) for link in explained(script).chain]


def test_what_a_call_was_given_out_of_nowhere_is_told(script: Script) -> None:
    """An id that stands in no result and no input, and not one that does."""
    attempt(script, "d1", "Search", success=True)
    script.outcome("d1", result="Take flight HAT-1")
    attempt(script, "d2", options=[option("a", action_params={"flight": "HAT-1", "user": "mia_3668"})])

    assert "What it was called with stands in no earlier result, nor in the input: mia_3668." in sentences(
        explained(script).observations
    )


def test_nothing_is_said_to_come_out_of_nowhere_where_messages_are_missing(script: Script) -> None:
    """It may have been told in one of them."""
    attempt(script, "d1", "Search", success=True)
    attempt(script, "d2", options=[option("a", action_params={"user": "mia_3668"})])
    script.ended("failed")
    whole = explain(fold_of(*script.written))
    del script.written[2]
    partial = explain(fold_of(*script.written))

    told = "What it was called with stands in no earlier result, nor in the input: mia_3668."
    assert (True, False) == (told in sentences(whole.observations), told in sentences(partial.observations))


def test_of_several_results_that_hold_a_value_the_nearest_is_in_the_chain(script: Script) -> None:
    """The others are further from what happened."""
    for number in range(3):
        script.decision(f"d{number}", f"Search {number}", "search")
        script.outcome(f"d{number}", result="HAT-1")
    attempt(script, "d3", options=[option("a", action_params={"flight": "HAT-1"})])

    assert ["d2"] == [link.decision_id for link in explained(script).chain]


@given(runs())
def test_every_sentence_rests_on_something_that_is_there(run: Run) -> None:
    """Ids are ids of the run; where there are none, it is about the run as a whole. Nothing is endless."""
    explanation = explain(run)
    decisions = {decision.id: decision.node_id for decision in run.decisions}
    problems = {problem.id for problem in run.problems}

    for evidence in all_evidence(explanation):
        assert evidence.sentence
        assert len(evidence.sentence) < 2_000
        assert evidence.decision_ids or evidence.problem_ids or evidence.whole_run
        assert decisions.keys() >= set(evidence.decision_ids)
        assert problems >= set(evidence.problem_ids)
        assert evidence.node is None or {evidence.node} == {decisions[each] for each in evidence.decision_ids}
    assert len(explanation.chain) <= 8
    assert len(explanation.observations) <= 30
    assert explanation == Explanation.model_validate(json.loads(explanation.model_dump_json()))


@given(runs())
def test_the_cause_is_unknown_just_where_nothing_shows_one(run: Run) -> None:
    """Where something went wrong there is a cause, or it is said to be unknown; never both, never neither."""
    explanation = explain(run)
    unknown = [cause for cause in explanation.causes if cause.source is CauseSource.UNKNOWN]
    went_wrong = run.status not in (RunStatus.COMPLETED, RunStatus.RUNNING) or explanation.kind is not None

    assert went_wrong == bool(explanation.causes)
    assert (len(unknown) == 1 and len(explanation.causes) == 1) if unknown else True
    order = list(CauseSource)
    assert sorted(explanation.causes, key=lambda cause: order.index(cause.source)) == explanation.causes


@given(runs())
def test_the_point_was_never_made_up_for_and_the_chain_comes_before_it(run: Run) -> None:
    """In order of time."""
    explanation = explain(run)
    made_up_for = {failure.decision.id for failure in failures(run) if failure.recovery is not None}
    places = {decision.id: place for place, decision in enumerate(run.decisions)}
    chain = [places[link.decision_id] for link in explanation.chain]

    assert sorted(set(chain)) == chain
    if explanation.point is None:
        assert [] == chain
    else:
        assert explanation.point.decision_id not in made_up_for
        assert all(place < places[explanation.point.decision_id] for place in chain)


@given(messages())
def test_whatever_agents_send_can_be_explained(sent: list[dict[str, object]]) -> None:
    """Also while it goes on, and when it got stuck."""
    run = fold_of(*map(json.dumps, sent))

    for each in (run, run.as_stuck()):
        assert re.match("Completed|Failed|Was cancelled|Got stuck|Still going on", explain(each).verdict.sentence)


def all_evidence(explanation: Explanation) -> Iterator[Evidence]:
    """Everything that is said."""
    yield explanation.verdict
    yield from explanation.causes
    yield from explanation.observations
    yield from explanation.suggestions
