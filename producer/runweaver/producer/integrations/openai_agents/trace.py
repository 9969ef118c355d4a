"""A trace of the OpenAI Agents SDK as a run: its spans, as they start and end, become decisions and outcomes."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from agents import FunctionToolResult
from agents.tracing import (
    AgentSpanData,
    FunctionSpanData,
    GenerationSpanData,
    GuardrailSpanData,
    HandoffSpanData,
    ResponseSpanData,
    Span,
)
from agents.tracing.span_data import TurnSpanData

from runweaver.producer.active_run import ActiveRun, EndStatus
from runweaver.producer.failures import described
from runweaver.producer.integrations.agent_steps import AgentSteps, Answer, ToolCall, ToolResult
from runweaver.producer.integrations.any_data import end_run
from runweaver.producer.integrations.openai_agents.answers import offered_by, read_said, tokens_of, told
from runweaver.producer.integrations.openai_agents.work import AgentAtWork, Place, UnseenAnswer

#: Of a trace with more spans open at once, the latest are told without the agent that they belong to.
_MOST_OPEN_SPANS: Final = 10_000


_NOWHERE: Final = Place()
#: Stands for an agent where a span has none around it.
_NOBODY: Final = "agent"


class TracedRun:
    """Tells a run of what its trace's spans say. For any thread."""

    def __init__(self, run: ActiveRun, *, is_joined: bool = False, is_guest: bool = False) -> None:
        """Nothing is told yet.

        Args:
            run: what is told.
            is_joined: whether nobody will say that the trace has ended: its outermost span is all that there is.
            is_guest: whether the run is that of the agent's caller, who ends it.
        """
        self.run = run
        #: The same, by now: what somebody has to approve makes it so.
        self.is_part = is_joined
        self._is_guest = is_guest
        self._steps = AgentSteps(run)
        self._lock = threading.RLock()
        self._open: dict[str, Place] = {}
        # The agent that worked last, of those that work one after the other.
        self._last: dict[str | None, str] = {}
        self._ids: Counter[str] = Counter()
        # The agent with tools that somebody has to approve.
        self._waiting: AgentAtWork | None = None
        self._failure: str | None = None
        self._is_failure_told = False
        self._output: Any = None

    def span_started(self, span: Span[Any]) -> None:
        """A span of the trace started."""
        with self._lock:
            place = self._open.get(span.parent_id or "", _NOWHERE)
            data, agent = span.span_data, place.agent
            if isinstance(data, AgentSpanData):
                place = Place(self._agent_started(span, data, place), place.is_in_tool)
            elif isinstance(data, FunctionSpanData):
                place = Place(agent, is_in_tool=True)
            elif agent is not None and isinstance(data, GenerationSpanData | ResponseSpanData):
                self._settle(agent)
            elif agent is not None and isinstance(data, TurnSpanData):
                agent.error, agent.has_model_spoken, agent.has_tool_ended = None, False, False
            if len(self._open) < _MOST_OPEN_SPANS:
                self._open[span.span_id] = place

    def span_ended(self, span: Span[Any]) -> None:
        """A span of the trace ended."""
        with self._lock:
            place = self._open.pop(span.span_id, _NOWHERE)
            self._last.pop(span.span_id, None)
            # What was approved may run before its agent's span starts again.
            agent = place.agent or self._waiting or AgentAtWork(_NOBODY, AgentSpanData(_NOBODY), is_nested=True)
            for kind, tell in self._TELLING.items():
                if isinstance(span.span_data, kind):
                    tell(self, span, agent)
                    return

    def end(self, error: BaseException | None = None) -> bool:
        """The trace ended, by an exception or not.

        Returns:
            Whether the run did: it does not if somebody has to approve a tool first.
        """
        with self._lock:
            if error is None and self._failure is None and self._waiting is not None:
                self.is_part = True
                self.let_go()
                return False
            if error is not None and self._failure is None:
                self._failure, self._is_failure_told = described(error), False
            if self._failure is not None and not self._is_failure_told:
                self.run.report_problem("warning" if self._is_guest else "critical", self._failure)
            if self._is_guest:
                return True
            output = {} if self._failure is not None or self._output is None else {"output": self._output}
            end_run(self.run, _status(error, self._failure), output)
            return True

    def let_go(self) -> None:
        """Nothing more is told for now."""
        if not self._is_guest:
            self.run.leave()

    def _agent_started(self, span: Span[Any], data: AgentSpanData, place: Place) -> AgentAtWork:
        agent = AgentAtWork(data.name or _NOBODY, data, place.is_in_tool)
        lane = span.parent_id if agent.is_nested else None
        before = self._last.get(lane) or (place.agent.name if place.agent is not None else None)
        if before is not None and before != agent.name:
            self.run.traverse(before, agent.name, at=_moment(span.started_at))
        if not agent.is_nested:
            if self._failure is not None and not self._is_failure_told:
                # Somebody caught it, and goes on.
                self.run.report_problem("warning", self._failure)
            self._failure = None
            waiting, self._waiting = self._waiting, None
            if waiting is not None and waiting.name == agent.name:
                agent.calls = waiting.calls
            elif waiting is not None:
                # It did not wait, but its tools gave nothing back.
                for call in waiting.calls:
                    self._steps.tool_ended(waiting.name, ToolResult(call.id, call.name), at=_moment(span.started_at))
        return agent

    def _agent_ended(self, span: Span[Any], agent: AgentAtWork) -> None:
        error = told(span.error) if span.error is not None else agent.error
        self._last[span.parent_id if agent.is_nested else None] = agent.name
        if error is None and agent.silent and not agent.is_nested:
            silent = [ToolCall(result.call_id, result.name) for result, _ in agent.silent]
            agent.calls, agent.silent, self._waiting = [*silent, *agent.calls], [], agent
            return
        self._settle(agent)
        for call in agent.calls:
            reason = f"Not carried out: {error}" if error is not None else "Not carried out"
            missing = ToolResult(call.id, call.name, error=reason, kind=call.kind)
            self._steps.tool_ended(agent.name, missing, at=_moment(span.ended_at))
        if agent.is_nested:
            if error is not None:
                self.run.report_problem("warning", f"{agent.name}: {error}", at=_moment(span.ended_at))
            return
        self._output = agent.output
        if error is not None and self._failure is None:
            self._failure, self._is_failure_told = f"{agent.name}: {error}", False

    def _model_ended(self, span: Span[Any], agent: AgentAtWork) -> None:
        agent.has_model_spoken = True
        latency, at = _duration(span), _moment(span.ended_at)
        tokens = tokens_of(span.span_data.usage)
        if span.error is not None:
            self._steps.model_failed(agent.name, told(span.error), tokens=tokens, at=at)
            return
        said = read_said(span.span_data, agent.data, latency)
        if said is None:
            agent.unseen = UnseenAnswer(tokens, latency, at)
            return
        agent.is_heard = True
        calls = [replace(call, id=self._unique(call.id or span.span_id)) for call in said.answer.calls]
        self._steps.model_answered(agent.name, replace(said.answer, calls=calls), at=at)
        agent.output = said.answer.text or None
        ids = {before.id: call.id for before, call in zip(said.answer.calls, calls, strict=True)}
        hosted = {ids[result.call_id] for result in said.hosted}
        for result in said.hosted:
            self._steps.tool_ended(agent.name, replace(result, call_id=ids[result.call_id]), at=at)
        agent.calls += [call for call in calls if call.id not in hosted]
        if hosted and len(hosted) == len(calls) and said.answer.text:
            self._steps.model_answered(agent.name, replace(said.answer, calls=(), tokens=0), at=at)

    def _function_ended(self, span: Span[Any], agent: AgentAtWork) -> None:
        data, at = span.span_data, _moment(span.ended_at)
        agent.has_tool_ended = True
        call = agent.take_call(data.name, data.input) or self._claimed(span, agent, data.name, data.input or "")
        # Some versions of the SDK have it in a wrapper where a tool waits for approval.
        output = data.output.output if isinstance(data.output, FunctionToolResult) else data.output
        error = told(span.error) if span.error is not None else None
        result = ToolResult(call.id, call.name, output, error, _duration(span))
        agent.output = output
        if agent.is_heard and output is None and error is None:
            agent.silent.append((result, at))
        else:
            self._steps.tool_ended(agent.name, result, at=at)

    def _handoff_ended(self, span: Span[Any], agent: AgentAtWork) -> None:
        data, at = span.span_data, _moment(span.ended_at)
        agent.has_tool_ended = True
        target = data.to_agent or "another agent"
        call = agent.take_handoff() or self._claimed(span, agent, target, "", kind="delegate")
        error = told(span.error) if span.error is not None else None
        if data.to_agent and error is not None:
            # It was handed over nevertheless: the model had asked for several agents, and the first one goes on.
            self.run.report_problem("minor", f"{agent.name}: {error}", at=at)
        failure = None if data.to_agent else error or "No agent took over"
        result = ToolResult(call.id, call.name, data.to_agent, failure, _duration(span), kind="delegate")
        self._steps.tool_ended(agent.name, result, at=at)
        self._settle(agent)

    def _guardrail_ended(self, span: Span[Any], agent: AgentAtWork) -> None:
        if not span.span_data.triggered:
            return
        text = f"Guardrail {span.span_data.name} stopped {agent.name}"
        self.run.report_problem("warning" if agent.is_nested else "critical", text, at=_moment(span.ended_at))
        if not agent.is_nested:
            self._failure, self._is_failure_told = text, True

    def _turn_ended(self, span: Span[Any], agent: AgentAtWork) -> None:
        agent.error = told(span.error) if span.error is not None else None
        if agent.has_model_spoken or agent.error is not None:
            return
        # The model has no span of its own. The turn tells what it cost.
        agent.unclaimed_tokens += tokens_of(span.span_data.usage)
        if not agent.has_tool_ended:
            agent.unseen = UnseenAnswer(0, timedelta(), _moment(span.ended_at))

    def _settle(self, agent: AgentAtWork) -> None:
        """The agent went on: what gave nothing back has ended, and what nobody told of was an answer."""
        for result, at in agent.silent:
            self._steps.tool_ended(agent.name, result, at=at)
        agent.silent.clear()
        unseen, agent.unseen = agent.unseen, None
        if unseen is not None and not unseen.is_claimed:
            tokens = unseen.tokens + agent.take_tokens()
            answer = Answer(offered=offered_by(agent.data), tokens=tokens, latency=unseen.latency)
            self._steps.model_answered(agent.name, answer, at=unseen.at)

    def _claimed(
        self,
        span: Span[Any],
        agent: AgentAtWork,
        name: str,
        arguments: str,
        kind: Literal["tool_call", "delegate"] = "tool_call",
    ) -> ToolCall:
        """A call that no answer told of: the answer that nobody told of must have been this."""
        call = ToolCall(self._unique(span.span_id), name, arguments, kind)
        at = agent.unseen.at if agent.unseen is not None else _moment(span.started_at)
        answer = Answer([call], offered=offered_by(agent.data), tokens=agent.take_tokens())
        self._steps.model_answered(agent.name, answer, at=at)
        return call

    def _unique(self, call_id: str) -> str:
        """Agents of one name may work at once, and models in tests call under the same ids again and again."""
        self._ids[call_id] += 1
        return call_id if self._ids[call_id] == 1 else f"{call_id}#{self._ids[call_id]}"

    _TELLING: Final[dict[type | tuple[type, ...], Callable[["TracedRun", Span[Any], AgentAtWork], None]]] = {
        AgentSpanData: _agent_ended,
        (GenerationSpanData, ResponseSpanData): _model_ended,
        FunctionSpanData: _function_ended,
        HandoffSpanData: _handoff_ended,
        GuardrailSpanData: _guardrail_ended,
        TurnSpanData: _turn_ended,
    }


def _status(error: BaseException | None, failure: str | None) -> EndStatus:
    if error is not None and not isinstance(error, Exception):
        return "cancelled"
    return "completed" if failure is None else "failed"


def _duration(span: Span[Any]) -> timedelta:
    started, ended = _moment(span.started_at), _moment(span.ended_at)
    return ended - started if started is not None and ended is not None else timedelta()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
