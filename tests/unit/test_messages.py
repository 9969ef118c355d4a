"""Messages: what is taken, what is refused and why, and under which name each is kept."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.shared.admission import admit
from runweaver.shared.errors import InvalidMessageError
from runweaver.shared.fields import is_identifier
from runweaver.shared.messages import (
    BaseMessage,
    DecisionMessage,
    EdgeMessage,
    EvaluationMessage,
    HeartbeatMessage,
    OutcomeMessage,
    ProblemMessage,
    ProducerLeftMessage,
    RunEndedMessage,
    RunStartedMessage,
    entry_time,
    identity_of,
    order_of,
    parse_message,
    parse_stored,
)
from tests.unit.making import ENTRY_ID, ENTRY_TIME, at, moment

DECISION = {"id": "d", "node_id": "n", "intent": "i"}

#: For each type: the class, what it needs, and where its times are.
KINDS: dict[str, tuple[type[BaseMessage], dict[str, Any], list[tuple[str, ...]]]] = {
    "run_started": (RunStartedMessage, {"goal_id": "g"}, [("started_at",)]),
    "decision": (DecisionMessage, {"decision": DECISION}, [("decision", "timestamp")]),
    "outcome": (OutcomeMessage, {"decision_id": "d", "outcome": {"success": True}}, [("outcome", "timestamp")]),
    "evaluation": (EvaluationMessage, {"decision_id": "d", "evaluation": {}}, [("sent_at",)]),
    "problem": (
        ProblemMessage,
        {"problem": {"id": "x", "severity": "minor", "description": "Odd"}},
        [("problem", "timestamp")],
    ),
    "edge": (EdgeMessage, {"source": "a", "target": "b"}, [("at",)]),
    "heartbeat": (HeartbeatMessage, {}, [("sent_at",)]),
    "producer_left": (ProducerLeftMessage, {"sent": 3}, [("sent_at",)]),
    "run_ended": (RunEndedMessage, {"status": "failed"}, [("ended_at",)]),
}

#: The same, and a decision that brings its outcome along.
UNTIMED: dict[str, tuple[dict[str, Any], list[tuple[str, ...]]]] = {
    **{kind: (fields, paths) for kind, (_, fields, paths) in KINDS.items()},
    "decision with outcome": (
        {"type": "decision", "decision": {**DECISION, "outcome": {"success": True}}},
        [("decision", "timestamp"), ("decision", "outcome", "timestamp")],
    ),
    "decision with a timed outcome": (
        {"type": "decision", "decision": {**DECISION, "outcome": {"success": True, "timestamp": at(1)}}},
        [("decision", "timestamp")],
    ),
}


def _json(**fields: Any) -> bytes:
    return json.dumps({"type": "heartbeat", "run_id": "r", **fields}).encode()


def _stored(raw: bytes, *, entry_id: str = ENTRY_ID) -> bytes:
    return admit(raw, partition=0, entry_id=entry_id, position=0).stored


def _value_at(document: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = document
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_has_its_class(kind: str) -> None:
    """The field `type` tells which message it is."""
    expected, fields, _ = KINDS[kind]

    message = parse_message(_json(type=kind, **fields))

    assert expected is type(message)
    assert "r" == message.run_id


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_keeps_unknown_fields(kind: str) -> None:
    """Whoever speaks a later version of the protocol is understood by an earlier one."""
    message = parse_message(_json(type=kind, of_the_agent=[1], **KINDS[kind][1]))

    assert {"of_the_agent": [1]} == message.model_extra


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_of_a_message_is_in_utc(kind: str) -> None:
    """A time with another offset is the same moment, in UTC."""
    _, fields, paths = KINDS[kind]
    document = json.loads(_json(type=kind, **fields))
    _value_at(document, paths[0][:-1])[paths[0][-1]] = "2026-01-01T05:30:00+05:30"

    message = parse_message(json.dumps(document).encode())

    assert moment(0) == message.time
    assert timedelta(0) == message.time.utcoffset()


@pytest.mark.parametrize(
    ("raw", "code", "told"),
    [
        pytest.param(b"{", "not-json", "Invalid JSON: EOF", id="half an object"),
        pytest.param(b"", "not-json", "Invalid JSON: EOF", id="nothing"),
        pytest.param(b"hello", "not-json", "line 1 column 1", id="a word"),
        pytest.param(b'{"type":"heartbeat","run_id":"\xff"}', "not-json", "invalid unicode", id="invalid UTF-8"),
        pytest.param(
            b'{"type":"heartbeat","run_id":"r","x":"\\ud800"}', "not-json", "hex escape", id="an escaped half character"
        ),
        pytest.param(b'{"type":"heartbeat","x":"\xed\xa0\x80"}', "not-json", "invalid unicode", id="a half character"),
        pytest.param(_json(x=0)[:-2] + b"[" * 500 + b"]" * 500 + b"}", "not-json", "recursion", id="deep nesting"),
        pytest.param(b"[]", "invalid", "message: Input should be an object", id="a list"),
        pytest.param(b'"heartbeat"', "invalid", "message: Input should be an object", id="a text"),
        pytest.param(b"null", "invalid", "message: Input should be an object", id="null"),
        pytest.param(b'{"run_id":"r"}', "invalid", "'type'", id="no type"),
        pytest.param(_json(type="hello"), "unknown-type", "'hello'", id="an unknown type"),
        pytest.param(_json(type=7), "unknown-type", "'7'", id="a number as type"),
        pytest.param(b'{"type":"heartbeat"}', "invalid", "heartbeat.run_id: Field required", id="no run id"),
        pytest.param(_json(run_id="a{b}"), "invalid", "heartbeat.run_id", id="braces in the run id"),
        pytest.param(_json(run_id="a b"), "invalid", "heartbeat.run_id", id="a blank in the run id"),
        pytest.param(_json(run_id="a\n"), "invalid", "heartbeat.run_id", id="a line break after the run id"),
        pytest.param(_json(run_id=""), "invalid", "heartbeat.run_id", id="an empty run id"),
        pytest.param(_json(run_id="ä"), "invalid", "heartbeat.run_id", id="an umlaut in the run id"),
        pytest.param(_json(run_id="a" * 201), "invalid", "heartbeat.run_id", id="a run id that is too long"),
        pytest.param(_json(run_id=5), "invalid", "heartbeat.run_id", id="a number as run id"),
        pytest.param(
            _json(v=2), "version", "version 2 of the protocol, and this release knows 1", id="a later version"
        ),
        pytest.param(_json(v=2, type="hello"), "version", "upgrade workers and finalizers", id="a later type"),
        pytest.param(_json(v=2, run_id={}), "version", "then replay it", id="what a later version may mean"),
        pytest.param(_json(v=0), "invalid", "heartbeat.v: Input should be 1", id="no version"),
        pytest.param(_json(v="2"), "invalid", "heartbeat.v: Input should be 1", id="a text as version"),
        pytest.param(_json(v=2.5), "invalid", "heartbeat.v: Input should be 1", id="a broken version"),
        pytest.param(_json(v=10**30), "invalid", "heartbeat.v", id="an absurd version"),
        pytest.param(_json(v=None), "invalid", "heartbeat.v: Input should be 1", id="null as version"),
        pytest.param(_json(producer="p"), "invalid", "producer and seq go together", id="a producer without seq"),
        pytest.param(_json(seq=0), "invalid", "producer and seq go together", id="seq without a producer"),
        pytest.param(_json(producer="p#", seq=0), "invalid", "heartbeat.producer", id="a producer with a hash sign"),
        pytest.param(_json(producer="p|0", seq=0), "invalid", "heartbeat.producer", id="a producer with a bar"),
        pytest.param(_json(producer="p", seq=-1), "invalid", "heartbeat.seq", id="a negative seq"),
        pytest.param(_json(producer="p", seq=10_000_000), "invalid", "heartbeat.seq", id="an absurd seq"),
        pytest.param(_json(producer="p", seq=1.5), "invalid", "heartbeat.seq", id="a broken seq"),
        pytest.param(_json(sent_at="soon"), "invalid", "heartbeat.sent_at", id="no time"),
        pytest.param(_json(sent_at="2026-01-01T00:00:00"), "invalid", "heartbeat.sent_at", id="a time without offset"),
        pytest.param(_json(sent_at=None), "invalid", "heartbeat.sent_at", id="null as time"),
        pytest.param(
            _json(sent_at="0001-01-01T00:00:00+05:00"), "invalid", "heartbeat.sent_at", id="before the year 1"
        ),
        pytest.param(
            _json(sent_at="9999-12-31T23:00:00-05:00"), "invalid", "heartbeat.sent_at", id="after the year 9999"
        ),
        pytest.param(_json(type="run_ended", status="stuck"), "invalid", "run_ended.status", id="ended as stuck"),
        pytest.param(_json(type="run_ended", status="running"), "invalid", "run_ended.status", id="ended as running"),
        pytest.param(_json(type="run_ended", status="failed", sent=0), "invalid", "run_ended.sent", id="sent nothing"),
        pytest.param(_json(type="producer_left"), "invalid", "producer_left.sent", id="left without a number"),
        *(
            pytest.param(
                _json(type="run_started", goal_id="g", trace_id=trace_id), "invalid", "run_started.trace_id", id=name
            )
            for name, trace_id in {
                "a trace of zeros": "0" * 32,
                "in capitals": "A" * 32,
                "a short trace": "a" * 31,
            }.items()
        ),
        pytest.param(
            _json(type="run_started", goal_id="g", span_id="a" * 17), "invalid", "run_started.span_id", id="a long span"
        ),
        pytest.param(_json(type="run_started", goal_id="{g}"), "invalid", "run_started.goal_id", id="a bad goal id"),
        pytest.param(
            _json(type="decision", decision={"id": "", "node_id": "n", "intent": "i"}),
            "invalid",
            "decision.decision.id",
            id="an empty decision id",
        ),
        pytest.param(
            _json(type="outcome", decision_id="d", outcome={"success": True, "latency_ms": -1}),
            "invalid",
            "outcome.outcome.latency_ms",
            id="a negative latency",
        ),
        pytest.param(
            b'{"type":"outcome","run_id":"r","decision_id":"d","outcome":{"success":true,"tokens_used":1e999}}',
            "invalid",
            "outcome.outcome.tokens_used",
            id="infinitely many tokens",
        ),
        pytest.param(
            _json(type="problem", problem={"id": "x", "severity": "fatal", "description": ""}),
            "invalid",
            "problem.problem.severity",
            id="an unknown severity",
        ),
        pytest.param(_json(type="edge", source="", target="b"), "invalid", "edge.source", id="an edge from nowhere"),
    ],
)
def test_bad_input_is_refused_with_its_place(raw: bytes, code: str, told: str) -> None:
    """The error has one word for counting, and a text that says what is wrong and where."""
    with pytest.raises(InvalidMessageError) as caught:
        parse_message(raw)

    assert code == caught.value.code
    assert told in str(caught.value)


def test_a_message_over_the_limit_is_refused() -> None:
    """The limit itself is still taken; one byte more is not, and the text says both numbers."""
    raw = _json()
    parse_message(raw, max_bytes=len(raw))

    with pytest.raises(InvalidMessageError, match=f"{len(raw)} bytes, at most {len(raw) - 1} ") as caught:
        parse_message(raw, max_bytes=len(raw) - 1)

    assert "too-large" == caught.value.code


def test_many_errors_are_told_in_short() -> None:
    """Three of them, and how many more."""
    with pytest.raises(InvalidMessageError) as caught:
        parse_message(_json(type="decision", decision={"options": [{}, {}]}))

    assert 3 == str(caught.value).count("Field required")
    assert str(caught.value).endswith("(and 4 more)")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_bytes_are_a_message_or_an_invalid_message(raw: bytes) -> None:
    """No bytes whatever lead to another error."""
    with pytest.raises(InvalidMessageError):
        parse_message(raw)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(
        st.sampled_from(["run_id", "producer", "seq", "sent_at", "decision", "outcome", "status", "at", "sent"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.none(), max_size=1),
    ),
)
def test_fields_of_any_type_are_a_message_or_an_invalid_message(kind: str, wrong: dict[str, Any]) -> None:
    """Whatever stands in a field, the message is taken or refused; what is taken can be kept."""
    raw = _json(type=kind, **{**KINDS[kind][1], **wrong})
    try:
        message = parse_message(raw)
    except InvalidMessageError:
        return
    assert message.run_id == parse_message(_stored(raw)).run_id


def _identity(raw: bytes, *, partition: int = 0, entry_id: str = ENTRY_ID, position: int = 0) -> str:
    identity = admit(raw, partition=partition, entry_id=entry_id, position=position).identity
    assert identity == identity_of(parse_message(raw), partition=partition, entry_id=entry_id, position=position)
    return identity


def test_a_producer_and_seq_are_the_identity() -> None:
    """They survive a resend: where the message lies makes no difference."""
    raw = _json(producer="p", seq=3)

    assert "p#3" == _identity(raw)
    assert "p#3" == _identity(raw, partition=5, entry_id="1-1", position=7)


def test_without_a_producer_the_place_is_the_identity() -> None:
    """Every place is another one: two in an entry, the same entry id in two partitions, two within a millisecond."""
    raw = _json()
    places = [
        _identity(raw, entry_id="5-0"),
        _identity(raw, entry_id="5-0", position=1),
        _identity(raw, entry_id="5-0", partition=1),
        _identity(raw, entry_id="5-1"),
        _identity(raw, entry_id="51-0"),
    ]

    assert len(places) == len(set(places))
    assert places[0] == _identity(raw, entry_id="5-0")


def test_no_producer_can_take_the_identity_of_a_place() -> None:
    """What stands before the `#` of a place is no name that a producer can have."""
    source, _ = order_of(_identity(_json()))

    assert not is_identifier(source)
    with pytest.raises(InvalidMessageError):
        parse_message(_json(producer=source, seq=0))


def test_identities_sort_as_they_were_sent() -> None:
    """By source, then by number: `p#2` before `p#10`, and the second entry of a millisecond before the tenth."""
    assert [("p", 2), ("p", 10), ("q", 0)] == sorted(map(order_of, ["q#0", "p#10", "p#2"]))
    entries = ["1767226200000-2", "1767226200000-10", "1767226200001-0"]
    places = [_identity(_json(), entry_id=entry_id, position=position) for entry_id in entries for position in (2, 10)]
    assert places == sorted(places, key=order_of)


def test_a_producer_may_have_any_identifier() -> None:
    """The number is what follows the last `#`, and names have none."""
    name = "host.example:80/a+b@c-1_2"

    assert (name, 41) == order_of(_identity(_json(producer=name, seq=41)))


def test_the_time_of_an_entry() -> None:
    """The first part of an entry id counts milliseconds."""
    assert datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC) == entry_time("1767225600123-7")


@pytest.mark.parametrize("name", UNTIMED)
def test_absent_times_are_filled_from_the_entry(name: str) -> None:
    """Each time that the message lacks becomes that of its entry, also within an embedded outcome."""
    fields, paths = UNTIMED[name]
    raw = _json(**{"type": name, **fields})

    filled = _stored(raw)

    document = json.loads(filled)
    for path in paths:
        assert ENTRY_TIME.isoformat() == _value_at(document, path)
        del _value_at(document, path[:-1])[path[-1]]
    assert json.loads(raw) == document
    assert ENTRY_TIME == parse_message(filled).time


@pytest.mark.parametrize("name", UNTIMED)
def test_filling_in_twice_gives_the_same(name: str) -> None:
    """What was filled in is kept, whatever entry the message is found in the next time."""
    raw = _json(**{"type": name, **UNTIMED[name][0]})
    once = _stored(raw)

    assert once == _stored(raw)
    assert once == _stored(once, entry_id="1-0")


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_with_its_time_is_kept_byte_for_byte(kind: str) -> None:
    """White space, order of fields and escapes are the sender's."""
    _, fields, paths = KINDS[kind]
    document = json.loads(_json(type=kind, **fields))
    _value_at(document, paths[0][:-1])[paths[0][-1]] = at(5)
    raw = json.dumps({"extra": "ü", **document}, indent=1, ensure_ascii=True).encode()

    assert raw is _stored(raw)


def test_filling_in_keeps_odd_values() -> None:
    """Numbers that only Python writes, characters beyond ASCII and long numbers stay what they are."""
    raw = b'{"type":"heartbeat","run_id":"r","x":[Infinity,1e-7,123456789012345678901234567890,"\\u00fc\xe2\x80\xa6"]}'

    filled = parse_message(_stored(raw))

    assert {"x": [float("inf"), 1e-7, 123456789012345678901234567890, "ü…"]} == filled.model_extra


@pytest.mark.parametrize("depth", [198, 199])
def test_a_message_as_deep_as_one_may_be_can_be_read_from_the_store(depth: int) -> None:
    """Messages are read from the store in a list, which is one level more than a message by itself."""
    raw = _json(sent_at=at(1), x=0)[:-2] + b"[" * depth + b"]" * depth + b"}"
    message = parse_message(raw)

    assert {"p#0": message, "p#1": message} == dict(parse_stored({"p#0": raw, "p#1": raw}))


@pytest.mark.parametrize("bad", [b"nothing", b"", b"{},{}", b"]"])
def test_a_stored_value_that_is_no_message_is_told(bad: bytes) -> None:
    """Which one it is, though many are read in one step; also where together they would look like some messages."""
    good = _json(sent_at=at(1))

    with pytest.raises(InvalidMessageError, match="stored message p#1: "):
        list(parse_stored({"p#0": good, "p#1": bad, "p#2": good}))
    with pytest.raises(InvalidMessageError, match="stored message p#1: "):
        list(parse_stored({"p#0": good, "p#1": good + b"," + good}))


@pytest.mark.parametrize("identity", ["", "p", "p#", "p#x", "#", "p#" + "9" * 5_000])
def test_what_is_no_identity_is_told(identity: str) -> None:
    """Somebody else wrote into a run's set: an error of ours says under which name."""
    with pytest.raises(InvalidMessageError, match="no identity"):
        order_of(identity)


def test_the_time_of_an_entry_ends_with_the_year_9999() -> None:
    """Whoever adds an entry can give it any id, up to one that no time can stand for."""
    assert datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC) == entry_time(f"{2**64 - 1}-{2**64 - 1}")


@pytest.mark.parametrize("count", ["9007199254740992", "9" * 4_300, "1e300"])
def test_an_absurd_count_is_refused(count: str) -> None:
    """Beyond what JSON readers hold exactly, sums could not be told any more."""
    raw = f'{{"type":"outcome","run_id":"r","decision_id":"d","outcome":{{"success":true,"latency_ms":{count}}}}}'

    with pytest.raises(InvalidMessageError, match=r"outcome\.outcome\.latency_ms"):
        parse_message(raw.encode())
