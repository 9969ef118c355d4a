"""The messages that agents send: one discriminated union, validated from bytes in one step.

A message is told apart by its `type`. Where it names its `producer` and a `seq`, these two are its identity and
survive a resend; otherwise the identity is the place where it was found in its stream.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from runweaver.shared.decision import Decision, DecisionEvaluation, Outcome
from runweaver.shared.errors import InvalidMessageError
from runweaver.shared.fields import (
    MAX_COUNT,
    MAX_SEQUENCE,
    Count,
    Identifier,
    Schema,
    Sequence,
    SpanId,
    TraceId,
    UtcDatetime,
    utc_now,
)
from runweaver.shared.run import Problem

#: The version of the protocol. A higher one is for what would be misunderstood without knowing it: a field or a type
#: more is none of that.
PROTOCOL_VERSION: Final = 1

#: A message may have this many bytes, unless the worker is told otherwise.
MAX_MESSAGE_BYTES: Final = 1024 * 1024

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
_ERRORS_TOLD: Final = 3

#: How many bytes of stored messages are read in one step: many small ones, and not all of a large run.
_PARSED_AT_ONCE: Final = 1024 * 1024

Sent = Annotated[int, Field(ge=1, le=MAX_SEQUENCE)]


class BaseMessage(Schema):
    """What every message has."""

    #: See `PROTOCOL_VERSION`.
    v: Literal[1] = 1
    run_id: Identifier
    producer: Identifier | None = None
    seq: Sequence | None = None
    sent_at: UtcDatetime | None = None
    #: How many bytes of payload the producer took out of it; none where it is whole.
    shed_bytes: Count | None = None

    #: Where the timestamps of such a message are in its JSON. What lies on the way there need not be there.
    timestamp_paths: ClassVar[tuple[tuple[str, ...], ...]]

    @property
    @abstractmethod
    def time(self) -> datetime:
        """When the thing happened that the message tells of."""


class _TimedByItself(BaseMessage):
    """A message whose only time is when it was sent."""

    sent_at: UtcDatetime = Field(default_factory=utc_now)

    timestamp_paths = (("sent_at",),)

    @property
    def time(self) -> datetime:
        return self.sent_at


class RunStartedMessage(BaseMessage):
    """A run began. Of several, the earliest `started_at` wins."""

    type: Literal["run_started"] = "run_started"
    goal_id: Identifier
    goal_description: str = ""
    input_data: dict[str, Any] = Field(default_factory=dict)
    started_at: UtcDatetime = Field(default_factory=utc_now)
    tags: list[str] = Field(default_factory=list)
    #: The distributed trace, and the span in it, that the run began in.
    trace_id: TraceId | None = None
    span_id: SpanId | None = None

    timestamp_paths = (("started_at",),)

    @property
    def time(self) -> datetime:
        return self.started_at


class DecisionMessage(BaseMessage):
    """The agent chose. Of several with one id, the latest `timestamp` wins."""

    type: Literal["decision"] = "decision"
    decision: Decision

    timestamp_paths = (("decision", "timestamp"), ("decision", "outcome", "timestamp"))

    @property
    def time(self) -> datetime:
        return self.decision.timestamp


class OutcomeMessage(BaseMessage):
    """What came of a decision, before or after the decision itself arrives. The latest wins."""

    type: Literal["outcome"] = "outcome"
    decision_id: str = Field(min_length=1)
    outcome: Outcome

    timestamp_paths = (("outcome", "timestamp"),)

    @property
    def time(self) -> datetime:
        return self.outcome.timestamp


class EvaluationMessage(_TimedByItself):
    """A decision was judged after the fact. The latest wins."""

    type: Literal["evaluation"] = "evaluation"
    decision_id: str = Field(min_length=1)
    evaluation: DecisionEvaluation


class ProblemMessage(BaseMessage):
    """Something went wrong. Of several with one id, the latest `timestamp` wins."""

    type: Literal["problem"] = "problem"
    problem: Problem

    timestamp_paths = (("problem", "timestamp"),)

    @property
    def time(self) -> datetime:
        return self.problem.timestamp


class EdgeMessage(BaseMessage):
    """The run went from one node to another."""

    type: Literal["edge"] = "edge"
    source: str = Field(min_length=1)
    target: str = Field(min_length=1)
    at: UtcDatetime = Field(default_factory=utc_now)

    timestamp_paths = (("at",),)

    @property
    def time(self) -> datetime:
        return self.at


class HeartbeatMessage(_TimedByItself):
    """A sign of life: a long call is not a stuck run."""

    type: Literal["heartbeat"] = "heartbeat"


class ProducerLeftMessage(_TimedByItself):
    """This producer sent `sent` messages for this run, this one included, and had to drop `dropped` of them."""

    type: Literal["producer_left"] = "producer_left"
    sent: Sent
    dropped: Count = 0


class RunEndedMessage(BaseMessage):
    """The run is over. Of several, the latest `ended_at` wins. `sent` and `dropped` count as in `producer_left`."""

    type: Literal["run_ended"] = "run_ended"
    status: Literal["completed", "failed", "cancelled"]
    ended_at: UtcDatetime = Field(default_factory=utc_now)
    output_data: dict[str, Any] = Field(default_factory=dict)
    narrative: str = ""
    sent: Sent | None = None
    dropped: Count = 0

    timestamp_paths = (("ended_at",),)

    @property
    def time(self) -> datetime:
        return self.ended_at


Message = Annotated[
    RunStartedMessage
    | DecisionMessage
    | OutcomeMessage
    | EvaluationMessage
    | ProblemMessage
    | EdgeMessage
    | HeartbeatMessage
    | ProducerLeftMessage
    | RunEndedMessage,
    Field(discriminator="type"),
]

_ADAPTER: Final[TypeAdapter[Message]] = TypeAdapter(Message)
_LIST_ADAPTER: Final[TypeAdapter[list[Message]]] = TypeAdapter(list[Message])


def parse_message(raw: bytes, *, max_bytes: int = MAX_MESSAGE_BYTES) -> Message:
    """Read one message.

    Raises:
        InvalidMessageError: it is too large, no JSON, or not what the protocol says; the text says where.
    """
    if len(raw) > max_bytes:
        raise too_large(raw, max_bytes)
    try:
        message = _ADAPTER.validate_json(raw)
    except ValidationError as error:
        raise invalid(error, raw) from None
    _check_envelope(message.producer, message.seq)
    return message


def parse_stored(messages: Mapping[str, bytes]) -> Iterator[tuple[str, Message]]:
    """Read messages that a worker has accepted, each under its identity, some at a time.

    Raises:
        InvalidMessageError: one is none; the text says which.
    """
    for some in _portions(messages):
        yield from zip(some, _parse_together(some), strict=True)


def _portions(messages: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """These messages in the same order, about so many bytes at once."""
    portion, size = {}, 0
    for identity, raw in messages.items():
        portion[identity] = raw
        size += len(raw)
        if size >= _PARSED_AT_ONCE:
            yield portion
            portion, size = {}, 0
    if portion:
        yield portion


def _parse_together(messages: Mapping[str, bytes]) -> list[Message]:
    try:
        # In one step: a run has many, and a call for each adds up.
        parsed = _LIST_ADAPTER.validate_json(b"[%b]" % b",".join(messages.values()))
    except ValidationError:
        parsed = []
    if len(parsed) == len(messages):
        return parsed
    # One is bad; or just as deeply nested as a message may be, and the list around it is too much.
    return [_parse_one_stored(identity, raw) for identity, raw in messages.items()]


def _parse_one_stored(identity: str, raw: bytes) -> Message:
    try:
        # Its size was checked when it was taken in; a limit lowered since must not undo that.
        return parse_message(raw, max_bytes=len(raw))
    except InvalidMessageError as error:
        raise InvalidMessageError(error.code, f"stored message {identity}: {error}") from None


def identity_of(message: BaseMessage, *, partition: int, entry_id: str, position: int) -> str:
    """The name under which a message that was found in this place is kept in its run."""
    return identity_at(message.producer, message.seq, partition=partition, entry_id=entry_id, position=position)


def identity_at(producer: str | None, seq: int | None, *, partition: int, entry_id: str, position: int) -> str:
    """The name under which a message is kept in its run: `<source>#<number>`.

    Without a producer and a seq, the source is the entry and the number its place there. A field's name would not
    do instead of the place: a stream entry may carry the same field twice. Nor would the entry id without its
    partition: two streams can hand out the same one. The `|` keeps such a source apart from every producer's name.

    Raises:
        InvalidMessageError: there is only one of producer and seq.
    """
    _check_envelope(producer, seq)
    if producer is not None:
        return f"{producer}#{seq}"
    milliseconds, _, counter = entry_id.partition("-")
    # Padded, so that identities sort as their entries do.
    return f"{milliseconds}-{counter:>06}|{partition}#{position}"


def order_of(identity: str) -> tuple[str, int]:
    """Sorts identities as they were sent: by source, then by number (`p#2` before `p#10`).

    Raises:
        InvalidMessageError: no worker stores a message under such a name.
    """
    source, _, number = identity.rpartition("#")
    try:
        return source, int(number)
    except ValueError:
        raise InvalidMessageError("invalid", f"a message is stored under {identity!r:.100}: no identity") from None


def entry_time(entry_id: str) -> datetime:
    """The moment at which the server took in a stream entry; at most that of the year 9999.

    Who adds an entry can choose another id than the server's clock gives.
    """
    return _EPOCH + timedelta(milliseconds=min(int(entry_id.partition("-")[0]), _LAST_MS))


def too_large(raw: bytes, max_bytes: int) -> InvalidMessageError:
    """What is wrong with a message of more bytes than it may have."""
    return InvalidMessageError("too-large", f"the message has {len(raw):,} bytes, at most {max_bytes:,} are taken")


def invalid(error: ValidationError, raw: bytes) -> InvalidMessageError:
    """What is wrong with a message, as far as its schema says."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return InvalidMessageError("not-json", problems[0]["msg"])
    if (version := _version_of(raw)) > PROTOCOL_VERSION:
        # Whatever else seems to be wrong with it may be right there.
        return InvalidMessageError(
            "version",
            f"the message is of version {version} of the protocol, and this release knows {PROTOCOL_VERSION}: "
            "upgrade workers and finalizers, then replay it",
        )
    if problems[0]["type"] == "union_tag_invalid":
        return InvalidMessageError("unknown-type", problems[0]["msg"])
    told = [f"{'.'.join(map(str, problem['loc'])) or 'message'}: {problem['msg']}" for problem in problems]
    more = f" (and {len(told) - _ERRORS_TOLD} more)" if len(told) > _ERRORS_TOLD else ""
    return InvalidMessageError("invalid", "; ".join(told[:_ERRORS_TOLD]) + more)


def _version_of(raw: bytes) -> int:
    """The version of the protocol that a message names, as far as that can be told; 0 otherwise."""
    try:
        version = from_json(raw)["v"]
    except (ValueError, TypeError, KeyError):
        return 0
    # JSON's `true` is a number for Python.
    return version if type(version) is int and version <= MAX_COUNT else 0


def _check_envelope(producer: str | None, seq: int | None) -> None:
    if (producer is None) != (seq is None):
        raise InvalidMessageError("invalid", "producer and seq go together: send both or neither")
