"""Spans that go on, and which agent each of them belongs to."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from runweaver.producer.integrations.agent_steps import Answer
from runweaver.producer.integrations.opentelemetry.attributes import (
    EVALUATION_EVENT,
    Attributes,
    Kind,
    find,
    kind_of,
    moment,
    text,
)

if TYPE_CHECKING:
    from runweaver.producer.integrations.opentelemetry.traced_run import TracedRun

#: Kinds of spans that agents' steps happen in.
SCOPES: Final[frozenset[Kind]] = frozenset({"agent", "workflow"})


class OpenSpan:
    """A span of a run, from its start to its end."""

    __slots__ = (
        "decision_id",
        "delegates",
        "evaluations",
        "is_told",
        "kind_at_start",
        "parent",
        "run",
        "scope",
        "span",
    )

    def __init__(self, span: ReadableSpan, run: "TracedRun", parent: "OpenSpan | None") -> None:
        #: As it goes on. Its attributes may be set later.
        self.span = span
        self.run = run
        #: None for the one that is the run.
        self.parent = parent
        #: What goes on in it, where it is an agent's or workflow's.
        self.scope: Scope | None = None
        self.kind_at_start = kind_of(span)
        #: The decision that it was told as.
        self.decision_id: str | None = None
        #: Whether an agent goes on inside of this tool.
        self.delegates = False
        #: Whether its beginning was told.
        self.is_told = False
        #: What spans inside of it said about how good it was.
        self.evaluations: list[tuple[Attributes, datetime | None]] = []

    @property
    def kind(self) -> Kind:
        """What it tells of, as far as is known by now."""
        return self.kind_at_start or kind_of(self.span)

    def inside_of(self) -> Iterator["OpenSpan"]:
        """The spans around it, from the inside, up to the agent that it belongs to and without that."""
        around = self.parent
        while around is not None and around.parent is not None and around.kind not in SCOPES:
            yield around
            around = around.parent

    def owner(self) -> "Scope":
        """The agent, or else the workflow, that it belongs to."""
        around = self.parent or self
        while around.parent is not None and around.kind not in SCOPES:
            around = around.parent
        return around.as_scope()

    def as_scope(self) -> "Scope":
        """What goes on in it."""
        if self.scope is None:
            self.scope = Scope(self)
        return self.scope

    def node(self) -> str:
        """Where its steps happen: the agent around it, or the one that it names where there is only a workflow."""
        owner = self.owner()
        own = text(self.span.attributes or {}, "agent_of_step") if owner.place.kind == "workflow" else ""
        return own or owner.name


class Scope:
    """An agent at work, or a workflow."""

    def __init__(self, place: OpenSpan) -> None:
        self.place = place
        #: What its models asked for and nobody has told the result of: the node and the tool, by the id of the call.
        self.calls: dict[str, tuple[str, str]] = {}
        #: How many of its models are answering.
        self.answering = 0
        #: What tools gave back while a model was answering: their calls may be told with its answer.
        self.held: list[OpenSpan] = []
        #: What a model answered that does not tell what: a call of the tool that comes next, or else the last word.
        self.untold: tuple[str, Answer, datetime | None] | None = None
        self.has_models = False
        self.has_agents = False
        #: The agent in it that ended last.
        self.last_agent = ""
        self.last_decision_id: str | None = None

    @property
    def name(self) -> str:
        """The agent's name, or the workflow's."""
        return name_of(self.place.span)


def name_of(span: ReadableSpan) -> str:
    """What an agent or a workflow is called."""
    named = text(span.attributes or {}, "agent")
    if named:
        return named
    verb, _, rest = span.name.partition(" ")
    return (rest if verb in ("invoke_agent", "invoke_workflow") else span.name) or "agent"


def evaluations_in(span: ReadableSpan) -> list[tuple[Attributes, datetime | None]]:
    """What was said about how good a span was, in its events or, where it is all about that, by itself."""
    found: list[tuple[Attributes, Any]] = [
        (event.attributes or {}, moment(event.timestamp)) for event in span.events if event.name == EVALUATION_EVENT
    ]
    attributes = span.attributes or {}
    if find(attributes, "evaluation") is not None:
        found.append((attributes, moment(span.end_time)))
    return found


def span_id(span: ReadableSpan) -> str:
    """The id of a span, as others write it."""
    return f"{span.context.span_id:016x}" if span.context is not None else ""
