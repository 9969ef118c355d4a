"""Signs what is posted, as https://www.standardwebhooks.com has it: receivers verify it with the library they like."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PREFIX: Final = "whsec_"
#: Bytes of a secret.
_SHORTEST: Final = 24
_LONGEST: Final = 64


def read_secret(text: str) -> bytes:
    """The key in `whsec_` and base64.

    Raises:
        ValueError: it is none. The text does not show it.
    """
    stripped = text.strip()
    try:
        key = base64.b64decode(stripped.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not stripped.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"the secret has to be {_PREFIX} and base64 of {_SHORTEST} to {_LONGEST} bytes: "
            f"`echo {_PREFIX}$(openssl rand -base64 32)` makes one"
        )
    return key


def sign(key: bytes, *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
