"""How much is told of a decision."""

from enum import StrEnum
from typing import Any, Final

from runweaver.console.mcp.answers import DecisionEntry, OptionEntry, ProblemEntry
from runweaver.console.mcp.bounding import how_many_fit, shorten, shorten_value
from runweaver.shared.decision import Decision, Option
from runweaver.shared.run import Problem, Run

_LONGEST_LINE: Final = 300
_LONGEST_REASON: Final = 1_500
_MOST_OPTIONS: Final = 30
_MOST_PROBLEMS: Final = 50
#: Characters as JSON.
_ROOM_FOR_PROBLEMS: Final = 3_000
_LONGEST_PAYLOAD_OF_RUN: Final = 1_500


class Detail(StrEnum):
    """How much."""

    TRACE = "trace"
    REASONING = "reasoning"
    PAYLOADS = "payloads"


def decision_entry(run: Run, number: int, decision: Decision, detail: Detail, longest_payload: int) -> DecisionEntry:
    """One decision of a run."""
    outcome, chosen = decision.outcome, decision.chosen_option
    entry = DecisionEntry(
        number=number,
        id=decision.id,
        at_ms=round((decision.timestamp - run.started_at).total_seconds() * 1000),
        node=shorten(decision.node_id, _LONGEST_LINE),
        intent=shorten(decision.intent, _LONGEST_LINE),
        chosen=shorten(chosen.description or chosen.id, _LONGEST_LINE) if chosen is not None else "",
        result="pending" if outcome is None else "succeeded" if outcome.success else "failed",
    )
    if outcome is not None:
        entry.error = shorten(outcome.error or "", _LONGEST_LINE)
        entry.told = shorten(outcome.summary, _LONGEST_LINE)
        entry.took_ms = outcome.latency_ms
        entry.tokens = outcome.tokens_used
    if detail is not Detail.TRACE:
        _add_reasoning(entry, decision)
    if detail is Detail.PAYLOADS:
        _add_payloads(entry, decision, longest_payload)
    return entry


def facts_of_run(run: Run, detail: Detail, longest_payload: int) -> dict[str, Any]:
    """What the first page also holds."""
    problems = [_problem_entry(problem) for problem in run.problems[:_MOST_PROBLEMS]]
    count = how_many_fit((problem.model_dump(mode="json") for problem in problems), _ROOM_FOR_PROBLEMS)
    facts: dict[str, Any] = {
        "goal_description": shorten(run.goal_description, _LONGEST_LINE),
        "problems_total": len(run.problems),
        "problems": problems[:count],
    }
    if detail is Detail.PAYLOADS:
        most = min(longest_payload, _LONGEST_PAYLOAD_OF_RUN)
        facts["input_data"] = shorten_value(run.input_data, most) or None
        facts["output_data"] = shorten_value(run.output_data, most) or None
    return facts


def _problem_entry(problem: Problem) -> ProblemEntry:
    return ProblemEntry(
        id=shorten(problem.id, _LONGEST_LINE),
        severity=problem.severity,
        description=shorten(problem.description, _LONGEST_LINE),
        root_cause=shorten(problem.root_cause or "", _LONGEST_LINE),
        decision_id=shorten(problem.decision_id or "", _LONGEST_LINE),
        suggested_fix=shorten(problem.suggested_fix or "", _LONGEST_LINE),
    )


def _add_reasoning(entry: DecisionEntry, decision: Decision) -> None:
    entry.decision_type = decision.decision_type.value
    entry.chosen_option_id = decision.chosen_option_id or ""
    entry.options = [_option_entry(option) for option in decision.options[:_MOST_OPTIONS]]
    entry.reasoning = shorten(decision.reasoning, _LONGEST_REASON)
    entry.constraints = [shorten(each, _LONGEST_LINE) for each in decision.active_constraints]
    if decision.evaluation is not None:
        entry.evaluation = shorten_value(decision.evaluation.model_dump(mode="json"), _LONGEST_REASON)


def _add_payloads(entry: DecisionEntry, decision: Decision, longest: int) -> None:
    for shown, option in zip(entry.options, decision.options, strict=False):
        shown.action_params = shorten_value(option.model_dump(mode="json")["action_params"], longest) or None
    dumped = decision.model_dump(mode="json")
    outcome = dumped["outcome"] or {}
    entry.input_context = shorten_value(dumped["input_context"], longest) or None
    entry.outcome_result = shorten_value(outcome.get("result"), longest)
    entry.state_changes = shorten_value(outcome.get("state_changes"), longest) or None


def _option_entry(option: Option) -> OptionEntry:
    return OptionEntry(
        id=shorten(option.id, _LONGEST_LINE),
        description=shorten(option.description, _LONGEST_LINE),
        action_type=shorten(option.action_type, _LONGEST_LINE),
        confidence=option.confidence,
        pros=[shorten(each, _LONGEST_LINE) for each in option.pros],
        cons=[shorten(each, _LONGEST_LINE) for each in option.cons],
    )
