"""The timeline of a run: its decisions and problems in order of time."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from heapq import merge
from typing import Any, Final, TypeAlias

from runweaver.query.one_run.telling import quote, result_of, told_by
from runweaver.shared.decision import Decision, Option
from runweaver.shared.fields import Schema
from runweaver.shared.run import Problem, Run

_LONGEST_RESULT: Final = 500

_Row: TypeAlias = tuple[datetime, int, Decision | Problem]


class EntryKind(StrEnum):
    """What an entry of a timeline is."""

    DECISION = "decision"
    PROBLEM = "problem"


class DecisionDetails(Schema):
    """What else is known of a decision."""

    options: list[Option]
    chosen_option_id: str | None
    reasoning: str
    constraints: list[str]
    #: What the outcome says of itself; where it says nothing, what it came to, as text.
    result: str


class TraceEntry(Schema):
    """One line of a timeline."""

    kind: EntryKind
    #: Of the decision or the problem.
    id: str
    #: Milliseconds since the run started; below 0 where a clock was behind.
    offset_ms: int
    #: Of the decision, or of the one that the problem names.
    node: str | None
    #: Of a decision: `succeeded`, `failed` or `pending`; of a problem: its severity.
    mark: str
    #: The intent of a decision, the description of a problem.
    text: str
    #: What the chosen option does.
    chosen: str | None = None
    #: Milliseconds, as the outcome tells it, or else from the decision to its outcome; none while it is pending.
    took_ms: int | None = None
    tokens: int = 0
    #: Of a failed decision.
    error: str | None = None
    #: Only where they were asked for.
    details: DecisionDetails | None = None


def trace(run: Run, *, full: bool = False) -> Iterator[TraceEntry]:
    """The decisions and problems of a run in order of time, one after another.

    Args:
        full: with the options, reasoning, constraints and result of each decision.
    """
    nodes = {decision.id: decision.node_id for decision in run.decisions} if run.problems else {}
    # Both are in order by themselves. A problem comes after the decision of the same moment.
    decisions: Iterator[_Row] = ((decision.timestamp, 0, decision) for decision in run.decisions)
    problems: Iterator[_Row] = ((problem.timestamp, 1, problem) for problem in run.problems)
    for at, _, what in merge(decisions, problems, key=lambda row: row[:2]):
        offset_ms = int((at - run.started_at).total_seconds() * 1000)
        if isinstance(what, Decision):
            yield _of_decision(what, offset_ms, full=full)
        else:
            yield _of_problem(what, offset_ms, nodes.get(what.decision_id or ""))


def _of_decision(decision: Decision, offset_ms: int, *, full: bool) -> TraceEntry:
    chosen = decision.chosen_option
    return TraceEntry(
        kind=EntryKind.DECISION,
        id=decision.id,
        offset_ms=offset_ms,
        node=decision.node_id,
        mark=result_of(decision).value,
        text=decision.intent,
        chosen=chosen.description if chosen is not None else None,
        took_ms=_took_ms(decision),
        tokens=decision.outcome.tokens_used if decision.outcome is not None else 0,
        error=quote(told_by(decision), _LONGEST_RESULT) if decision.has_failed else None,
        details=_details(decision) if full else None,
    )


def _took_ms(decision: Decision) -> int | None:
    outcome = decision.outcome
    if outcome is None:
        return None
    return outcome.latency_ms or max(0, int((outcome.timestamp - decision.timestamp).total_seconds() * 1000))


def _details(decision: Decision) -> DecisionDetails:
    outcome = decision.outcome
    result: Any = (outcome.summary or outcome.result) if outcome is not None else None
    return DecisionDetails(
        options=decision.options,
        chosen_option_id=decision.chosen_option_id,
        reasoning=decision.reasoning,
        constraints=decision.active_constraints,
        result="" if result is None else quote(str(result), _LONGEST_RESULT),
    )


def _of_problem(problem: Problem, offset_ms: int, node: str | None) -> TraceEntry:
    return TraceEntry(
        kind=EntryKind.PROBLEM,
        id=problem.id,
        offset_ms=offset_ms,
        node=node,
        mark=problem.severity,
        text=problem.description,
    )
