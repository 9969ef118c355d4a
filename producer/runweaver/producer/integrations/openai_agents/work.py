"""An agent of the OpenAI Agents SDK while its span is open: what it asked for, and what is known of that."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agents.tracing import AgentSpanData

from runweaver.producer.integrations.agent_steps import ToolCall, ToolResult


@dataclass
class UnseenAnswer:
    """An answer of which is only known that there was one: content is switched off."""

    tokens: int
    latency: timedelta
    at: datetime | None
    is_claimed: bool = False


@dataclass
class AgentAtWork:
    """An agent at work: from the start of its span to the end."""

    name: str
    data: AgentSpanData
    #: Whether it works for a tool of another agent, which hears of its errors.
    is_nested: bool
    #: Calls of its model whose results are still to come.
    calls: list[ToolCall] = field(default_factory=list)
    #: Tools that gave nothing back: they may wait for somebody's approval.
    silent: list[tuple[ToolResult, datetime | None]] = field(default_factory=list)
    unseen: UnseenAnswer | None = None
    #: Whether its spans have content.
    is_heard: bool = False
    #: What it would give back if it ended now.
    output: Any = None
    #: Of its latest turn.
    error: str | None = None
    #: Whether spans of its latest turn told what the model did, and what tools did.
    has_model_spoken: bool = False
    has_tool_ended: bool = False
    #: What its model used for answers of which only their tools are known.
    unclaimed_tokens: int = 0

    def take_call(self, name: str, arguments: str | None) -> ToolCall | None:
        """The call that a tool's span is about: it knows the name, and the arguments where it has content."""
        names = (name, name.rpartition(".")[2])
        named = [call for call in self.calls if call.name in names and call.kind == "tool_call"]
        call = next((call for call in named if call.arguments == arguments), named[0] if named else None)
        if call is not None:
            self.calls.remove(call)
        return call

    def take_handoff(self) -> ToolCall | None:
        """The call that a handoff's span is about: of several, it is the first one that is carried out."""
        call = next((call for call in self.calls if call.kind == "delegate"), None)
        if call is not None:
            self.calls.remove(call)
        return call

    def take_tokens(self) -> int:
        """What was used for the answer of which a call is known now."""
        tokens, self.unclaimed_tokens = self.unclaimed_tokens, 0
        if self.unseen is not None and not self.unseen.is_claimed:
            self.unseen.is_claimed = True
            tokens += self.unseen.tokens
        return tokens


@dataclass(frozen=True)
class Place:
    """Where in the trace a span is."""

    agent: AgentAtWork | None = None
    is_in_tool: bool = False
