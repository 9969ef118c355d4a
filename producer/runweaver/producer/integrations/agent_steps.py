"""How the steps of an agent that calls tools become messages: the same for each framework that tells of them.

What a model asks for is a decision, and what the tool gives is its outcome. The tools on offer are the options. An
answer without a tool call is a decision, too. Tokens of a model's call go with the first thing that it decided.
"""

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from pydantic_core import from_json, to_json

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.message_kind import safe_repr
from runweaver.shared.decision import DecisionType
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import as_identifier as as_identifier  # noqa: PLC0414 - integrations find it here

#: What options and summaries tell of a text. The whole of it is in the parameters and the result.
SHORT: Final = 120
#: So many tools are told as options: the one that was chosen and the first of the others.
MOST_OPTIONS: Final = 30
#: The option that stands for an answer without a tool.
ANSWER: Final = "answer"


@dataclass(frozen=True)
class Tool:
    """What a model could have called."""

    name: str
    description: str = ""


@dataclass(frozen=True)
class ToolCall:
    """What a model asks for."""

    #: The model's id of the call. It may come again in the same run: models in tests count from one.
    id: str
    name: str
    #: As the model wrote it, JSON or not, or as the framework read it.
    arguments: str | Mapping[str, Any] = ""
    #: To call a tool, or to have another agent go on.
    kind: Literal["tool_call", "delegate"] = "tool_call"


@dataclass(frozen=True)
class Answer:
    """What a model gave back: tool calls, or else a text."""

    calls: Sequence[ToolCall] = ()
    text: str = ""
    reasoning: str = ""
    #: What it could have called, as far as that is known.
    offered: Sequence[Tool] = ()
    tokens: int = 0
    latency: timedelta = timedelta()


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave back, or why it failed."""

    call_id: str
    name: str
    result: Any = None
    #: Absent: it did what it should.
    error: str | None = None
    latency: timedelta = timedelta()
    #: Only needed where nobody told of the call before: what it was called with.
    arguments: str | Mapping[str, Any] = ""
    kind: Literal["tool_call", "delegate"] = "tool_call"


class AgentSteps:
    """Tells a run of its agents' steps. For any thread.

    What is told may come in any order but one: a call before its result. A result whose call nobody told is a decision
    of its own; that is how it looks where a framework keeps what models say to itself.
    """

    def __init__(self, run: ActiveRun) -> None:
        self.run = run
        self._lock = threading.Lock()
        # Calls whose results are still to come, by agent and the model's id: the ids of their decisions.
        self._open: dict[tuple[str, str], str] = {}
        # How their decisions were told.
        self._told: dict[str, tuple[ToolCall, Answer, datetime | None]] = {}
        with _ids_lock:
            self._ids = _ids.setdefault(run, _Ids())
        # What decisions cost whose results are still to come.
        self._tokens: dict[str, int] = {}
        # What agents used for answers that nobody told.
        self._unclaimed: dict[str, int] = {}

    def model_answered(self, node_id: str, answer: Answer, *, at: datetime | None = None) -> list[str]:
        """A model of an agent answered.

        Args:
            node_id: the agent.
            answer: what it said.
            at: when.

        Returns:
            The ids of the decisions that this is: one for each call, or one for the text.
        """
        if not answer.calls:
            return self._said(node_id, answer, at)
        ids = []
        for number, call in enumerate(answer.calls):
            decision_id = self._opened(node_id, call.id)
            with self._lock:
                self._tokens[decision_id] = answer.tokens if number == 0 else 0
                self._told[decision_id] = call, answer, at
            self._decide(node_id, decision_id, call, answer, at)
            ids.append(decision_id)
        return ids

    def model_failed(self, node_id: str, error: str, *, tokens: int = 0, at: datetime | None = None) -> str:
        """A model of an agent gave no answer.

        Returns:
            The id of the decision that this is: to ask it, which failed.
        """
        option = {"id": "model", "description": "Ask the model", "action_type": "generate"}
        decision_id = self.run.decide("Ask the model", [option], "model", node_id=node_id or "agent", at=at)
        self.run.record_outcome(decision_id, success=False, error=error, tokens_used=tokens, at=at)
        return decision_id

    def used_tokens(self, node_id: str, tokens: int) -> None:
        """A model used tokens for an answer that nobody will tell. The next result of its agent has them."""
        with self._lock:
            self._unclaimed[node_id] = self._unclaimed.get(node_id, 0) + tokens

    def tool_ended(self, node_id: str, result: ToolResult, *, at: datetime | None = None) -> str:
        """A tool that an agent called gave something back, or failed.

        Returns:
            The id of the decision that this is the outcome of.
        """
        with self._lock:
            decision_id = self._open.pop((node_id, result.call_id), None)
        if decision_id is None:
            decision_id = self._opened(node_id, result.call_id)
            with self._lock:
                self._open.pop((node_id, result.call_id), None)
            call = ToolCall(result.call_id, result.name, result.arguments, result.kind)
            began = at - result.latency if at is not None else None
            self._decide(node_id, decision_id, call, Answer(), began)
        with self._lock:
            tokens = self._tokens.pop(decision_id, 0) + self._unclaimed.pop(node_id, 0)
            told = self._told.pop(decision_id, None)
        if told is not None and result.kind == "delegate" != told[0].kind:
            # Only what the tool did shows that it was an agent. Of what is told twice, the second counts.
            self._decide(node_id, decision_id, replace(told[0], kind="delegate"), *told[1:])
        record = partial(
            self.run.record_outcome,
            decision_id,
            success=result.error is None,
            summary=shortened(_as_text(result.result)) if result.error is None else "",
            tokens_used=max(0, tokens),
            latency_ms=max(0.0, result.latency / timedelta(milliseconds=1)),
            at=at,
        )
        try:
            record(result=result.result, error=result.error)
        except InvalidArgumentError:  # it refers to itself, or is too large
            record(result=shortened(_as_text(result.result)), error=shortened(result.error or ""))
        return decision_id

    def _said(self, node_id: str, answer: Answer, at: datetime | None) -> list[str]:
        option = {
            "id": ANSWER,
            "description": shortened(answer.text) or "Answer",
            "action_type": "generate",
            "action_params": {"text": answer.text},
        }
        others = [_option(tool) for tool in answer.offered[: MOST_OPTIONS - 1] if tool.name != ANSWER]
        decide = partial(
            self.run.decide,
            "Answer",
            chosen=ANSWER,
            node_id=node_id or "agent",
            decision_type=DecisionType.TERMINATION,
            at=at,
        )
        decision_id = _shed_if_needed(decide, option, others, answer.reasoning)
        self.run.record_outcome(
            decision_id,
            success=True,
            summary=shortened(answer.text),
            tokens_used=max(0, answer.tokens),
            latency_ms=max(0.0, answer.latency / timedelta(milliseconds=1)),
            at=at,
        )
        return [decision_id]

    def _decide(self, node_id: str, decision_id: str, call: ToolCall, answer: Answer, at: datetime | None) -> None:
        name = call.name or "unnamed"
        arguments = _parsed(call.arguments)
        description = next((tool.description for tool in answer.offered if tool.name == name), "")
        chosen = {
            "id": name,
            "description": shortened(description) or shortened(f"{name} {_as_text(call.arguments)}"),
            "action_type": call.kind,
            "action_params": arguments,
        }
        others = [_option(tool) for tool in answer.offered if tool.name and tool.name != name][: MOST_OPTIONS - 1]
        is_delegation = call.kind == "delegate"
        decide = partial(
            self.run.decide,
            f"Hand over to {name}" if is_delegation else f"Call {name}",
            chosen=name,
            node_id=node_id or "agent",
            decision_type=DecisionType.DELEGATION if is_delegation else DecisionType.TOOL_SELECTION,
            decision_id=decision_id,
            at=at,
        )
        _shed_if_needed(decide, chosen, others, answer.reasoning or answer.text)

    def _opened(self, node_id: str, call_id: str) -> str:
        """An id for the decision to make this call: the call's own, where no other has it."""
        decision_id = self._ids.new(call_id)
        with self._lock:
            self._open[node_id, call_id] = decision_id
        return decision_id


class _Ids:
    """The ids of a run's decisions. Of several agents that work for it, two may call under one id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def new(self, call_id: str) -> str:
        """The call's own id, or one that begins like it where that is taken."""
        with self._lock:
            wanted = decision_id = call_id or f"call-{len(self._known) + 1}"
            number = 2
            while decision_id in self._known:
                decision_id = f"{wanted}#{number}"
                number += 1
            self._known.add(decision_id)
            return decision_id


_ids: weakref.WeakKeyDictionary[ActiveRun, _Ids] = weakref.WeakKeyDictionary()
_ids_lock = threading.Lock()


def shortened(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text[: 10 * SHORT].split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1]}…"


def _shed_if_needed(
    decide: Callable[..., str], chosen: Mapping[str, Any], others: Sequence[Mapping[str, Any]], reasoning: str
) -> str:
    """Tell a decision; if it cannot be told so, without parameters, and with the beginning of the reasoning."""
    try:
        return decide(options=[chosen, *others], reasoning=reasoning)
    except InvalidArgumentError:  # they refer to themselves, or are too large
        return decide(options=[{**chosen, "action_params": {}}, *others], reasoning=shortened(reasoning))


def _option(tool: Tool) -> dict[str, Any]:
    return {"id": tool.name, "description": shortened(tool.description) or tool.name, "action_type": "tool_call"}


def _parsed(arguments: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(arguments, Mapping):
        return arguments
    try:
        parsed = from_json(arguments) if arguments else {}
    except (ValueError, TypeError):  # the latter for half a character
        parsed = None
    # A model wrote it: it need not be JSON, nor an object.
    return parsed if isinstance(parsed, dict) else {"arguments": arguments}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value == {}:
        return ""
    try:
        return to_json(value, fallback=safe_repr).decode(errors="replace")
    except Exception:  # noqa: BLE001 - whatever a tool gives back, its run goes on
        return safe_repr(value)
