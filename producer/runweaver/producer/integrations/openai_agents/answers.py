"""What spans of models say in the OpenAI Agents SDK: as the Responses API, Chat Completions and others have it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from agents.tracing import AgentSpanData, GenerationSpanData, ResponseSpanData, SpanError

from runweaver.producer.integrations.agent_steps import Answer, Tool, ToolCall, ToolResult

#: What the provider did by itself: no span tells of it. Other calls are for the agent to make.
_HOSTED: Final = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"}
)


@dataclass(frozen=True)
class Said:
    """What a model said, and what its provider did meanwhile."""

    answer: Answer
    hosted: Sequence[ToolResult] = ()


def read_said(
    data: GenerationSpanData | ResponseSpanData, agent: AgentSpanData | None, latency: timedelta
) -> Said | None:
    """What a model said.

    Args:
        data: of its span.
        agent: whose model it is, as far as that is known.
        latency: how long it took.

    Returns:
        None where the span does not tell, because content is switched off or the model keeps it to itself.
    """
    names = _Names(agent)
    items: Iterable[Any]
    if isinstance(data, ResponseSpanData):
        if data.response is None:
            return None
        items, tools = data.response.output or (), names.tools(data.response.tools or ())
    else:
        if not data.output:
            return None
        items, tools = _items(data.output), names.tools(())
    calls, hosted, texts, thoughts = [], [], [], []
    for item in items:
        kind = str(_get(item, "type") or "")
        if kind == "message":
            texts += _texts(_get(item, "content"))
        elif kind == "reasoning":
            thoughts += [*_texts(_get(item, "summary")), *_texts(_get(item, "content"))]
        elif kind.endswith("_call"):
            call = names.call(item, kind)
            calls.append(call)
            if kind in _HOSTED:
                hosted.append(_result(item, call))
    answer = Answer(calls, "\n".join(texts), "\n".join(thoughts), tools, tokens_of(data.usage), latency)
    return Said(answer, hosted)


def offered_by(agent: AgentSpanData | None) -> Sequence[Tool]:
    """What an agent could have done, by name only."""
    return _Names(agent).tools(())


def tokens_of(usage: Mapping[str, Any] | None) -> int:
    """All that were read and written."""
    if not usage:
        return 0
    total = usage.get("total_tokens") or (usage.get("input_tokens") or 0) + (usage.get("output_tokens") or 0)
    return total if isinstance(total, int) else 0


def told(error: SpanError) -> str:
    """An error in a line: `No money`, where the SDK says `Error running tool` and `No money`."""
    data, message = error.get("data") or {}, str(error.get("message") or "Error")
    if detail := data.get("error") or data.get("message"):
        return str(detail) if message.startswith("Error") else f"{message}: {detail}"
    facts = ", ".join(f"{name} {value}" for name, value in data.items())
    return f"{message}: {facts}" if facts else message


class _Names:
    """Calls of an agent's model to hand over look like calls of tools. It is their names that tell."""

    def __init__(self, agent: AgentSpanData | None) -> None:
        self._tools = list(agent.tools or ()) if agent is not None else []
        self._handoffs = list(agent.handoffs or ()) if agent is not None else []
        self._agents = {_default_name(name): name for name in self._handoffs}

    def tools(self, told: Iterable[Any]) -> Sequence[Tool]:
        """What was on offer: as the model's provider was told, or else by name."""
        tools = [
            Tool(self._agents.get(name, name), str(_get(each, "description") or ""))
            for each in told
            if (name := str(_get(each, "name") or _get(each, "type") or ""))
        ]
        return tools or [Tool(name) for name in (*self._tools, *self._handoffs)]

    def call(self, item: Any, kind: str) -> ToolCall:
        name = str(_get(item, "name") or kind.removesuffix("_call"))
        call_id = str(_get(item, "call_id") or _get(item, "id") or "")
        arguments = _get(item, "arguments") or _get(item, "input") or _get(item, "action") or ""
        is_handoff = kind == "function_call" and (
            name in self._agents
            # Handoffs may have any name; but what is no tool can be nothing else.
            or bool(self._handoffs and name not in self._tools)
        )
        return ToolCall(
            call_id,
            self._agents.get(name, name),
            arguments if isinstance(arguments, str | Mapping) else str(arguments),
            "delegate" if is_handoff else "tool_call",
        )


def _default_name(agent: str) -> str:
    """How the SDK calls the tool that hands over to an agent."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", f"transfer_to_{agent}").lower()


def _items(outputs: Iterable[Any]) -> Iterable[Any]:
    """What a generation's span holds, as items of the Responses API: a message of Chat Completions, or a response."""
    for output in outputs:
        if (items := _get(output, "output")) is not None:
            yield from items
            continue
        thoughts = _get(output, "reasoning_content") or _get(output, "reasoning")
        if isinstance(thoughts, str):
            yield {"type": "reasoning", "summary": [{"text": thoughts}]}
        yield {"type": "message", "content": [{"text": _get(output, "content") or _get(output, "refusal")}]}
        for call in _get(output, "tool_calls") or ():
            function = _get(call, "function") or _get(call, "custom") or {}
            yield {
                "type": "function_call",
                "call_id": _get(call, "id"),
                "name": _get(function, "name"),
                "arguments": _get(function, "arguments") or _get(function, "input"),
            }


def _texts(parts: Any) -> list[str]:
    if isinstance(parts, str):
        return [parts]
    found = (_get(part, "text") or _get(part, "refusal") for part in parts or ())
    return [text for text in found if isinstance(text, str) and text]


def _result(item: Any, call: ToolCall) -> ToolResult:
    error = _get(item, "error")
    if error is None and _get(item, "status") in ("failed", "incomplete"):
        error = f"The provider says: {_get(item, 'status')}"
    result = _get(item, "output") or _get(item, "outputs") or _get(item, "results")
    return ToolResult(call.id, call.name, result, str(error) if error is not None else None)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
