"""Redaction: what stands under the key of a secret does not leave the process."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.producer import redact_secrets
from runweaver.producer.redact import REDACTED, needs_redaction, redact_body

_SECRETS = [
    "password",
    "PASSWORD",
    "dbPassword",
    "db_password_2",
    "userpassword",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "access_token",
    "accessToken",
    "X-Auth-Token",
    "GITHUB_TOKEN",
    "token_value",
    "api_key",
    "apiKey",
    "apikey",
    "APIKey",
    "x-api-key",
    "OPENAI_API_KEY",
    "authorization",
    "Authorization",
    "Proxy-Authorization",
    "secret",
    "client_secret",
    "clientSecret",
    "aws_secret_access_key",
    "secret key",
    "private_key",
    "privateKey",
    "signing.key",
    "cookie",
    "Set-Cookie",
    "cookies",
    "credentials",
    "jwt",
    "bearer",
]

_HARMLESS = [
    "tokens",
    "tokens_used",
    "max_tokens",
    "token_count",
    "tokenizer",
    "key",
    "keyword",
    "primary_key",
    "author",
    "authorized_by",
    "secretary",
    "passed",
    "bypass",
    "session",
    "monkey",
]


def _redacted(fields: dict[str, Any]) -> Any:
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return json.loads(redact_body(body, redact_secrets) if needs_redaction(body, redact_secrets) else body)


@pytest.mark.parametrize("key", _SECRETS)
def test_keys_of_secrets(key: str) -> None:
    """In any case, however their words are joined, and whatever the value is."""
    assert {key: REDACTED} == _redacted({key: "hunter2"})
    assert {key: REDACTED} == _redacted({key: 4711})
    assert {key: REDACTED} == _redacted({key: {"deep": ["hunter2"]}})


@pytest.mark.parametrize("key", _HARMLESS)
def test_keys_that_only_look_like_it(key: str) -> None:
    """What a Builder needs stays."""
    assert {key: "value"} == _redacted({key: "value"})


@pytest.mark.parametrize("value", [None, True, False])
def test_nothing_and_a_choice_are_no_secrets(value: object) -> None:
    """Whether there was a password may be told."""
    assert {"password": value} == _redacted({"password": value})


def test_however_deep() -> None:
    """In objects, in lists, and in texts that are JSON documents themselves."""
    inside = json.dumps({"user": "u", "api_key": "hunter2"})
    fields = {"a": [{"b": {"Cookie": "hunter2", "c": 1}}], "tool": inside, "text": "[not JSON, password: x"}

    assert {
        "a": [{"b": {"Cookie": REDACTED, "c": 1}}],
        "tool": '{"user":"u","api_key":"[redacted]"}',
        "text": "[not JSON, password: x",
    } == _redacted(fields)


def test_a_document_without_secrets_stays_to_the_letter() -> None:
    """Its spaces are its author's."""
    text = '{ "user": "u", "n": 1e3 }'

    assert {"tool": text, "token": REDACTED} == _redacted({"tool": text, "token": "x"})


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=15,
)


@given(st.dictionaries(st.text() | st.sampled_from(_SECRETS + _HARMLESS), _values, max_size=5))
def test_the_fast_look_misses_nothing(fields: dict[str, Any]) -> None:
    """Looking at the bytes first gives what taking everything apart would have given."""
    assert redact_secrets(fields) == _redacted(fields)


_odd_keys = st.lists(
    st.sampled_from(_SECRETS + _HARMLESS)
    | st.sampled_from(
        ["token", "Value", "_", '"', "\\", '":', "\n", "\t", "\u212a", "é", " ", ":", "😀", "n", "u0041"]
    ),
    max_size=5,
).map("".join)


@st.composite
def _documents(draw: st.DrawFn) -> str:
    """JSON as others write it, in a text, and that perhaps in another one."""
    value: Any = draw(
        st.dictionaries(_odd_keys, st.sampled_from(["hunter2", 1, None, ["key"], "the key: x"]), max_size=3)
    )
    for _ in range(draw(st.integers(1, 3))):
        indent = draw(st.sampled_from([None, 1, "\t"]))
        separators = (draw(st.sampled_from([",", ", ", ",\n"])), draw(st.sampled_from([":", " :", "\n:", "\r\t : "])))
        text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=indent, separators=separators)
        value = {draw(_odd_keys): text}
    return text


@given(st.dictionaries(_odd_keys, _documents() | _odd_keys, max_size=3))
def test_the_fast_look_misses_no_odd_key(fields: dict[str, Any]) -> None:
    """Whatever stands around the word, and however a document in a text is written."""
    assert redact_secrets(fields) == _redacted(fields)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(r'{"p\u0061ssword": "hunter2"}', id="an escaped letter"),
        pytest.param('{"password" :"hunter2"}', id="a space before the colon"),
        pytest.param('{"password"\n\t:"hunter2"}', id="a line break before the colon"),
        pytest.param(r'{"password\"": "hunter2"}', id="a quotation mark in the key"),
        pytest.param(r'{"token\u00e9": "hunter2"}', id="an escaped character behind a token"),
        pytest.param(json.dumps({"a": json.dumps({"token": "hunter2"})}), id="a token in a document in a document"),
    ],
)
def test_a_document_can_be_written_in_odd_ways(text: str) -> None:
    """They mean the same to whoever reads it."""
    assert "hunter2" not in json.dumps(_redacted({"result": text}))


@pytest.mark.parametrize("text", ["the key point", "Password reset sent", "[key]", 'a "secret" plan, they said'])
def test_words_in_texts_cost_nothing(text: str) -> None:
    """A message is taken apart only where there may be something to mask."""
    body = json.dumps({"text": text, "tokens_used": 5}, separators=(",", ":")).encode()

    assert not needs_redaction(body, redact_secrets)


@given(st.sampled_from(_SECRETS), _values)
def test_no_secret_survives_inside_of_a_text(key: str, value: object) -> None:
    """Also where a tool returned its JSON as a text, with whatever white space."""
    text = json.dumps({key: "hunter2", "more": value}, indent=1)

    assert "hunter2" not in json.dumps(_redacted({"result": text}))


def test_redacting_twice_changes_nothing() -> None:
    """A message that is redacted by hand first is not spoilt."""
    once = redact_secrets({"a": {"token": "x"}, "b": 1})

    assert once == redact_secrets(once)
