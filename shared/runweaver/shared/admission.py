"""Admits messages: checks each as strictly as `parse_message`, and says how it is to be stored.

A worker needs to know of a message that it is one, whose, and under which name to keep it; it has no use for the
objects that a fold works on. Leaving them out halves what a message costs it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from runweaver.shared.messages import (
    MAX_MESSAGE_BYTES,
    BaseMessage,
    Message,
    entry_time,
    identity_at,
    invalid,
    too_large,
)


class Admitted(NamedTuple):
    """A message as it is to be stored."""

    type: str
    run_id: str
    #: The name under which its run keeps it.
    identity: str
    #: Its JSON as received, with absent timestamps filled in.
    stored: bytes


def admit(raw: bytes, *, partition: int, entry_id: str, position: int, max_bytes: int = MAX_MESSAGE_BYTES) -> Admitted:
    """Check a message that was found in this place of this stream entry.

    Raises:
        InvalidMessageError: just where `parse_message` does, and with the same text.
    """
    # Called for each message that ever comes in: what a call more would cost is worth avoiding here.
    if len(raw) > max_bytes:
        raise too_large(raw, max_bytes)
    try:
        fields = _check(raw)
    except ValidationError as error:
        raise invalid(error, raw) from None
    producer, seq, kind = fields.get("producer"), fields.get("seq"), fields["type"]
    if producer is None or seq is None:
        identity = identity_at(producer, seq, partition=partition, entry_id=entry_id, position=position)
    else:
        identity = f"{producer}#{seq}"
    for path in _TIMESTAMP_PATHS[kind]:
        holder: Any = fields
        for step in path[:-1]:
            holder = holder.get(step)
        if holder is not None and path[-1] not in holder:
            raw = _with_timestamp(raw, path, entry_id)
    return Admitted(kind, fields["run_id"], identity, raw)


def _with_timestamp(raw: bytes, path: tuple[str, ...], entry_id: str) -> bytes:
    """Fill in the time of the entry.

    The worker's clock would not do: the same entry delivered twice must give the same bytes.
    """
    document = holder = json.loads(raw)
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = entry_time(entry_id).isoformat()
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _without_objects(schema: Any) -> Any:
    """The same schema, in which a dictionary with what was given stands for each model."""
    if isinstance(schema, list | tuple):
        return [_without_objects(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "model":
        return _dictionary_schema(schema)
    return {key: _without_objects(value) for key, value in schema.items()}


def _dictionary_schema(model: Mapping[str, Any]) -> dict[str, Any]:
    fields = {}
    for name, field in model["schema"]["fields"].items():
        schema = field["schema"]
        has_default = schema["type"] == "default"
        fields[name] = {
            "type": "typed-dict-field",
            "schema": _without_objects(schema["schema"] if has_default else schema),
            "required": not has_default,
        }
    return {"type": "typed-dict", "fields": fields, "extra_behavior": model["config"]["extra_fields_behavior"]}


_KINDS: Final[tuple[type[BaseMessage], ...]] = get_args(get_args(Message)[0])
_TIMESTAMP_PATHS: Final = {kind.model_fields["type"].default: kind.timestamp_paths for kind in _KINDS}

_check: Final[Callable[[bytes], dict[str, Any]]] = SchemaValidator(
    _without_objects(TypeAdapter(Message).core_schema)
).validate_json
