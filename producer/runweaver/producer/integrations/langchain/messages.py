"""What models of LangChain say, and what they could have called: chat messages of all providers, and plain texts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from runweaver.producer.integrations.agent_steps import Answer, Tool, ToolCall, ToolResult


@dataclass(frozen=True)
class Said:
    """What a model said, and which of its calls have come to an end with that."""

    answer: Answer
    ended: Sequence[ToolResult] = ()


def read_said(result: LLMResult, offered: Sequence[Tool], latency: timedelta) -> Said:
    """What a model said.

    Args:
        result: as its callback has it. Of several candidates, the first is what the agent goes on with.
        offered: what it could have called.
        latency: how long it took.
    """
    generations = result.generations[0] if result.generations else []
    generation = generations[0] if generations else None
    message = generation.message if isinstance(generation, ChatGeneration) else None
    if not isinstance(message, AIMessage):
        text = generation.text if generation is not None else ""
        return Said(Answer(text=text, offered=offered, tokens=_tokens(result.llm_output), latency=latency))
    blocks = _blocks(message)
    calls = [
        ToolCall(call["id"] or unnumbered(call["name"]), call["name"], call["args"]) for call in message.tool_calls
    ]
    ended = []
    for invalid in message.invalid_tool_calls:
        name = invalid["name"] or ""
        call = ToolCall(invalid["id"] or unnumbered(name), name, invalid["args"] or "")
        calls.append(call)
        ended.append(ToolResult(call.id, call.name, error=invalid["error"] or "Its arguments cannot be read"))
    for block in blocks:
        if block.get("type") == "server_tool_call":
            calls.append(ToolCall(str(block.get("id") or ""), str(block.get("name") or ""), block.get("args") or ""))
        elif block.get("type") == "server_tool_result":
            failed = "The provider says: error" if block.get("status") == "error" else None
            ended.append(ToolResult(str(block.get("tool_call_id") or ""), "", block.get("output"), failed))
    thoughts = [
        str(block["reasoning"]) for block in blocks if block.get("type") == "reasoning" and "reasoning" in block
    ]
    usage = message.usage_metadata
    tokens = usage["total_tokens"] if usage is not None else _tokens(result.llm_output)
    answer = Answer(calls, str(message.text), "\n".join(filter(None, thoughts)), offered, tokens, latency)
    return Said(answer, ended)


def offered_by(invocation_params: Mapping[str, Any] | None) -> Sequence[Tool]:
    """What a model could have called, from what is sent to its provider: each has a form of its own."""
    params = invocation_params or {}
    told = [*_each(params.get("tools")), *_each(params.get("functions"))]
    # Google nests several in one, and others the one that they tell of.
    nested = [
        _each(each.get("function_declarations")) or [each.get("function") or each.get("toolSpec") or each]
        for each in told
    ]
    return [
        Tool(str(name), str(tool.get("description") or ""))
        for tools in nested
        for tool in tools
        if isinstance(tool, Mapping) and (name := tool.get("name") or tool.get("type"))
    ]


def results_in(outputs: Any) -> Iterable[ToolMessage]:
    """The results of tools in what a node, or a chain, gives back: not everybody calls tools by LangChain."""
    found = outputs.get("messages") if isinstance(outputs, Mapping) else outputs
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, ToolMessage):
            yield each
        elif isinstance(each, Mapping):  # several updates of a graph
            yield from results_in(each)


def unnumbered(tool: str) -> str:
    """Stands for the id of a call that has none."""
    return f"call-{tool}"


def read_output(output: Any) -> tuple[Any, str | None]:
    """What a tool gave back, and its error: one that the model is told of is no exception."""
    if isinstance(output, ToolMessage):
        return output.content, str(output.content) if output.status == "error" else None
    return output, None


def arguments_of(inputs: Any, text: str) -> str | Mapping[str, Any]:
    """What a tool was called with."""
    return inputs if isinstance(inputs, Mapping) else text


def _blocks(message: AIMessage) -> Sequence[Mapping[str, Any]]:
    """What providers write in forms of their own, in the form that LangChain has for all of them."""
    if isinstance(message.content, str) and "reasoning_content" not in message.additional_kwargs:
        return []
    try:
        return [block for block in message.content_blocks if isinstance(block, Mapping)]
    except Exception:  # noqa: BLE001 - a block that LangChain does not understand is no reason to tell nothing
        return []


def _tokens(llm_output: Mapping[str, Any] | None) -> int:
    usage = (llm_output or {}).get("token_usage") or (llm_output or {}).get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) else 0


def _each(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, Sequence) else []
