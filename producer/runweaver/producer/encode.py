"""From checked fields to the bytes of a message: written, redacted and cut to size on the caller's thread."""

import json
from typing import Any, Final

from pydantic_core import PydanticSerializationError, from_json

from runweaver.producer.message_kind import PRODUCER_LEFT, RUN_ENDED, RUN_STARTED, Fields, MessageKind, safe_repr
from runweaver.producer.redact import Redactor, needs_redaction, redact_body
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.log import get_logger

_log = get_logger(__name__)


class RedactionError(Exception):
    """A message must not be sent: what should take the secrets out of it failed."""


#: What a message can do without when it is too large: what the agent read and produced, not what it decided.
_SHEDDABLE: Final = frozenset({"input_data", "output_data", "input_context", "state_changes", "result"})

#: Stands in for the id of the run, which an encoded message has not got yet.
_SOME_RUN: Final = "run"

#: What can hold nothing that an agent wrote, but its ids. It is enough for the beginning and the end of a run.
_PLAIN: Final = frozenset(
    {"goal_id", "started_at", "trace_id", "span_id", "status", "ended_at", "sent", "dropped", "sent_at"}
)

#: A worker reads numbers of up to 4,300 digits, and JSON nested up to 200 deep. What has not so many bytes or brackets
#: is within that for sure, and need not be looked at again.
_LONGEST_SURE_NUMBER: Final = 4_300
_DEEPEST_SURE_NESTING: Final = 190

#: The envelope's own fields, and room for `type`, `producer` and `seq`.
_ENVELOPE_BYTES: Final = 1024


def encode_body(
    kind: MessageKind, fields: Fields, max_bytes: int, *, redact: Redactor | None = None, keep_payload: bool = True
) -> bytes:
    """The message's JSON without its envelope (who sends it, about which run): `{"decision":{…}}`.

    Values that JSON does not know are told by their `repr`: an agent's odd object is no reason to stop the agent.

    Args:
        kind: of message.
        fields: what the agent recorded, checked.
        max_bytes: of a larger message, the payload is shed.
        redact: takes out what must not be sent.
        keep_payload: whether there is room for it.

    Raises:
        InvalidArgumentError: it refers to itself, or stays too large after its payload was shed.
        RedactionError: the redactor failed: nothing of it may leave.
    """
    body = _to_json(kind, fields)
    if redact is not None and needs_redaction(body, redact):
        body = _redact(kind, fields, body, redact)
    if not keep_payload or len(body) + _ENVELOPE_BYTES > max_bytes:
        body = _without_payload(body)
    if len(body) + _ENVELOPE_BYTES > max_bytes:
        raise InvalidArgumentError(
            f"the message has {len(body):,} bytes even without its payload, at most {max_bytes:,} can be sent: "
            "shorten its texts"
        )
    return body


def _redact(kind: MessageKind, fields: Fields, body: bytes, redact: Redactor) -> bytes:
    """Redact with somebody else's code, which may fail: the agent goes on, and no secret leaves."""
    try:
        redacted = redact_body(body, redact)
        kind.model.model_validate({**from_json(redacted), "run_id": _SOME_RUN})
    except Exception as error:  # noqa: BLE001 - whatever it is
        # Its text may hold what was to be redacted.
        _log.error("the redactor failed", message_type=kind.name, error=type(error).__name__)
        return _skeleton(kind, fields, len(body))
    return redacted


def _skeleton(kind: MessageKind, fields: Fields, size: int) -> bytes:
    """What is left of the beginning and the end of a run without all that an agent wrote; of others, nothing."""
    if kind not in (RUN_STARTED, RUN_ENDED, PRODUCER_LEFT):
        raise RedactionError
    plain = kind.serializer.to_python(fields, mode="json", include=set(_PLAIN))
    return json.dumps({**plain, "shed_bytes": size}, separators=(",", ":")).encode()


def _to_json(kind: MessageKind, fields: Fields) -> bytes:
    try:
        body = kind.serializer.to_json(fields, exclude_unset=True, fallback=_fallback)
    except Exception:  # noqa: BLE001 - as above
        body = _to_json_slowly(kind, fields)
    # Each bracket has one that closes it: short messages need no counting.
    if len(body) > 2 * _DEEPEST_SURE_NESTING and (
        len(body) > _LONGEST_SURE_NUMBER or body.count(b"{") + body.count(b"[") > _DEEPEST_SURE_NESTING
    ):
        _check_readable(body)
    return body


def _to_json_slowly(kind: MessageKind, fields: Fields) -> bytes:
    """For what the fast encoder refuses, such as half a character that a language model left at the end of a text."""
    try:
        parts = _with_plain_keys(kind.serializer.to_python(fields, exclude_unset=True, fallback=_fallback))
        text = json.dumps(parts, default=_fallback, separators=(",", ":"), ensure_ascii=False)
        return text.encode(errors="replace")
    except RecursionError:
        raise InvalidArgumentError(
            "an argument cannot be written as JSON: it is circular, or nested too deeply"
        ) from None
    except (PydanticSerializationError, ValueError) as error:
        raise InvalidArgumentError(f"an argument cannot be written as JSON: {error}") from None
    except Exception as error:
        raise InvalidArgumentError(f"an argument cannot be written as JSON: {safe_repr(error):.100}") from error


def _with_plain_keys(value: Any) -> Any:
    """What `json` can write, as the fast encoder writes it: keys are texts, sets are lists."""
    if isinstance(value, dict):
        return {
            ",".join(map(str, key)) if isinstance(key, tuple) else str(key): _with_plain_keys(its)
            for key, its in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_with_plain_keys(each) for each in value]
    return value


def _check_readable(body: bytes) -> None:
    """What no worker could read would end as a dead letter; the agent's author can still do something about it."""
    try:
        from_json(body)
    except ValueError as error:
        raise InvalidArgumentError(f"an argument is nested too deeply, or has too long a number: {error}") from None


def _fallback(value: object) -> str:
    try:
        isoformat = getattr(value, "isoformat", None)
        if callable(isoformat):
            return str(isoformat())
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}>"
    return safe_repr(value)


def _without_payload(body: bytes) -> bytes:
    fields = json.loads(body)
    shed_bytes = 0
    for holder in (fields, *(value for value in fields.values() if isinstance(value, dict))):
        for name in _SHEDDABLE & holder.keys():
            size = len(json.dumps(holder[name]))
            holder[name] = {"shed_bytes": size}
            shed_bytes += size
    if not shed_bytes:
        return body
    fields["shed_bytes"] = shed_bytes
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
