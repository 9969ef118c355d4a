"""What models and tools of a traced run do: decisions and outcomes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from runweaver.producer.integrations.agent_steps import AgentSteps, Answer, Tool, ToolCall, ToolResult, as_identifier
from runweaver.producer.integrations.opentelemetry.attributes import (
    duration,
    failure_of,
    find,
    indexed,
    moment,
    parsed,
    text,
    tokens_of,
)
from runweaver.producer.integrations.opentelemetry.messages import (
    Said,
    output_of,
    said_by_model,
    told_to_model,
    tools_in,
    validation_error,
)
from runweaver.producer.integrations.opentelemetry.spans import OpenSpan, Scope, name_of, span_id


class TracedSteps:
    """Tells a run what spans of models and tools tell."""

    def __init__(self, steps: AgentSteps, evaluate: Callable[[OpenSpan], None]) -> None:
        """Nothing is told yet.

        Args:
            steps: what it is told to.
            evaluate: tells how good a step was that is told later than it ended.
        """
        self._steps = steps
        self._evaluate = evaluate
        # An agent has the same tools at each step: they need not be read again.
        self._tools: tuple[Any, list[Tool]] = (None, [])

    def model_ended(self, place: OpenSpan) -> None:
        """A model answered, or failed to."""
        span, scope, node = place.span, place.owner(), place.node()
        scope.has_models = True
        self._answer_calls(scope, span, moment(span.start_time))
        self._forget_untold(scope)
        error, at = failure_of(span), moment(span.end_time)
        tokens = tokens_of(span.attributes or {})
        if error is not None:
            place.decision_id = self._steps.model_failed(node, error, tokens=tokens, at=at)
        else:
            said = said_by_model(span)
            answer = self._answer(place, said, tokens)
            if said.is_told:
                place.decision_id = self._steps.model_answered(node, answer, at=at)[0]
                scope.calls.update({call.id: (node, call.name) for call in answer.calls})
            else:
                scope.untold = node, answer, at
        scope.last_decision_id = place.decision_id or scope.last_decision_id
        if scope.answering <= 0:
            self._release(scope)

    def tool_ended(self, place: OpenSpan) -> None:
        """A tool gave something back, or failed."""
        scope = place.owner()
        if scope.answering > 0:
            scope.held.append(place)
            return
        span, attributes = place.span, place.span.attributes or {}
        if text(attributes, "deferral"):
            # What it was called for is still to come, as part of another run.
            return
        name = text(attributes, "tool") or span.name.partition("execute_tool ")[2] or span.name
        call_id, node = self._call_of(place, scope, text(attributes, "call_id"), name)
        result = ToolResult(
            call_id,
            name,
            parsed(find(attributes, "result")),
            failure_of(span),
            duration(span),
            _arguments(find(attributes, "arguments")),
            "delegate" if text(attributes, "handoff_to") or place.delegates else "tool_call",
        )
        place.decision_id = scope.last_decision_id = self._steps.tool_ended(node, result, at=moment(span.end_time))

    def handed_over(self, place: OpenSpan, source: str, target: str) -> None:
        """An agent handed over to another one. Its model may have asked for that by a tool."""
        span, calls = place.span, place.owner().calls
        asked = next((each for each, (_, name) in calls.items() if _is_for(name, target)), None)
        node, name = calls.pop(asked) if asked is not None else (source, target)
        result = ToolResult(asked or span_id(span), name, None, failure_of(span), duration(span), kind="delegate")
        place.decision_id = self._steps.tool_ended(node, result, at=moment(span.end_time))

    def agent_called(self, place: OpenSpan) -> None:
        """An agent was made to go on by another one, or by a workflow, and not by a tool."""
        call = ToolCall(span_id(place.span), name_of(place.span), kind="delegate")
        self._steps.model_answered(place.owner().name, Answer([call]), at=moment(place.span.start_time))

    def agent_returned(self, place: OpenSpan) -> None:
        """It is done."""
        span = place.span
        result = ToolResult(
            span_id(span), name_of(span), output_of(span), failure_of(span), duration(span), kind="delegate"
        )
        place.decision_id = self._steps.tool_ended(place.owner().name, result, at=moment(span.end_time))

    def close(self, place: OpenSpan) -> None:
        """Tell what is left to tell of an agent that is done."""
        scope, span = place.as_scope(), place.span
        self._release(scope)
        self._answer_calls(scope, span, moment(span.end_time))
        if scope.untold is not None:
            node, answer, at = scope.untold
            scope.untold = None
            scope.last_decision_id = self._steps.model_answered(node, answer, at=at)[0]
        elif place.kind == "agent" and not scope.has_models and not scope.has_agents and failure_of(span) is None:
            # Nobody told of its model. What the agent says itself would otherwise be told twice.
            answer = Answer(text="\n".join(said_by_model(span).texts), tokens=tokens_of(span.attributes or {}))
            if answer.text or answer.tokens:
                ids = self._steps.model_answered(scope.name, answer, at=moment(span.end_time))
                scope.last_decision_id = ids[0]

    def _answer(self, place: OpenSpan, said: Said, tokens: int) -> Answer:
        own = span_id(place.span)
        calls = [
            call if call.id else ToolCall(f"{own}.{number}", call.name, call.arguments)
            for number, call in enumerate(said.calls, 1)
        ]
        reasoning, offered = "\n".join(said.reasoning), self._offered(place)
        return Answer(calls, "\n".join(said.texts), reasoning, offered, tokens, duration(place.span))

    def _offered(self, place: OpenSpan) -> list[Tool]:
        for span in (place.span, place.owner().place.span):
            attributes = span.attributes or {}
            told = find(attributes, "tools") or indexed(attributes, "tools")
            if told:
                if told != self._tools[0]:
                    self._tools = told, tools_in(told)
                return self._tools[1]
        return []

    def _forget_untold(self, scope: Scope) -> None:
        """A model is asked again, so what it answered before was no last word."""
        if scope.untold is not None:
            node, answer, _ = scope.untold
            self._steps.used_tokens(node, answer.tokens)
            scope.untold = None

    def _answer_calls(self, scope: Scope, span: ReadableSpan, at: datetime | None) -> None:
        """Where tools have no spans, what they gave back stands in what a model is told next."""
        if not scope.calls:
            return
        responses = told_to_model(span).responses
        for call_id in [each for each in scope.calls if each in responses]:
            node, name = scope.calls.pop(call_id)
            result = responses[call_id]
            self._steps.tool_ended(node, ToolResult(call_id, name, result, validation_error(result)), at=at)

    def _call_of(self, place: OpenSpan, scope: Scope, call_id: str, name: str) -> tuple[str, str]:
        """The id of the call that a tool was called by, and its node. Without an id, it is one of its name."""
        if not call_id:
            call_id = next((each for each, (_, tool) in scope.calls.items() if tool == name), "")
        if call_id in scope.calls:
            return call_id, scope.calls.pop(call_id)[0]
        call_id = call_id or span_id(place.span)
        node = place.node()
        if scope.untold is not None:
            node, answer, at = scope.untold
            scope.untold = None
            call = ToolCall(call_id, name, _arguments(find(place.span.attributes or {}, "arguments")))
            self._steps.model_answered(node, Answer([call], offered=answer.offered, tokens=answer.tokens), at=at)
        return call_id, node

    def _release(self, scope: Scope) -> None:
        scope.answering = 0
        held, scope.held = scope.held, []
        for place in held:
            self.tool_ended(place)
            self._evaluate(place)


def _is_for(tool: str, agent: str) -> bool:
    """Whether a tool is there to hand over to an agent: `transfer_to_refund_agent` to `Refund agent`."""
    plain = as_identifier(agent, "agent").lower().replace("-", "_")
    return tool.lower().replace("-", "_").endswith(plain)


def _arguments(value: Any) -> Any:
    return value if isinstance(value, str | dict) else "" if value is None else str(value)
