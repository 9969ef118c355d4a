"""What models were told and what they said, as spans carry it.

The conventions have messages of parts, as an attribute. Older ones have events of a span, others a list of events, or
an attribute for each field of each message. Parts, too, are called differently. Nothing of it need be there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from runweaver.producer.integrations.agent_steps import Tool, ToolCall
from runweaver.producer.integrations.opentelemetry.attributes import EVENTS, find, indexed, number, parsed

_REASONING: Final = ("reasoning", "thinking")
_CALLS: Final = ("tool_call", "function_call", "tool_use")
_RESPONSES: Final = ("tool_call_response", "tool_result", "function_call_output")


@dataclass
class Said:
    """What a model said, or what it was told, taken together."""

    #: Whether there was a message at all, if only without its content.
    is_told: bool = False
    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    #: What tools gave back, by the id of the call. None where content is not told.
    responses: dict[str, Any] = field(default_factory=dict)


def said_by_model(span: ReadableSpan) -> Said:
    """What stands in the output messages of a span."""
    return _taken(span, "output_messages")


def told_to_model(span: ReadableSpan) -> Said:
    """What stands in the input messages of a span: among them, what tools gave back."""
    return _taken(span, "input_messages")


def input_of(span: ReadableSpan) -> Any:
    """What an agent was asked: a text, or messages; none where content is not told."""
    attributes = span.attributes or {}
    told = []
    messages = _messages(span, "input_messages")
    for message in messages[int(number(attributes, "messages_before") or 0) :]:
        # What its model said, and what came then, are its steps.
        if _role(message) in ("assistant", "tool"):
            break
        said = _take_in(message, Said())
        if said.texts:
            told.append({"role": _role(message), "content": "\n".join(said.texts)})
    if not told:
        return parsed(find(attributes, "input"))
    return told[0]["content"] if [each["role"] for each in told] == ["user"] else told


def output_of(span: ReadableSpan) -> Any:
    """What an agent gave back; none where content is not told."""
    result = find(span.attributes or {}, "output")
    if result is not None:
        return parsed(result)
    return "\n".join(said_by_model(span).texts) or None


def tools_in(value: Any) -> list[Tool]:
    """The tools of one definition or another: the conventions', OpenAI's, pydantic-ai's, or just names."""
    value = parsed(value)
    if isinstance(value, Mapping):
        named = [value.get(kind) for kind in ("function_tools", "output_tools", "tools")]
        value = [tool for tools in named if isinstance(tools, Sequence) for tool in tools]
    if not isinstance(value, list):
        return []
    return [tool for each in value if (tool := _tool(each)) is not None]


def validation_error(response: Any) -> str | None:
    """What was wrong with arguments, where that is what came back instead of a result: errors of pydantic."""
    if not isinstance(response, list) or not response:
        return None
    if not all(isinstance(each, Mapping) and {"loc", "msg"} <= each.keys() for each in response):
        return None
    return "; ".join(f"{'.'.join(map(str, _listed(each['loc'])))}: {each['msg']}" for each in response)


def _taken(span: ReadableSpan, what: str) -> Said:
    said = Said()
    for message in _messages(span, what):
        said.is_told = True
        _take_in(message, said)
    return said


def _messages(span: ReadableSpan, what: str) -> list[Mapping[str, Any]]:
    attributes = span.attributes or {}
    found = parsed(find(attributes, what))
    if found is None:
        found = indexed(attributes, what)
    if not found:
        found = list(_from_events(span, what)) or [
            event for event in _listed(parsed(find(attributes, "message_events"))) if _is_of(event, what)
        ]
    return [_unwrapped(message) for message in _listed(found) if isinstance(message, Mapping)]


def _from_events(span: ReadableSpan, what: str) -> Iterator[Any]:
    for event in span.events:
        told = event.attributes or {}
        messages = find(told, what)
        if messages is not None:
            yield from _listed(parsed(messages))
        elif event.name in EVENTS[what]:
            yield {"role": event.name.split(".")[1], **told}


def _is_of(event: Any, what: str) -> bool:
    return isinstance(event, Mapping) and event.get("event.name") in EVENTS[what]


def _unwrapped(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A choice has its message inside; some write it as JSON."""
    inner = parsed(message.get("message"))
    if isinstance(inner, Mapping):
        return {"role": message.get("role"), **inner}
    return {**message, "content": inner} if inner is not None else message


def _role(message: Mapping[str, Any]) -> str:
    role = message.get("role")
    return role if isinstance(role, str) else "user"


def _take_in(message: Mapping[str, Any], said: Said) -> Said:
    for part in _parts(message):
        kind = part.get("type")
        content = _content(part)
        if kind in _REASONING and content:
            said.reasoning.append(content)
        elif kind in _CALLS:
            said.calls.append(_call(part))
        elif kind in _RESPONSES:
            said.responses[_first_text(part, "id", "tool_call_id", "tool_use_id", "call_id")] = parsed(
                _first(part, "result", "response", "output", "content")
            )
        elif kind in ("text", "output_text", "input_text", None) and content:
            said.texts.append(content)
    return said


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = parsed(_first(message, "parts", "content"))
    call_id = _first_text(message, "tool_call_id", "id")
    if _role(message) == "tool" and call_id and not isinstance(content, list):
        yield {"type": "tool_call_response", "id": call_id, "result": content}
    elif isinstance(content, str):
        yield {"type": "text", "content": content}
    else:
        yield from (part for part in _listed(content) if isinstance(part, Mapping))
    if isinstance(reasoning := message.get("reasoning_content"), str):
        yield {"type": "reasoning", "content": reasoning}
    for call in _listed(parsed(message.get("tool_calls"))):
        if isinstance(call, Mapping):
            yield {"type": "tool_call", **_mapping(call.get("tool_call"), call)}


def _call(part: Mapping[str, Any]) -> ToolCall:
    function = _mapping(part.get("function"), part)
    arguments = _first(function, "arguments", "input", "args")
    if not isinstance(arguments, str | Mapping):
        arguments = "" if arguments is None else str(arguments)
    return ToolCall(
        _first_text(part, "call_id", "id", "tool_call_id"), _first_text(function, "name", "tool_name"), arguments
    )


def _tool(definition: Any) -> Tool | None:
    if isinstance(definition, str):
        return Tool(definition)
    if not isinstance(definition, Mapping):
        return None
    if isinstance(definition.get("tool"), Mapping):
        definition = definition["tool"]
    described = _mapping(parsed(definition.get("json_schema")), definition)
    function = _mapping(described.get("function"), described)
    name = _first_text(definition, "name") or _first_text(function, "name")
    return Tool(name, _first_text(function, "description")) if name else None


def _content(part: Mapping[str, Any]) -> str:
    content = _first(part, "content", "text", "thinking", "summary")
    return content if isinstance(content, str) else ""


def _first(mapping: Mapping[str, Any], *names: str) -> Any:
    return next((mapping[name] for name in names if mapping.get(name) is not None), None)


def _first_text(mapping: Mapping[str, Any], *names: str) -> str:
    value = _first(mapping, *names)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _mapping(value: Any, default: Mapping[str, Any]) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else default


def _listed(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        return value
    return [] if value is None else [value]
