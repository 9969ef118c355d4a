"""What an agent gives is checked without models, and means what the models say."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runweaver.producer import message_kind
from runweaver.producer.encode import encode_body
from runweaver.producer.message_kind import DECISION, OUTCOME, MessageKind
from runweaver.shared.decision import DecisionType, Option
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.messages import BaseMessage, parse_message
from tests.unit.making import RUN_ID

_KINDS = [each for each in vars(message_kind).values() if isinstance(each, MessageKind)]


class _Own(Option):
    cost: int = 0


def _read(kind: MessageKind, body: bytes) -> BaseMessage:
    """What a worker reads of a body."""
    envelope = json.dumps({"type": kind.name, "run_id": RUN_ID}).encode()
    return parse_message(envelope[:-1] + b"," + body[1:])


def _sent(kind: MessageKind, given: Mapping[str, Any]) -> BaseMessage | None:
    try:
        return _read(kind, encode_body(kind, kind.build(given), 1024 * 1024))
    except InvalidArgumentError:
        return None


def _sent_as_model(kind: MessageKind, given: Mapping[str, Any]) -> BaseMessage | None:
    """The same by way of the shared model."""
    try:
        message = kind.model.model_validate({"run_id": RUN_ID, **given})
    except ValidationError:
        return None
    return parse_message(message.model_dump_json(exclude_unset=True, fallback=repr)[:-1].encode() + b"," + _type(kind))


def _type(kind: MessageKind) -> bytes:
    return b'"type":"%b"}' % kind.name.encode()


_texts = st.text(max_size=4)
_scalars = st.none() | st.booleans() | st.integers(-3, 2**60) | st.floats(-2, 1e6) | _texts | st.binary(max_size=3)
_anything = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_texts, inner, max_size=2) | st.tuples(inner),
    max_leaves=4,
)


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, good, _anything)


_option_fields = st.fixed_dictionaries(
    {"id": _mostly(_texts), "description": _mostly(_texts)},
    optional={
        "action_type": _mostly(_texts),
        "action_params": _mostly(st.dictionaries(_texts, _anything, max_size=2)),
        "pros": _mostly(st.lists(_texts, max_size=2)),
        "confidence": _mostly(st.floats(-0.5, 1.5)),
        "own": _anything,
    },
)
_options = (
    _option_fields | _option_fields.map(MappingProxyType) | st.builds(Option, id=st.just("a"), description=_texts)
)
_decisions = st.fixed_dictionaries(
    {"id": _mostly(_texts), "node_id": _mostly(_texts), "intent": _mostly(_texts)}
    | {"timestamp": st.datetimes(timezones=st.timezones()) | st.datetimes()},
    optional={
        "options": _mostly(st.lists(_options, max_size=3) | st.tuples(_options)),
        "chosen_option_id": _mostly(_texts | st.none()),
        "decision_type": _mostly(st.sampled_from(list(DecisionType)) | st.sampled_from(DecisionType).map(str)),
        "reasoning": _mostly(_texts),
        "active_constraints": _mostly(st.lists(_texts, max_size=2) | st.tuples(_texts)),
        "input_context": _mostly(st.dictionaries(_texts, _anything, max_size=3)),
        "own": _anything,
    },
)
_outcomes = st.fixed_dictionaries(
    {"success": _mostly(st.booleans()), "timestamp": st.datetimes(timezones=st.timezones())},
    optional={
        "result": _anything,
        "error": _mostly(_texts),
        "summary": _mostly(_texts),
        "tokens_used": _mostly(st.integers(0, 10**6) | st.floats(0, 1e6)),
        "latency_ms": _mostly(st.integers(0, 10**6) | st.floats(0, 1e6)),
        "state_changes": _mostly(st.dictionaries(_texts, _anything, max_size=3)),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    _decisions.map(lambda its: (DECISION, {"decision": its}))
    | st.builds(lambda its, of: (OUTCOME, {"decision_id": of, "outcome": its}), _outcomes, _mostly(_texts))
)
def test_a_worker_reads_what_the_model_would_have_said(example: tuple[MessageKind, dict[str, Any]]) -> None:
    """Refused by both, or else the same message."""
    assert _sent_as_model(*example) == _sent(*example)


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.name)
def test_every_field_of_a_model_is_checked(kind: MessageKind) -> None:
    """None is left out, but for the envelope's."""
    assert 9 == len(_KINDS)
    for name in kind.model.model_fields.keys() - {"v", "type", "run_id", "producer", "seq"}:
        with pytest.raises(InvalidArgumentError, match=rf"(^|; ){name}: "):
            kind.build({name: object()})


def test_options_can_be_models() -> None:
    """Mixed with dictionaries; what was not given is not sent, and what is the agent's own is."""
    options = [Option(id="a", description="A"), {"id": "b", "description": "B"}, _Own(id="c", description="C", cost=3)]

    fields = DECISION.build({"decision": {"id": "d", "node_id": "n", "intent": "i", "options": iter(options)}})

    expected = b'[{"id":"a","description":"A"},{"id":"b","description":"B"},{"id":"c","description":"C","cost":3}]'
    assert b'{"decision":{"id":"d","node_id":"n","intent":"i","options":%b}}' % expected == encode_body(
        DECISION, fields, 1024 * 1024
    )


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"id": "a"}, "decision.options.0.description: Field required, got {'id': 'a'}"),
        ({"id": "a", "description": 7}, "decision.options.0.description: Input should be a valid string, got 7"),
        (
            7,
            (
                "decision.options.0: Input should be a valid dictionary, got 7; "
                "decision.options.0: Input should be an instance of Option, got 7"
            ),
        ),
    ],
)
def test_a_bad_option_is_named(option: Any, told: str) -> None:
    """Where it stands, what is wrong with it, and nothing about how it is checked."""
    with pytest.raises(InvalidArgumentError) as caught:
        DECISION.build({"decision": {"id": "d", "node_id": "n", "intent": "i", "options": [option]}})

    assert told == str(caught.value)


def test_what_was_given_is_not_changed() -> None:
    """The agent's dictionaries are its own, and what it does with them later is not sent."""
    given = {"id": "d", "node_id": "n", "intent": "i", "options": [{"id": "a", "description": "A"}]}

    fields = DECISION.build({"decision": given})
    fields["decision"]["options"].clear()
    fields["decision"]["timestamp"] = 1

    assert {"id": "d", "node_id": "n", "intent": "i", "options": [{"id": "a", "description": "A"}]} == given
