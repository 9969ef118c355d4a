"""What differs between two runs."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from runweaver.query import Comparison, Divergence, compare
from runweaver.query.two_runs.comparison import DivergenceKind
from runweaver.shared import Run
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of
from tests.unit.run_strategies import runs


def run_of(*steps: str, **changes: Mapping[str, Any]) -> Run:
    """A run with these intents, each step with an outcome; changed where it is said, by `decision` and `outcome`."""
    script = Script(RUN_ID)
    script.started()
    for number, intent in enumerate(steps):
        changed = changes.get(intent, {})
        chosen = {"id": "a", "description": f"{intent} so", "action_params": changed.get("parameters", {})}
        options = [{**chosen, "id": changed.get("option", "a")}]
        name = f"{intent}-{number}"
        script.decision(name, intent, options=options, chosen_option_id=options[0]["id"])
        if changed.get("success") is not None:
            script.outcome(name, success=bool(changed["success"]), error="Broke")
        elif "pending" not in changed:
            script.outcome(name, tokens_used=10, latency_ms=5)
    script.ended()
    return fold_of(*script.written)


def kinds(comparison: Comparison) -> list[str]:
    """How they differ, place by place."""
    first = [comparison.first_divergence] if comparison.first_divergence is not None else []
    return [divergence.kind.value for divergence in [*first, *comparison.later_divergences]]


def told(divergence: Divergence | None) -> tuple[list[str], list[str]]:
    """The intents on both sides."""
    assert divergence is not None
    return [step.intent for step in divergence.a], [step.intent for step in divergence.b]


def test_steps_are_aligned_by_what_they_are_after_and_not_by_position() -> None:
    """A step more at the begin does not shift everything."""
    comparison = compare(run_of("Ask", "Look", "Book", "Pay"), run_of("Look", "Book", "Wait", "Pay"))

    assert (3, 1, 1) == (comparison.aligned, comparison.only_a, comparison.only_b)
    assert (["Ask"], []) == told(comparison.first_divergence)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.b_next is not None
    assert "Look" == comparison.first_divergence.b_next.intent
    assert [([], ["Wait"])] == [told(divergence) for divergence in comparison.later_divergences]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"option": "b"}, "choice"),
        ({"parameters": {"seats": 2}}, "parameters"),
        ({"success": False}, "result"),
        ({"pending": True}, "result"),
    ],
)
def test_one_step_can_differ_in_its_choice_its_parameters_or_its_result(change: dict[str, object], kind: str) -> None:
    """What each did there stands beside it, with the decisions' ids."""
    comparison = compare(run_of("Look", "Book"), run_of("Look", "Book", Book=change))

    assert [kind] == kinds(comparison)
    assert comparison.first_divergence is not None
    assert (["Book-1"], ["Book-1"]) == (
        [step.decision_id for step in comparison.first_divergence.a],
        [step.decision_id for step in comparison.first_divergence.b],
    )


def test_parameters_that_differ_are_named() -> None:
    """Only those, with both values; in lists, what is alike at both ends is none."""
    before = {"parameters": {"to": "LAX", "seats": 1, "flights": [{"id": 1}, {"id": 2}, {"id": 3}], "bags": 0}}
    after = {"parameters": {"to": "LAX", "seats": 2, "flights": [{"id": 3}], "meal": True}}

    divergence = compare(run_of("Book", Book=before), run_of("Book", Book=after)).first_divergence

    assert divergence is not None
    assert [
        ("bags", "0", None),
        ("flights[0]", '{"id": 1}', None),
        ("flights[1]", '{"id": 2}', None),
        ("meal", None, "true"),
        ("seats", "1", "2"),
    ] == [(change.path, change.a, change.b) for change in divergence.changed]


def test_the_order_of_parameters_makes_no_difference() -> None:
    """JSON objects have none."""
    one, other = {"to": "LAX", "seats": 1}, {"seats": 1, "to": "LAX"}

    comparison = compare(run_of("Book", Book={"parameters": one}), run_of("Book", Book={"parameters": other}))

    assert (1, 0, 0) == (comparison.same, comparison.reworded, comparison.divergences)


def test_other_words_for_the_same_are_no_divergence() -> None:
    """No two conversations are alike. Another result is one, though."""
    one = {"parameters": {"text": "May I have your name, please?"}}
    other = {"parameters": {"text": "Could you tell me who you are?"}}

    comparison = compare(run_of("Ask", Ask=one), run_of("Ask", Ask=other))
    assert (1, 0, 1, 0) == (comparison.aligned, comparison.same, comparison.reworded, comparison.divergences)
    assert comparison.first_divergence is None

    assert ["result"] == kinds(compare(run_of("Ask", Ask=one), run_of("Ask", Ask={**other, "success": False})))


def test_the_best_of_several_partners_is_the_one_that_did_the_same() -> None:
    """Where one run tried twice, and the other once."""
    tried = run_of("Book", Book={"parameters": {"seat": 2}})
    script = Script(RUN_ID)
    for seat in (1, 2):
        options = [{"id": "a", "description": "Book so", "action_params": {"seat": seat}}]
        script.decision(f"d{seat}", "Book", options=options)
        script.outcome(f"d{seat}")
    twice = fold_of(*script.written)

    comparison = compare(twice, tried)

    assert (1, 1, ["path"]) == (comparison.aligned, comparison.same, kinds(comparison))
    assert comparison.first_divergence is not None
    assert ["d1"] == [step.decision_id for step in comparison.first_divergence.a]


def test_both_sides_say_what_became_of_them() -> None:
    """Status, counts and cost."""
    script = Script(RUN_ID)
    script.started()
    script.problem("p1", "critical")
    script.ended("failed")
    comparison = compare(run_of("Look", "Book", Book={"pending": True}), fold_of(*script.written))

    assert ("completed", 2, 1, 10, 5, 0) == (
        comparison.a.status,
        comparison.a.decisions,
        comparison.a.pending_decisions,
        comparison.a.tokens,
        comparison.a.latency_ms,
        comparison.a.critical_problems,
    )
    assert ("failed", 0, 1, 2_000) == (
        comparison.b.status,
        comparison.b.decisions,
        comparison.b.critical_problems,
        comparison.b.duration_ms,
    )


def test_many_divergences_are_counted_and_few_are_told() -> None:
    """And of a long detour the first steps."""
    steps = [f"Step {number}" for number in range(30)]
    changed = {step: {"option": "b"} for step in steps}

    comparison = compare(run_of(*steps), run_of(*steps, **changed))
    assert (30, 10) == (comparison.divergences, len(comparison.later_divergences))

    detour = compare(run_of(*steps), run_of()).first_divergence
    assert detour is not None
    assert (5, 30, DivergenceKind.PATH) == (len(detour.a), detour.a_count, detour.kind)


@given(runs())
def test_a_run_compared_with_itself_has_no_divergence(run: Run) -> None:
    """All of its steps are common."""
    comparison = compare(run, run.model_copy(deep=True))

    assert (len(run.decisions), 0, 0, 0) == (
        comparison.aligned,
        comparison.only_a,
        comparison.only_b,
        comparison.divergences,
    )
    assert comparison.first_divergence is None
    assert comparison.a == comparison.b


@given(runs("d"), runs("e"))
def test_exchanged_runs_give_the_comparison_exchanged(a: Run, b: Run) -> None:
    """To the last parameter; and every step is one of the run's decisions."""
    comparison = compare(a, b)

    assert mirrored(compare(b, a)) == comparison
    assert comparison == Comparison.model_validate(json.loads(comparison.model_dump_json()))
    assert comparison.aligned + comparison.only_a == len(a.decisions)
    assert (comparison.divergences == 0) == (comparison.first_divergence is None)
    for divergence in filter(None, [comparison.first_divergence, *comparison.later_divergences]):
        assert {step.decision_id for step in divergence.a} <= {decision.id for decision in a.decisions}
        assert {step.decision_id for step in divergence.b} <= {decision.id for decision in b.decisions}


def mirrored(comparison: Comparison) -> Comparison:
    """The same with A and B exchanged."""

    def exchanged(divergence: Divergence) -> Divergence:
        changed = [change.model_copy(update={"a": change.b, "b": change.a}) for change in divergence.changed]
        return divergence.model_copy(
            update={
                "a": divergence.b,
                "b": divergence.a,
                "a_count": divergence.b_count,
                "b_count": divergence.a_count,
                "a_next": divergence.b_next,
                "b_next": divergence.a_next,
                "changed": changed,
            }
        )

    first = comparison.first_divergence
    return comparison.model_copy(
        update={
            "a": comparison.b,
            "b": comparison.a,
            "only_a": comparison.only_b,
            "only_b": comparison.only_a,
            "first_divergence": exchanged(first) if first is not None else None,
            "later_divergences": [exchanged(divergence) for divergence in comparison.later_divergences],
        }
    )
