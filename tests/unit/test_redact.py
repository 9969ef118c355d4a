"""Redaction: what stands under the key of a secret does not leave the process."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.producer import redact_secrets
from runweaver.producer.redact import REDACTED, redact_body

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
    return json.loads(redact_body(json.dumps(fields, separators=(",", ":")).encode(), redact_secrets))


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


@given(st.sampled_from(_SECRETS), _values)
def test_no_secret_survives_inside_of_a_text(key: str, value: object) -> None:
    """Also where a tool returned its JSON as a text, with whatever white space."""
    text = json.dumps({key: "hunter2", "more": value}, indent=1)

    assert "hunter2" not in json.dumps(_redacted({"result": text}))


def test_redacting_twice_changes_nothing() -> None:
    """A message that is redacted by hand first is not spoilt."""
    once = redact_secrets({"a": {"token": "x"}, "b": 1})

    assert once == redact_secrets(once)
