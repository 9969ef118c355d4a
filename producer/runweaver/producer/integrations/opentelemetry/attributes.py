"""What the attributes of a span are called: by the GenAI semantic conventions, in older ones, and where others differ.

One table. What moves in the conventions, moves here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from opentelemetry.sdk.trace import ReadableSpan
from pydantic_core import from_json

from runweaver.shared.fields import MAX_COUNT

Attributes = Mapping[str, Any]

#: What a span tells of. Empty: nothing that a run is made of.
Kind = Literal["workflow", "agent", "model", "tool", "handoff", "evaluation", ""]

#: For each thing that is looked for: the conventions' name first, then their older ones, then those of frameworks.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": (
        "gen_ai.operation.name",
        "traceloop.span.kind",
        "openinference.span.kind",
        "llm.request.type",
        "ag2.span.type",
    ),
    "agent": (
        "gen_ai.agent.name",
        "gen_ai.workflow.name",
        "agent_name",
        "traceloop.entity.name",
        "traceloop.workflow.name",
        "agent.name",
        "graph.node.name",
    ),
    # On a model's or a tool's span.
    "agent_of_step": ("gen_ai.agent.name", "agent.name"),
    "agent_description": ("gen_ai.agent.description",),
    "tool": ("gen_ai.tool.name", "tool.name", "traceloop.entity.name"),
    "call_id": ("gen_ai.tool.call.id", "tool_call.id"),
    "arguments": (
        "gen_ai.tool.call.arguments",
        "tool_arguments",
        "gen_ai.tool.arguments",
        "tool.parameters",
        "traceloop.entity.input",
        "input.value",
    ),
    "result": (
        "gen_ai.tool.call.result",
        "tool_response",
        "gen_ai.tool.output",
        "traceloop.entity.output",
        "output.value",
    ),
    # A tool that waits for somebody.
    "deferral": ("pydantic_ai.tool.deferral.name",),
    "handoff_from": ("gen_ai.handoff.from_agent", "gen_ai.caller.name"),
    "handoff_to": ("gen_ai.transfer.target.name", "gen_ai.handoff.to_agent"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
    "all_tokens": ("llm.usage.total_tokens", "llm.token_count.total"),
    "input_messages": ("gen_ai.input.messages", "pydantic_ai.all_messages", "all_messages_events", "gen_ai.prompt"),
    "output_messages": ("gen_ai.output.messages", "gen_ai.completion"),
    # A list of what the conventions have as events. `events` is too plain a word to be looked for everywhere.
    "message_events": ("events", "all_messages_events"),
    "messages_before": ("pydantic_ai.new_message_index",),
    "input": ("traceloop.entity.input", "input.value"),
    "output": ("final_result", "traceloop.entity.output", "output.value"),
    "tools": (
        "gen_ai.tool.definitions",
        "model_request_parameters",
        "gen_ai.request.tools",
        "gen_ai.agent.tools",
        "llm.request.functions",
    ),
    "error": ("error.type",),
    "evaluation": ("gen_ai.evaluation.name",),
    "score": ("gen_ai.evaluation.score.value", "gen_ai.evaluation.score"),
    "label": ("gen_ai.evaluation.score.label", "gen_ai.evaluation.label"),
    "explanation": ("gen_ai.evaluation.explanation", "gen_ai.evaluation.reasoning"),
}

#: Where lists are told attribute by attribute: `gen_ai.completion.0.tool_calls.0.name`.
PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "input_messages": ("gen_ai.prompt.", "llm.input_messages."),
    "output_messages": ("gen_ai.completion.", "llm.output_messages."),
    "tools": ("llm.request.functions.", "gen_ai.request.tools.", "llm.tools."),
}

#: Where messages are events of a span.
EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_messages": (
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.content.prompt",
    ),
    "output_messages": ("gen_ai.choice", "gen_ai.content.completion"),
}

EVALUATION_EVENT: Final = "gen_ai.evaluation.result"

_KINDS: Final[Mapping[str, Kind]] = {
    "invoke_workflow": "workflow",
    "workflow": "workflow",
    "conversation": "workflow",
    "invoke_agent": "agent",
    "agent": "agent",
    "chat": "model",
    "generate_content": "model",
    "text_completion": "model",
    "completion": "model",
    "llm": "model",
    "execute_tool": "tool",
    "tool": "tool",
    "handoff": "handoff",
    "evaluator": "evaluation",
    "evaluate": "evaluation",
}

#: What spans are called that do not say, or not yet when they begin, of which kind they are.
_SPAN_NAMES: Final[Mapping[str, Kind]] = {
    "invoke_agent": "agent",
    "invoke_workflow": "workflow",
    "execute_tool": "tool",
    "agent run": "agent",
    "running tool": "tool",
}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: An error that the instrumentation has no word for.
_NO_WORD: Final = ("", "_OTHER")


def kind_of(span: ReadableSpan) -> Kind:
    """What a span tells of, as far as is known by now."""
    attributes = span.attributes or {}
    if attributes.get("logfire.span_type") == "pending_span":
        # It only says that another one has begun.
        return ""
    for name in NAMES["kind"]:
        value = attributes.get(name)
        if isinstance(value, str) and value.lower() in _KINDS:
            return _KINDS[value.lower()]
    return _SPAN_NAMES.get(span.name) or _SPAN_NAMES.get(span.name.partition(" ")[0], "")


def find(attributes: Attributes, what: str) -> Any:
    """The value of the first name that there is; none where there is none."""
    for name in NAMES[what]:
        value = attributes.get(name)
        if value is not None:
            return value
    return None


def text(attributes: Attributes, what: str) -> str:
    """The same as a text; empty where there is none."""
    value = find(attributes, what)
    return value if isinstance(value, str) else "" if value is None else str(value)


def number(attributes: Attributes, what: str) -> float | None:
    """The same as a number; none where it is none."""
    value = find(attributes, what)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def parsed(value: Any) -> Any:
    """What a text of JSON says, where it is an object or a list. Whatever else it is, it stays what it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return from_json(value)
        except ValueError:
            return value
    if isinstance(value, list | tuple):
        return [parsed(each) for each in value]
    return value


def indexed(attributes: Attributes, what: str) -> list[Any]:
    """A list that is told attribute by attribute."""
    for prefix in PREFIXES[what]:
        tree: dict[str, Any] = {}
        for name, value in attributes.items():
            if name.startswith(prefix):
                _plant(tree, name[len(prefix) :].split("."), value)
        # `gen_ai.prompt.name` is something else.
        numbered = sorted((key for key in tree if key.isdecimal()), key=int)
        if numbered:
            return [_in_order(tree[key]) for key in numbered]
    return []


def tokens_of(attributes: Attributes) -> int:
    """What a model used; 0 where that is not told."""
    parts = number(attributes, "input_tokens"), number(attributes, "output_tokens")
    known = [part for part in parts if part is not None]
    total = sum(known) if known else number(attributes, "all_tokens") or 0
    # Not a number, or more than there can be, are none.
    return int(total) if 0 <= total <= MAX_COUNT else 0


def failure_of(span: ReadableSpan) -> str | None:
    """What went wrong in a span, in the words of its exception, if it has one; none where nothing did."""
    error_type = text(span.attributes or {}, "error")
    if span.status.is_ok and not error_type:
        return None
    for event in reversed(span.events):
        if event.name == "exception":
            told = event.attributes or {}
            name = str(told.get("exception.type") or error_type).rpartition(".")[2]
            message = str(told.get("exception.message") or "")
            return ": ".join(part for part in (name, message) if part) or "Error"
    description = str(span.status.description or "")
    if error_type in _NO_WORD or error_type in description:
        return description or "Error"
    return f"{error_type}: {description}" if description else error_type


def moment(nanoseconds: int | None) -> datetime | None:
    """A time of a span."""
    if nanoseconds is None:
        return None
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def duration(span: ReadableSpan) -> timedelta:
    """How long a span took; nothing where that is not known."""
    if span.start_time is None or span.end_time is None:
        return timedelta()
    return timedelta(microseconds=max(0, span.end_time - span.start_time) // 1000)


def _plant(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for step in path[:-1]:
        branch = tree.setdefault(step, {})
        if not isinstance(branch, dict):
            return
        tree = branch
    tree[path[-1]] = value


def _in_order(tree: Any) -> Any:
    """Where all keys are numbers, it is a list."""
    if not isinstance(tree, dict):
        return tree
    grown = {name: _in_order(branch) for name, branch in tree.items()}
    if all(name.isdecimal() for name in grown):
        return [grown[name] for name in sorted(grown, key=int)]
    return grown
