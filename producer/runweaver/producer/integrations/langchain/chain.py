"""A run of LangChain or LangGraph: what callbacks tell of its steps becomes decisions and outcomes."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from langchain_core.agents import AgentAction
from langchain_core.messages import ToolMessage
from langchain_core.outputs import LLMResult

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.failures import described, origin
from runweaver.producer.integrations.agent_steps import AgentSteps, Answer, Tool, ToolCall, ToolResult
from runweaver.producer.integrations.any_data import end_run
from runweaver.producer.integrations.langchain.graph import (
    END,
    START,
    GraphSteps,
    interrupts_of,
    is_going_on,
    is_no_failure,
    namespace_of,
    node_of,
)
from runweaver.producer.integrations.langchain.messages import read_output, read_said, results_in, unnumbered
from runweaver.shared.fields import utc_now

Kind = Literal["chain", "model", "tool", "retriever"]


@dataclass
class Step:
    """A step that goes on: what LangChain calls a run."""

    kind: Kind
    name: str
    #: Where it is: the node of a graph, or else what the whole run is called.
    node: str = ""
    #: Of the node's execution, in a graph.
    namespace: str = ""
    call_id: str = ""
    arguments: str | Mapping[str, Any] = ""
    offered: Sequence[Tool] = ()
    is_resumed: bool = False
    graph: GraphSteps | None = None
    began_s: float = field(default_factory=time.monotonic)

    @property
    def latency(self) -> timedelta:
        """How long it has gone on."""
        return timedelta(seconds=time.monotonic() - self.began_s)


@dataclass(frozen=True)
class _Failure:
    """An error of a step. It may still be caught."""

    error: BaseException
    text: str
    decision_id: str | None = None


class _Expected(NamedTuple):
    """A call whose result is still to come."""

    #: Where it was asked for.
    node: str
    #: As what it was told.
    own_id: str
    name: str
    arguments: str | Mapping[str, Any]


class TracedChain:
    """Tells a run of its steps. For any thread."""

    def __init__(self, run: ActiveRun, name: str, *, is_guest: bool = False) -> None:
        """Nothing is told yet.

        Args:
            run: what is told.
            name: what LangChain calls all of it.
            is_guest: whether the run is that of the caller, who ends it.
        """
        self.run = run
        self._is_guest = is_guest
        self._name = name
        self._steps = AgentSteps(run)
        self._lock = threading.RLock()
        self._open: dict[UUID, Step] = {}
        # By the model's id, which may come again.
        self._calls: dict[str, list[_Expected]] = {}
        self._ids: Counter[str] = Counter()
        # An answer without calls. Agents of before there were calls find out by themselves that it was one.
        self._held: tuple[str, Answer, datetime] | None = None
        self._failure: _Failure | None = None
        self._interrupts: dict[Any, Any] = {}

    @property
    def open_steps(self) -> Sequence[UUID]:
        """All that go on."""
        with self._lock:
            return list(self._open)

    def started(
        self, step_id: UUID, parent_id: UUID | None, step: Step, metadata: Mapping[str, Any], inputs: Any
    ) -> None:
        """A step began."""
        with self._lock:
            parent = self._open.get(parent_id) if parent_id is not None else None
            step.node = node_of(metadata) or (parent.node if parent is not None else self._name)
            step.namespace = namespace_of(metadata)
            step.is_resumed = is_going_on(inputs)
            self._open[step_id] = step
            if parent is not None and step.namespace and step.namespace != parent.namespace:
                self._node_started(step, parent, metadata)
            if step.kind != "chain":
                self._tell_held()
            self._got_over()

    def model_ended(self, step_id: UUID, result: LLMResult) -> None:
        """A model answered."""
        with self._lock:
            step = self._ended(step_id)
            said = read_said(result, step.offered, step.latency)
            if not said.answer.calls:
                self._tell_held()
                self._held = step.node, said.answer, utc_now()
                return
            calls = [self._expect(step.node, call) for call in said.answer.calls]
            self._steps.model_answered(step.node, replace(said.answer, calls=calls))
            for ended in said.ended:
                self._result(step.node, ended)
            if len(said.ended) == len(calls) and said.answer.text:
                self._steps.model_answered(step.node, replace(said.answer, calls=(), tokens=0))

    def agent_acted(self, step_id: UUID, action: AgentAction) -> None:
        """An agent read in its model's answer what to do."""
        with self._lock:
            if getattr(action, "tool_call_id", None) in self._calls:
                return
            step = self._open.get(step_id)
            node, answer, at = self._held or (step.node if step is not None else self._name, Answer(), utc_now())
            self._held = None
            call = self._expect(node, ToolCall(unnumbered(action.tool), action.tool, action.tool_input))
            acted = replace(answer, calls=[call], reasoning=answer.reasoning or action.log)
            self._steps.model_answered(node, acted, at=at)

    def tool_ended(self, step_id: UUID, output: Any) -> None:
        """A tool, or a retriever, gave something back."""
        with self._lock:
            step = self._ended(step_id)
            result, error = read_output(output)
            call_id = output.tool_call_id if isinstance(output, ToolMessage) else self._call_id(step, step_id)
            call = ToolResult(call_id, step.name, result, error, step.latency, step.arguments)
            self._result(step.node, call)

    def failed(self, step_id: UUID, error: BaseException) -> None:
        """A step raised an exception."""
        with self._lock:
            step = self._ended(step_id)
            if is_no_failure(error):
                self._interrupts.update(interrupts_of(error))
                return
            decision_id = None
            if step.kind == "model":
                decision_id = self._steps.model_failed(step.node, described(error))
            elif step.kind != "chain":
                call_id = self._call_id(step, step_id)
                call = ToolResult(call_id, step.name, None, described(error), step.latency, step.arguments)
                decision_id = self._result(step.node, call)
            if self._failure is None or self._failure.error is not error:
                self._got_over()
                place = step.node if step.namespace else step.name
                text = described(error) if place == self._name else f"{place}: {described(error)}"
                self._failure = _Failure(error, text, decision_id)

    def retried(self, step_id: UUID, attempt: int, error: BaseException | None) -> None:
        """A step will be tried again by itself: the framework does not tell of its end."""
        with self._lock:
            step = self._open.get(step_id)
            name = step.name if step is not None else self._name
            self.run.report_problem(
                "minor", f"{name} is tried again after attempt {attempt}" + (f": {described(error)}" if error else "")
            )

    def chain_ended(self, step_id: UUID, outputs: Any) -> None:
        """A chain, a graph or a node of one came to its end."""
        with self._lock:
            step = self._ended(step_id)
            if self._calls and self._open:
                for message in results_in(outputs):
                    if message.tool_call_id in self._calls:
                        result, error = read_output(message)
                        self._result(step.node, ToolResult(message.tool_call_id, message.name or "", result, error))
            if step.graph is not None and not step.namespace and not self._interrupts:
                for node in step.graph.last_nodes:
                    self.run.traverse(node, END)

    def end(self, output: Any = None, error: BaseException | None = None) -> None:
        """All of it ended, by an exception or not."""
        with self._lock:
            self._tell_held()
            status: Literal["completed", "failed", "cancelled"] = "completed"
            if error is not None and not is_no_failure(error):
                status = "failed" if isinstance(error, Exception) else "cancelled"
            if status == "failed" and error is not None:
                failure = self._failure or _Failure(error, described(error))
                self.run.report_problem(
                    "warning" if self._is_guest else "critical",
                    failure.text,
                    root_cause=origin(error),
                    decision_id=failure.decision_id,
                )
            else:
                self._got_over()
            self._settle_calls(None if status == "completed" else "Not carried out")
            if self._is_guest:
                return
            told = {"output": output} if output is not None and error is None else {}
            if self._interrupts:
                told["interrupts"] = list(self._interrupts.values())
            end_run(self.run, status, told)

    def let_go(self) -> None:
        """Nothing more is told."""
        if not self._is_guest:
            self.run.leave()

    def _ended(self, step_id: UUID) -> Step:
        """A step that does not go on any more. Of one that nobody began, there is nothing to tell but its end."""
        return self._open.pop(step_id, None) or Step("chain", self._name, self._name)

    def _settle_calls(self, error: str | None) -> None:
        """Nobody carries out what is left: a model was asked to fill in a form, say, or it all broke off before."""
        if self._interrupts:
            return
        for expected in self._calls.values():
            for call in expected:
                self._steps.tool_ended(call.node, ToolResult(call.own_id, call.name, error=error))
        self._calls.clear()

    def _node_started(self, step: Step, parent: Step, metadata: Mapping[str, Any]) -> None:
        if parent.graph is None:
            before = parent.node if parent.namespace else START
            parent.graph = GraphSteps(None if parent.is_resumed and not parent.namespace else before)
        for source in parent.graph.node_started(step.node, metadata):
            self.run.traverse(source, step.node)

    def _expect(self, node: str, call: ToolCall) -> ToolCall:
        """Remember a call, and give it an id of its own. Models in tests use the same ones again and again."""
        self._ids[call.id] += 1
        own_id = call.id if self._ids[call.id] == 1 else f"{call.id}#{self._ids[call.id]}"
        self._calls.setdefault(call.id, []).append(_Expected(node, own_id, call.name, call.arguments))
        return replace(call, id=own_id)

    def _call_id(self, step: Step, step_id: UUID) -> str:
        """The id of the call that a tool's step is about. Not all versions and agents tell it to the tool."""
        if step.call_id:
            return step.call_id
        named = [
            (each.arguments, id_) for id_, calls in self._calls.items() for each in calls if each.name == step.name
        ]
        same = (id_ for arguments, id_ in named if arguments == step.arguments)
        return next(same, named[0][1] if named else f"{step_id}")

    def _result(self, node: str, result: ToolResult) -> str:
        """What came of a call, in the node that asked for it."""
        expected = self._calls.get(result.call_id)
        if not expected:
            return self._steps.tool_ended(node, result)
        call = expected.pop(0)
        if not expected:
            del self._calls[result.call_id]
        return self._steps.tool_ended(call.node, replace(result, call_id=call.own_id))

    def _tell_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            node, answer, at = held
            self._steps.model_answered(node, answer, at=at)

    def _got_over(self) -> None:
        """The run goes on: somebody caught the latest error. A failed decision tells of it already."""
        failure, self._failure = self._failure, None
        if failure is not None and failure.decision_id is None:
            self.run.report_problem("warning", failure.text)
