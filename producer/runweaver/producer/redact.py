"""Takes secrets out of messages before they leave the process: what stands under a key such as `password`.

Keys are looked at, texts are not: a password inside a sentence stays there. A text that is itself a JSON document, as
tools often return, is looked into.
"""

import json
import re
from typing import Any, Final, Protocol

from pydantic_core import SchemaValidator, core_schema

#: Stands for what was taken out.
REDACTED: Final = "[redacted]"

#: In words of one case, joined by underscores. `token` only at the end: `token_count` and `max_tokens` are numbers that
#: a Builder needs.
_SECRET_KEY: Final = re.compile(
    r"password|passwd|passphrase|apikey|accesskey|privatekey"
    r"|(^|_)(pwd|secrets?|authorization|cookies?|credentials?|jwt|bearer)(_|$)"
    r"|(^|_)(api|access|private|secret|signing|encryption)_keys?(_|$)"
    r"|token(_value)?$"
)

#: Inside of a key: what is no letter or digit, escaped or not, also where the key stands in a document in a text.
_NO_WORD: Final = r'(?:[^a-z0-9"\\]|\\+u[0-9a-f]{4}|\\+.)*'
#: The end of a key. In a document in a text, the quotation mark is escaped, and so are line breaks behind it.
_KEY_END: Final = r'\\*"[ \\nrt]*:'
#: What the JSON of a message has, in lower case, if it can have a secret key at all. One of these words stands in each;
_MAY_HAVE_SECRET: Final = (
    r"(?s)(?:pass|pwd|secret|authorization|cookie|credential|jwt|bearer|key)"
    rf'(?:[^"\\]|\\.)*{_KEY_END}'
    # or it ends in this one, unlike `max_tokens`;
    rf"|token{_NO_WORD}(?:value{_NO_WORD})?{_KEY_END}"
    # or somebody has escaped a letter of it.
    r"|\\{2}u00[4-7]"
)
#: Most messages have none, and that has to be known fast: pydantic's regular expressions look for all words at
#: once if these have one case. Python's own would try each word of a long text against all the rest of it.
_may_have_secret: Final = SchemaValidator(
    core_schema.str_schema(pattern=_MAY_HAVE_SECRET, regex_engine="rust-regex")
).isinstance_python

_WORD_ENDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS: Final = re.compile(r"[^A-Za-z0-9]+")


class Redactor(Protocol):
    """Takes a message's fields, as JSON has them, and returns what may be sent. `redact_secrets` is one."""

    def __call__(self, fields: dict[str, Any], /) -> dict[str, Any]: ...


def redact_secrets(fields: dict[str, Any]) -> dict[str, Any]:
    """Mask every value under a key that names a secret, however deep: what a producer does unless told otherwise.

    A key is taken apart into words, in any case and however they are joined. It names a secret if it has one of the
    words password, passwd, passphrase, pwd, secret, authorization, cookie, credentials, jwt, bearer, api key, access
    key, private key, secret key, signing key, encryption key; or ends in token.
    """
    return {key: _redacted(key, value) for key, value in fields.items()}


def needs_redaction(body: bytes, redact: Redactor) -> bool:
    """Whether the redactor has to see a message's JSON: most hold nothing for ours, which is known without it."""
    return redact is not redact_secrets or _may_have_secret(body.lower())


def redact_body(body: bytes, redact: Redactor) -> bytes:
    """A message's JSON, redacted. Whatever `redact` raises comes out of here."""
    return _dump(redact(json.loads(body))).encode()


def _redacted(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    return REDACTED if _names_a_secret(key) else _redacted_inside(value)


def _redacted_inside(value: Any) -> Any:
    if isinstance(value, dict):
        return redact_secrets(value)
    if isinstance(value, list):
        return [_redacted_inside(each) for each in value]
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return _redacted_document(value)
    return value


def _redacted_document(text: str) -> str:
    """A text that may be a JSON document. One that holds no secret stays as it is, to the letter."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    redacted = _redacted_inside(document)
    return text if redacted == document else _dump(redacted)


def _names_a_secret(key: str) -> bool:
    words = _BETWEEN_WORDS.sub("_", _WORD_ENDS.sub("_", key)).strip("_").lower()
    return _SECRET_KEY.search(words) is not None


def _dump(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
