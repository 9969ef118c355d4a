"""A run that is told by spans, from its beginning to its end."""

from datetime import datetime, timedelta
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.integrations.agent_steps import AgentSteps, as_identifier
from runweaver.producer.integrations.opentelemetry.attributes import failure_of, moment, text
from runweaver.producer.integrations.opentelemetry.evaluation import evaluate
from runweaver.producer.integrations.opentelemetry.messages import input_of, output_of
from runweaver.producer.integrations.opentelemetry.spans import SCOPES, OpenSpan, evaluations_in, name_of, span_id
from runweaver.producer.integrations.opentelemetry.steps import TracedSteps
from runweaver.producer.producer import Producer
from runweaver.producer.trace_context import trace_fields
from runweaver.shared.run import SAMPLED_OUT_TAG, Severity

#: Exceptions that stop a run from outside.
_STOPPED: Final = ("CancelledError", "KeyboardInterrupt", "SystemExit", "GeneratorExit")


def begin_run(producer: Producer, span: ReadableSpan) -> "TracedRun":
    """Begin the run that a span is."""
    context = span.context
    started = {
        **_started(span),
        "trace_context": f"00-{context.trace_id:032x}-{context.span_id:016x}-00" if context is not None else {},
    }
    run = producer.start_run(run_id=_run_id(span), at=moment(span.start_time), **started)
    return TracedRun(run, span, started=started)


class TracedRun:
    """Tells a run what spans tell. Not for several threads at once."""

    def __init__(
        self,
        run: ActiveRun,
        root: ReadableSpan,
        *,
        started: dict[str, Any] | None = None,
        leaves: bool = False,
    ) -> None:
        """Nothing is told yet.

        Args:
            run: where the steps go.
            root: the span that is the run, or that takes part in it.
            started: what was said when it began; absent: somebody else began it, and will end it.
            leaves: whether nothing more will be said of it in this process when the span has ended.
        """
        self.run = run
        self.root = OpenSpan(root, self, None)
        #: The open spans that are part of it.
        self.keys: set[tuple[int, int]] = set()
        self._started = started
        self._leaves = leaves
        self._steps = TracedSteps(AgentSteps(run), self._evaluate)
        self._edges: set[tuple[str, str]] = set()

    def began(self, place: OpenSpan) -> None:
        """A span inside of the run began."""
        if place.kind_at_start == "model" and not _is_told_around(place):
            place.owner().answering += 1
            place.is_told = True
        elif place.kind_at_start in SCOPES:
            self._agent_began(place)

    def ended(self, place: OpenSpan, span: ReadableSpan) -> None:
        """A span inside of the run ended."""
        place.span = span
        kind = place.kind
        if kind == "model" and place.is_told:
            place.owner().answering -= 1
        if kind == "evaluation" and place.parent is not None:
            place.parent.evaluations += evaluations_in(span)
            return
        if kind == "model" and not _is_told_around(place):
            self._steps.model_ended(place)
        elif kind == "tool" and not _is_told_around(place):
            self._handed_over(place)
            self._steps.tool_ended(place)
        elif kind == "handoff":
            source, target = self._handed_over(place)
            self._steps.handed_over(place, source, target)
        elif kind in SCOPES:
            self._agent_ended(place)
        self._evaluate(place)

    def end(self, span: ReadableSpan) -> None:
        """The span that is the run ended."""
        self.root.span = span
        error, output, ended_at = failure_of(span), None, moment(span.end_time)
        is_stopped = error is not None and error.partition(":")[0] in _STOPPED
        try:
            self._steps.close(self.root)
            self._evaluate(self.root)
            if error is not None and not is_stopped:
                severity: Severity = "critical" if self._started is not None else "warning"
                self.run.report_problem(severity, error, at=ended_at)
            if self._started is not None:
                self._start_again(span, self._started)
                output = output_of(span)
        finally:
            # Whatever cannot be told, it is over.
            if self._started is not None:
                self.run.end(
                    "cancelled" if is_stopped else "completed" if error is None else "failed",
                    output_data={"output": output} if output is not None else None,
                    at=ended_at,
                )
            elif self._leaves:
                self.run.leave()

    def let_go(self) -> None:
        """Nothing more will be told of it."""
        if self._started is not None or self._leaves:
            self.run._leave_unless_declared()  # noqa: SLF001 - its producer may have been closed before

    def _start_again(self, span: ReadableSpan, started: dict[str, Any]) -> None:
        """What the run began with is known when it is over. Of two beginnings the earlier one counts."""
        began_at, given = moment(span.start_time), input_of(span)
        known = _started(span)
        if began_at is None or (given is None and known.items() <= started.items()):
            return
        self.run._start(  # noqa: SLF001 - nobody else begins a run twice
            began_at - timedelta(microseconds=1),
            input_data={"input": given} if given is not None else {},
            tags=[] if self.run.is_sampled else [SAMPLED_OUT_TAG],
            **known,
            **trace_fields(started["trace_context"]),
        )

    def _agent_began(self, place: OpenSpan) -> None:
        owner = place.owner()
        owner.has_agents = True
        place.is_told = True
        tool = _tool_around(place)
        if tool is not None:
            tool.delegates = True
        # In a workflow one agent takes over from the other. What an agent asks comes back to it.
        source = owner.last_agent if owner.place.kind == "workflow" and owner.last_agent else owner.name
        name = name_of(place.span)
        self._traverse(source, name, moment(place.span.start_time))
        if tool is None and name != owner.name:
            self._steps.agent_called(place)

    def _agent_ended(self, place: OpenSpan) -> None:
        if not place.is_told:
            self._agent_began(place)
        self._steps.close(place)
        owner, name = place.owner(), name_of(place.span)
        owner.last_agent = name
        if name != owner.name and _tool_around(place) is None:
            self._steps.agent_returned(place)

    def _handed_over(self, place: OpenSpan) -> tuple[str, str]:
        """From whom to whom, where a span says that."""
        attributes = place.span.attributes or {}
        source, target = text(attributes, "handoff_from") or place.node(), text(attributes, "handoff_to")
        if target:
            self._traverse(source, target, moment(place.span.end_time))
        return source, target or "agent"

    def _evaluate(self, place: OpenSpan) -> None:
        given = [*place.evaluations, *evaluations_in(place.span)]
        if not given or place in place.owner().held:
            return
        scope = place.as_scope() if place.kind in SCOPES else place.owner()
        decision_id = place.decision_id or scope.last_decision_id
        if decision_id is not None:
            evaluate(self.run, decision_id, given)

    def _traverse(self, source: str, target: str, at: datetime | None) -> None:
        if source != target and (source, target) not in self._edges:
            self._edges.add((source, target))
            self.run.traverse(source, target, at=at)


def _run_id(span: ReadableSpan) -> str:
    """A trace has one root, but may have many agents, in several processes."""
    context = span.context
    trace_id = f"{context.trace_id:032x}" if context is not None else ""
    return trace_id if span.parent is None else f"{trace_id}-{span_id(span)}"


def _started(span: ReadableSpan) -> dict[str, Any]:
    name = name_of(span)
    return {
        "goal_id": as_identifier(name, "agent"),
        "goal_description": text(span.attributes or {}, "agent_description") or name,
    }


def _tool_around(place: OpenSpan) -> OpenSpan | None:
    return next((around for around in place.inside_of() if around.kind == "tool"), None)


def _is_told_around(place: OpenSpan) -> bool:
    """Whether a span around this one tells the same: two instrumentations may see one call."""
    tool = text(place.span.attributes or {}, "tool")
    return any(
        around.kind == place.kind
        and (place.kind == "model" or (tool != "" and text(around.span.attributes or {}, "tool") == tool))
        for around in place.inside_of()
    )
