"""From an agent's arguments to a message: whatever the agent hands over, the worker can read what is sent."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from runweaver.producer.encode import encode_body
from runweaver.producer.message_kind import DECISION, OUTCOME, RUN_STARTED, Fields, MessageKind
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.messages import parse_message
from tests.unit.making import RUN_ID

_ENOUGH = 1024 * 1024


class _Odd:
    def __repr__(self) -> str:
        return "<odd>"


class _Silent:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class _Unreadable(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no words")

    def __len__(self) -> int:
        return 1


class _Enumerated(Enum):
    PAIR = (1, b"\xff")


class _Model(BaseModel):
    name: str
    parts: list["_Model"] = []


@dataclasses.dataclass
class _Record:
    name: str
    inner: object


def _outcome(result: Any) -> Fields:
    return {"decision_id": "d", "outcome": {"success": True, "result": result}}


def _body(kind: MessageKind, given: Fields, max_bytes: int = _ENOUGH) -> bytes:
    return encode_body(kind, kind.build(given), max_bytes)


def _received(body: bytes, kind: str = "outcome") -> Any:
    """What a worker reads, when the body has got its envelope."""
    envelope = json.dumps({"type": kind, "run_id": RUN_ID, "producer": "p", "seq": 0}).encode()
    return parse_message(envelope[:-1] + b"," + body[1:])


def _sent(result: Any) -> Any:
    return _received(_body(OUTCOME, _outcome(result))).outcome.result


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(_Odd(), "<odd>", id="an object"),
        pytest.param({"a": [_Odd(), 1]}, {"a": ["<odd>", 1]}, id="an object deep inside"),
        pytest.param({7}, [7], id="a set"),
        pytest.param((1, "b"), [1, "b"], id="a tuple"),
        pytest.param(b"\x00\xff", "AP8=", id="bytes"),
        pytest.param(date(2026, 1, 2), "2026-01-02", id="a date"),
        pytest.param(datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z", id="a moment"),
        pytest.param(float("nan"), None, id="not a number"),
        pytest.param([float("inf")], [None], id="infinity"),
        pytest.param({1: "a", 1.5: "b", None: "c"}, {"1": "a", "1.5": "b", "None": "c"}, id="keys that are no texts"),
        pytest.param({(1, 2): "a"}, {"1,2": "a"}, id="a tuple as key"),
        pytest.param(_Model(name="m", parts=[_Model(name="n")]), {"name": "m", "parts": [{"name": "n"}]}, id="a model"),
        pytest.param(
            _Record("r", [_Record("s", _Odd())]),
            {"name": "r", "inner": [{"name": "s", "inner": "<odd>"}]},
            id="a dataclass",
        ),
        pytest.param(Decimal("1.50"), "1.50", id="a decimal"),
        pytest.param(UUID(int=1), "00000000-0000-0000-0000-000000000001", id="a UUID"),
        pytest.param(Path("a/b"), "a/b", id="a path"),
        pytest.param(ValueError("bad"), "ValueError('bad')", id="an exception"),
        pytest.param(10**30, 10**30, id="a long number"),
        pytest.param("half a character \ud83d", "half a character ?", id="a lone surrogate"),
        pytest.param({"\ud83d": ["\ude00"]}, {"?": ["?"]}, id="lone surrogates deep inside"),
        pytest.param(["\ud83d", _Odd()], ["?", "<odd>"], id="a lone surrogate beside an object"),
    ],
)
def test_odd_values_are_told(value: Any, expected: Any) -> None:
    """What JSON does not know is told by its parts or its `repr`: no reason to stop the agent."""
    assert expected == _sent(value)


def test_a_value_that_cannot_be_told_is_sent_or_refused() -> None:
    """An object whose `repr` raises is told in another way, or refused with our own error; nothing else is raised."""
    try:
        _body(OUTCOME, _outcome(_Silent()))
    except InvalidArgumentError:
        return


def _list_within(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


_EXTREMES = [
    pytest.param(_list_within(230), id="nested 230 deep"),
    pytest.param(_list_within(400), id="nested 400 deep"),
    pytest.param(10**5000, id="a number of 5,000 digits"),
]


@pytest.mark.parametrize("value", _EXTREMES)
def test_what_no_worker_can_read_is_not_sent(value: Any) -> None:
    """Nesting and numbers beyond what the worker's JSON reader takes are shed, told or refused."""
    try:
        body = _body(OUTCOME, _outcome(value))
    except InvalidArgumentError:
        return
    _received(body)


def test_odd_keys_survive_beside_half_a_character() -> None:
    """A lone surrogate somewhere else does not cost the entries of a dictionary."""
    assert {"1,2": "?"} == _sent({(1, 2): "\ud83d"})


@pytest.mark.parametrize("levels", [0, 3])
def test_what_refers_to_itself_is_refused(levels: int) -> None:
    """There is no end to writing it."""
    circle: dict[str, Any] = {}
    value: Any = circle
    for _ in range(levels):
        value = [value]
    circle["again"] = value

    with pytest.raises(InvalidArgumentError, match=r"cannot be written as JSON: .*[Cc]ircular"):
        _body(OUTCOME, _outcome(circle))


def test_what_is_nested_too_deeply_is_refused() -> None:
    """Python itself gives up on it."""
    with pytest.raises(InvalidArgumentError, match="cannot be written as JSON"):
        _body(OUTCOME, _outcome(_list_within(100_000)))


def test_a_body_has_what_was_given_and_no_envelope() -> None:
    """No run id, no producer, no defaults: they cost bytes in each of a million messages."""
    body = _body(DECISION, {"decision": {"id": "d", "node_id": "n", "intent": "ü"}})

    assert '{"decision":{"id":"d","node_id":"n","intent":"ü"}}'.encode() == body


def test_a_payload_that_is_too_large_is_shed() -> None:
    """What the agent decided is kept; in place of what it read or produced stands how much that was."""
    outcome = {
        "success": True,
        "summary": "Found",
        "result": "x" * 5_000,
        "state_changes": {"a": 1},
        "of_the_agent": 7,
    }

    received = _received(_body(OUTCOME, {"decision_id": "d", "outcome": outcome}, 2_048)).outcome

    assert {"shed_bytes": 5_002} == received.result
    assert {"shed_bytes": 8} == received.state_changes
    assert ("Found", 7) == (received.summary, received.model_extra["of_the_agent"])


def test_the_input_of_a_start_is_shed_too() -> None:
    """Payload can stand at the top of a message as well."""
    fields = {"goal_id": "g", "input_data": {"text": "x" * 5_000}}

    received = _received(_body(RUN_STARTED, fields, 2_048), "run_started")

    assert ("g", {"shed_bytes": 5_012}) == (received.goal_id, received.input_data)


def test_a_message_of_just_the_size_is_sent_whole() -> None:
    """The envelope gets its room, and no more is shed than needed."""
    message = _outcome("x" * 5_000)
    size = len(_body(OUTCOME, message))

    assert "x" * 5_000 == _received(_body(OUTCOME, message, size + 1024)).outcome.result
    assert {"shed_bytes": 5_002} == _received(_body(OUTCOME, message, size + 1023)).outcome.result


def test_what_is_too_large_without_its_payload_is_refused() -> None:
    """The error says how large it is, how large it may be, and what to do."""
    decision = {"id": "d", "node_id": "n", "intent": "x" * 5_000, "input_context": {"a": "y" * 9_000}}

    with pytest.raises(InvalidArgumentError, match=r"5,\d{3} bytes even without its payload, at most 2,048 .*shorten"):
        _body(DECISION, {"decision": decision}, 2_048)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"id": "", "node_id": "n", "intent": "i"}, "decision.id: "),
        ({"id": "d", "node_id": 7, "intent": "i"}, "decision.node_id: Input should be a valid string, got 7"),
        ({"id": "d", "node_id": "n", "intent": "i", "options": [{"id": "a"}]}, "decision.options.0.description: Field"),
        ({"id": "d", "node_id": "n", "intent": "i", "input_context": {1: 2}}, "decision.input_context.1"),
        ({"id": "d", "node_id": "n"}, "decision.intent: Field required"),
    ],
)
def test_bad_arguments_are_named(fields: dict[str, Any], told: str) -> None:
    """Which argument, what is wrong, and what it was."""
    with pytest.raises(InvalidArgumentError) as caught:
        DECISION.build({"decision": fields})

    assert told in str(caught.value)


def test_a_long_bad_argument_is_not_repeated_in_full() -> None:
    """An error is for reading."""
    with pytest.raises(InvalidArgumentError) as caught:
        DECISION.build({"decision": {"id": "d", "node_id": ["x" * 9_000], "intent": "i"}})

    assert len(str(caught.value)) < 300


_odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.text(st.characters(categories=["Cs"]), max_size=2)
    | st.binary(max_size=4)
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.complex_numbers()
    | st.uuids()
    | st.builds(_Odd)
    | st.sets(st.integers(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(_Record, st.text(max_size=3), inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none() | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_odd_values, st.integers(1_150, 4_000))
def test_whatever_is_encoded_can_be_read(value: Any, most: int) -> None:
    """The worker takes every body, within the size that was asked for."""
    body = _body(OUTCOME, _outcome(value), most)

    assert "d" == _received(body).decision_id
    assert len(body) + 1024 <= most


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("error", _Silent(), id="an object without a repr in place of text"),
        pytest.param("tokens_used", 10**5000, id="a number that is too long to write"),
        pytest.param("tokens_used", 10**400, id="an absurd number"),
        pytest.param("tokens_used", _Enumerated.PAIR, id="a member of an enumeration in place of a number"),
        pytest.param("state_changes", _Unreadable(), id="a mapping that cannot be read"),
    ],
)
def test_an_argument_that_raises_when_it_is_looked_at_is_refused(field: str, value: Any) -> None:
    """With our own error, whatever it raises: agents are promised nothing else."""
    with pytest.raises(InvalidArgumentError):
        OUTCOME.build({"decision_id": "d", "outcome": {"success": True, field: value}})


def _broken_off() -> Iterator[int]:
    yield 1
    raise RuntimeError("broken off")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({_Silent(): 1}, id="a key without words"),
        pytest.param([_broken_off()], id="a generator that breaks off"),
        pytest.param(["\ud800", _Unreadable()], id="a mapping that cannot be read, beside half a character"),
    ],
)
def test_a_result_that_raises_when_it_is_written_is_told_or_refused(value: Any) -> None:
    """Nothing else than our own error is raised."""
    try:
        body = _body(OUTCOME, _outcome(value))
    except InvalidArgumentError:
        return
    _received(body)
