"""Decisions and outcomes: the schema's rules."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from runweaver.shared.decision import Decision, DecisionEvaluation, DecisionType, Option, Outcome
from runweaver.shared.run import Problem
from tests.unit.making import moment

OPTIONS = [{"id": "ask", "description": "Ask the lead"}, {"id": "infer", "description": "Infer from size"}]

#: The least that each schema needs.
LEAST: dict[type[BaseModel], dict[str, Any]] = {
    Option: {"id": "a", "description": "One way"},
    Outcome: {"success": True},
    DecisionEvaluation: {},
    Decision: {"id": "d", "node_id": "n", "intent": "i"},
    Problem: {"id": "x", "severity": "minor", "description": "Odd"},
}


def _decision(**fields: Any) -> Decision:
    given = {"id": "d", "node_id": "qualifier", "intent": "Is there a budget?", "options": OPTIONS}
    return Decision.model_validate({**given, "chosen_option_id": "infer", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, "… [qualifier] Is there a budget? → Infer from size", id="pending"),
        pytest.param(
            {"outcome": {"success": True}}, "✓ [qualifier] Is there a budget? → Infer from size", id="successful"
        ),
        pytest.param(
            {"outcome": {"success": False}}, "✗ [qualifier] Is there a budget? → Infer from size", id="failed"
        ),
        pytest.param(
            {"chosen_option_id": None}, "… [qualifier] Is there a budget? → unknown action", id="nothing chosen"
        ),
        pytest.param(
            {"chosen_option_id": "guess"}, "… [qualifier] Is there a budget? → unknown action", id="no such option"
        ),
        pytest.param(
            {"outcome": {"success": True}, "evaluation": {"outcome_quality": 0.9}},
            "✓ [qualifier] Is there a budget? → Infer from size [quality: 0.9]",
            id="judged",
        ),
        pytest.param(
            {"evaluation": {}, "chosen_option_id": None},
            "… [qualifier] Is there a budget? → unknown action [quality: 1.0]",
            id="judged while pending",
        ),
        pytest.param(
            {"evaluation": {"outcome_quality": 1 / 3}},
            "… [qualifier] Is there a budget? → Infer from size [quality: 0.3]",
            id="one digit of the quality",
        ),
    ],
)
def test_a_decision_in_one_line(fields: dict[str, Any], expected: str) -> None:
    """A mark, the node, the intent and what was chosen; the quality where it was judged."""
    assert expected == _decision(**fields).summary_for_builder()


def test_the_chosen_option_is_the_one_with_the_chosen_id() -> None:
    """None where there is no such option, or nothing was chosen."""
    chosen = _decision().chosen_option

    assert chosen is not None
    assert "Infer from size" == chosen.description
    assert _decision(chosen_option_id="guess").chosen_option is None
    assert _decision(chosen_option_id=None).chosen_option is None


@pytest.mark.parametrize(
    ("outcome", "successful", "failed"),
    [(None, False, False), ({"success": True}, True, False), ({"success": False}, False, True)],
)
def test_a_decision_is_successful_failed_or_pending(
    outcome: dict[str, Any] | None,
    successful: bool,  # noqa: FBT001
    failed: bool,  # noqa: FBT001
) -> None:
    """By its outcome; without one it is neither."""
    decision = _decision(outcome=outcome)

    assert (successful, failed) == (decision.was_successful, decision.has_failed)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"outcome": {"success": True}}, True),
        ({"outcome": {"success": False}}, False),
        ({"outcome": {"success": False}, "evaluation": {"outcome_quality": 0.6}}, True),
        ({"outcome": {"success": True}, "evaluation": {"outcome_quality": 0.5}}, False),
        ({"outcome": {"success": True}, "evaluation": {"goal_aligned": False}}, False),
    ],
)
def test_a_good_decision(fields: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """Judged: aligned with the goal and of quality above one half. Not judged: successful."""
    assert expected == _decision(**fields).was_good_decision


def test_what_is_not_given_has_the_defaults_of_the_schema() -> None:
    """As the seed's project has them."""
    evaluation = DecisionEvaluation()
    decision = Decision.model_validate(LEAST[Decision])
    outcome = Outcome(success=True)

    assert (True, 1.0, False, None, None, 1.0, None, "") == (
        evaluation.goal_aligned,
        evaluation.alignment_score,
        evaluation.better_option_existed,
        evaluation.better_option_id,
        evaluation.why_better,
        evaluation.outcome_quality,
        evaluation.contributed_to_success,
        evaluation.explanation,
    )
    assert (DecisionType.CUSTOM, [], None, "", [], {}, None, None) == (
        decision.decision_type,
        decision.options,
        decision.chosen_option_id,
        decision.reasoning,
        decision.active_constraints,
        decision.input_context,
        decision.outcome,
        decision.evaluation,
    )
    assert (None, None, {}, 0, 0, "") == (
        outcome.result,
        outcome.error,
        outcome.state_changes,
        outcome.tokens_used,
        outcome.latency_ms,
        outcome.summary,
    )
    assert 0.5 == Option(id="a", description="").confidence


def test_the_types_of_decisions() -> None:
    """The eight of the schema, and no other."""
    assert {
        "tool_selection",
        "parameter_choice",
        "path_choice",
        "output_format",
        "retry_strategy",
        "delegation",
        "termination",
        "custom",
    } == set(DecisionType)
    with pytest.raises(ValidationError):
        _decision(decision_type="guess")


@pytest.mark.parametrize("schema", LEAST, ids=lambda schema: schema.__name__)
def test_unknown_fields_are_kept(schema: type[BaseModel]) -> None:
    """Also through JSON."""
    given = schema.model_validate({**LEAST[schema], "of_the_agent": {"a": [1, None]}})

    assert {"of_the_agent": {"a": [1, None]}} == schema.model_validate_json(given.model_dump_json()).model_extra


@pytest.mark.parametrize("schema", LEAST, ids=lambda schema: schema.__name__)
def test_every_required_field_is_required(schema: type[BaseModel]) -> None:
    """Each of them, by itself."""
    assert LEAST[schema].keys() == {name for name, field in schema.model_fields.items() if field.is_required()}


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        (Option, {"confidence": 1.1}),
        (Option, {"confidence": -0.1}),
        (Option, {"id": ""}),
        (DecisionEvaluation, {"outcome_quality": 2}),
        (DecisionEvaluation, {"alignment_score": -1}),
        (Outcome, {"tokens_used": -1}),
        (Outcome, {"latency_ms": float("inf")}),
        (Outcome, {"latency_ms": float("nan")}),
        (Decision, {"id": ""}),
        (Decision, {"node_id": ""}),
        (Problem, {"severity": "fatal"}),
        (Problem, {"id": ""}),
    ],
)
def test_values_out_of_range_are_refused(schema: type[BaseModel], fields: dict[str, Any]) -> None:
    """Shares are between 0 and 1, counts are not negative, ids are not empty."""
    with pytest.raises(ValidationError) as caught:
        schema.model_validate({**LEAST[schema], **fields})

    assert set(fields) == {error["loc"][0] for error in caught.value.errors()}


@pytest.mark.parametrize(("given", "expected"), [(840.4, 840), (840.6, 841), (0.2, 0), (7, 7), (7.0, 7)])
def test_fractions_of_milliseconds_and_tokens_are_rounded(given: float, expected: int) -> None:
    """Clocks and estimates come as floats; the schema counts whole ones."""
    outcome = Outcome.model_validate({"success": True, "latency_ms": given, "tokens_used": given})

    assert (expected, expected) == (outcome.latency_ms, outcome.tokens_used)
    assert int is type(outcome.latency_ms)


@pytest.mark.parametrize("schema", [Decision, Outcome, Problem], ids=lambda schema: schema.__name__)
def test_times_are_aware_and_in_utc(schema: type[BaseModel]) -> None:
    """Another offset is the same moment in UTC; without an offset a time is refused; without a time it is now."""
    elsewhere = moment(0).astimezone(timezone(timedelta(hours=-7)))
    given: Any = schema.model_validate({**LEAST[schema], "timestamp": elsewhere})
    now: Any = schema.model_validate(LEAST[schema])

    assert moment(0) == given.timestamp
    assert timedelta(0) == given.timestamp.utcoffset()
    assert timedelta(0) == now.timestamp.utcoffset()
    assert timedelta(0) <= datetime.now(UTC) - now.timestamp < timedelta(minutes=1)
    with pytest.raises(ValidationError, match="timezone"):
        schema.model_validate({**LEAST[schema], "timestamp": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_bytes_in_a_result_are_written_in_base64() -> None:
    """They need not be text."""
    assert '"result":"_wA="' in Outcome(success=True, result=b"\xff\x00").model_dump_json()
