"""Admission: as strict as reading a message, though it makes no objects."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.shared.admission import admit
from runweaver.shared.errors import InvalidMessageError
from runweaver.shared.messages import parse_message
from tests.unit.making import ENTRY_ID, at
from tests.unit.strategies import drafts, json_values

#: Values that are nearly right somewhere: of another type, out of bounds, or in another notation.
_ODD = st.one_of(
    json_values,
    st.sampled_from([at(3), "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", 1767225600, -1, 1e400]),
    st.sampled_from([2**53 - 1, 2**53, 1.5, "7", "true", "", "a b", "a" * 201, 10_000_000, 9_999_999, "completed"]),
)


def _admitted(raw: bytes) -> tuple[str, str]:
    admitted = admit(raw, partition=0, entry_id=ENTRY_ID, position=0)
    return admitted.type, admitted.run_id


def _outcome(raw: bytes, *, by_admission: bool) -> tuple[str, str]:
    """What comes of it: its type and run, or the code and the text of the error."""
    try:
        if by_admission:
            return _admitted(raw)
        message = parse_message(raw)
    except InvalidMessageError as error:
        return error.code, str(error)
    return message.type, message.run_id


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each place in a document where something stands: what holds it, and its key or index."""
    inside = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    deeper = [place for _, each in inside if isinstance(each, dict | list) for place in _places(each)]
    return [(value, key) for key, _ in inside] + deeper


@given(drafts(always_timed=False), st.data())
def test_admission_agrees_with_reading(draft: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is wrong in a message, and wherever: both take it, or both refuse it with the same words."""
    document = deepcopy({"run_id": "r", **draft})
    for _ in range(data.draw(st.integers(0, 2))):
        holder, key = data.draw(st.sampled_from(_places(document)))
        if data.draw(st.booleans()):
            holder[key] = data.draw(_ODD)
        else:
            del holder[key]
        if not document:
            break
    raw = json.dumps(document).encode()

    assert _outcome(raw, by_admission=False) == _outcome(raw, by_admission=True)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"heartbeat","type":"edge","run_id":"a","run_id":"b","source":"x","target":"y"}',
        b'{"type":"edge","type":"heartbeat","run_id":"b","run_id":"a","source":"x","target":"y"}',
        b'{"type":"heartbeat","run_id":"a","run_id":"","seq":1,"producer":"p"}',
        b'{"type":"heartbeat","run_id":"a","producer":"p","seq":1,"seq":"2"}',
    ],
)
def test_the_last_of_equal_keys_counts_for_both(raw: bytes) -> None:
    """A message must not be stored in another run than the one that it is read as part of."""
    assert _outcome(raw, by_admission=False) == _outcome(raw, by_admission=True)


@pytest.mark.parametrize("inside", [b"[" * 198 + b"]" * 198, b"[" * 250 + b"]" * 250, b"9" * 4_300, b"9" * 4_301])
def test_what_cannot_be_read_is_not_admitted(inside: bytes) -> None:
    """Also in fields that the schema does not know: nested too deeply, numbers that are too long."""
    raw = b'{"type":"heartbeat","run_id":"r","of_the_agent":' + inside + b"}"

    assert _outcome(raw, by_admission=False) == _outcome(raw, by_admission=True)
