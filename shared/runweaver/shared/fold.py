"""A Run is a fold over a set of messages.

Pure: no I/O and no clock. The set alone decides: in which order the messages came, how often, and through how many
workers, makes no difference. Where several messages speak of the same thing, the time that they carry decides, and
where that is the same, their identity.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from runweaver.shared.completeness import Tally
from runweaver.shared.decision import Decision, DecisionEvaluation, Outcome
from runweaver.shared.messages import (
    BaseMessage,
    DecisionMessage,
    EdgeMessage,
    EvaluationMessage,
    OutcomeMessage,
    ProblemMessage,
    RunEndedMessage,
    RunStartedMessage,
    order_of,
)
from runweaver.shared.run import UNKNOWN_GOAL, Problem, Run, RunMetrics, RunStatus

_Value = TypeVar("_Value")

#: Sorts messages by time, and at the same time by identity.
_Moment = tuple[datetime, tuple[str, int]]


def fold(messages: Mapping[str, BaseMessage], *, on_time: Mapping[str, int] | None = None) -> Run:
    """Make the run that these messages tell of.

    Args:
        messages: one run's messages, each under its identity; at least one.
        on_time: how many messages of each producer the first summary of the ended run had, where there was one:
            what came since is late.

    Takes time in proportion to the number of messages (and sorts what has an order).
    """
    return fold_each(messages.items(), on_time=on_time)


def fold_each(messages: Iterable[tuple[str, BaseMessage]], *, on_time: Mapping[str, int] | None = None) -> Run:
    """The same of messages that come one after another, each once: only what counts of each is kept."""
    gathered = Gathered()
    run_id = ""
    for identity, message in messages:
        run_id = run_id or message.run_id
        gathered.add(message, (message.time, order_of(identity)))
    decisions, unmatched = gathered.joined_decisions()
    start, end = gathered.start, gathered.end
    return Run(
        id=run_id,
        goal_id=start.goal_id if start else UNKNOWN_GOAL,
        goal_description=start.goal_description if start else "",
        input_data=start.input_data if start else {},
        tags=start.tags if start else [],
        trace_id=start.trace_id if start else None,
        span_id=start.span_id if start else None,
        started_at=start.started_at if start else gathered.first_at,
        status=RunStatus(end.status) if end else RunStatus.RUNNING,
        completed_at=end.ended_at if end else None,
        output_data=end.output_data if end else {},
        narrative=end.narrative if end else "",
        decisions=decisions,
        problems=gathered.problems.in_order(),
        metrics=metrics_of(decisions, gathered.edges_in_order()),
        last_activity_at=gathered.last_at,
        completeness=gathered.tally.completeness(on_time),
        unmatched_outcomes=unmatched,
    )


class _Latest(dict[str, tuple[_Moment, _Value]]):
    """For each id, the value with the latest moment."""

    def offer(self, key: str, moment: _Moment, value: _Value) -> None:
        held = self.get(key)
        if held is None or moment > held[0]:
            self[key] = (moment, value)

    def in_order(self) -> list[_Value]:
        return [value for _, value in sorted(self.values(), key=lambda held: held[0])]


class Gathered:
    """What has been heard so far: for each thing that can be said more than once, the word that counts.

    `fold` makes a run of it. By itself it is for those who add single messages to a run that they have.
    """

    def __init__(self) -> None:
        self._start: tuple[_Moment, RunStartedMessage] | None = None
        self._end: tuple[_Moment, RunEndedMessage] | None = None
        self.decisions: _Latest[Decision] = _Latest()
        self.outcomes: _Latest[Outcome] = _Latest()
        self.evaluations: _Latest[DecisionEvaluation] = _Latest()
        self.problems: _Latest[Problem] = _Latest()
        self._edges: dict[str, _Moment] = {}
        self.first_at = datetime.max.replace(tzinfo=UTC)
        self.last_at = datetime.min.replace(tzinfo=UTC)
        self.tally = Tally()

    def add(self, message: BaseMessage, moment: _Moment) -> None:
        """Hear a message, and at which moment it was said: its time, and what `order_of` makes of its identity."""
        self.tally.add(message)
        self.first_at = min(self.first_at, moment[0])
        self.last_at = max(self.last_at, moment[0])
        match message:
            case DecisionMessage(decision=decision):
                self._add_decision(decision, moment)
            case OutcomeMessage():
                self.outcomes.offer(message.decision_id, moment, message.outcome)
            case EvaluationMessage():
                self.evaluations.offer(message.decision_id, moment, message.evaluation)
            case ProblemMessage(problem=problem):
                self.problems.offer(problem.id, moment, problem)
            case EdgeMessage():
                edge = f"{message.source}->{message.target}"
                self._edges[edge] = min(self._edges.get(edge, moment), moment)
            case RunStartedMessage():
                if self._start is None or moment < self._start[0]:
                    self._start = (moment, message)
            case RunEndedMessage():
                if self._end is None or moment > self._end[0]:
                    self._end = (moment, message)

    def _add_decision(self, decision: Decision, moment: _Moment) -> None:
        self.decisions.offer(decision.id, moment, decision)
        # A decision may bring its outcome and evaluation along: they compete with those that come by themselves.
        if decision.outcome is not None:
            self.outcomes.offer(decision.id, (decision.outcome.timestamp, moment[1]), decision.outcome)
        if decision.evaluation is not None:
            self.evaluations.offer(decision.id, moment, decision.evaluation)

    def joined_decisions(self) -> tuple[list[Decision], list[str]]:
        """The decisions with their outcomes, and the ids of outcomes that found no decision.

        Called once: what was gathered of decisions goes into them.
        """
        in_order = self.decisions.in_order()
        self.decisions.clear()
        # From the end, so that each makes room for its copy.
        in_order.reverse()
        joined = [self._joined(in_order.pop()) for _ in range(len(in_order))]
        return joined, sorted(self.outcomes)

    def _joined(self, decision: Decision) -> Decision:
        outcome = self.outcomes.pop(decision.id, None)
        evaluation = self.evaluations.pop(decision.id, None)
        # A copy: the message is the caller's, and folding it again must give the same.
        return decision.model_copy(
            update={
                "outcome": outcome[1] if outcome else None,
                "evaluation": evaluation[1] if evaluation else None,
            }
        )

    def edges_in_order(self) -> list[str]:
        """`source->target`, by first traversal."""
        return sorted(self._edges, key=lambda edge: self._edges[edge])

    @property
    def start(self) -> RunStartedMessage | None:
        return self._start[1] if self._start else None

    @property
    def end(self) -> RunEndedMessage | None:
        return self._end[1] if self._end else None


def metrics_of(decisions: list[Decision], edges: list[str]) -> RunMetrics:
    """What can be counted about these decisions, joined with their outcomes, and these edges."""
    outcomes = [decision.outcome for decision in decisions if decision.outcome is not None]
    succeeded = sum(outcome.success for outcome in outcomes)
    return RunMetrics(
        total_decisions=len(decisions),
        successful_decisions=succeeded,
        failed_decisions=len(outcomes) - succeeded,
        total_tokens=sum(outcome.tokens_used for outcome in outcomes),
        total_latency_ms=sum(outcome.latency_ms for outcome in outcomes),
        nodes_executed=list(dict.fromkeys(decision.node_id for decision in decisions)),
        edges_traversed=edges,
    )
