"""Who has shown the token: what their browsers keep, and what their forms prove."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: How long somebody who has logged in stays so, whatever they do.
SESSION_S: Final = 12 * 60 * 60

#: Whoever steals a cookie must not find out the token by trying: each try takes some 50 ms and 16 MiB.
_SALT: Final = b"runweaver console"
_ROUNDS: Final = 2**14


@dataclass(frozen=True)
class Session:
    """Somebody who has logged in, until then (seconds of the Unix epoch)."""

    id: str
    until: int


class Sessions:
    """Sessions are signed, not kept: a restart, or a second process with the same token, knows them too.

    Another token makes all of them worthless. Only those that were ended before their time are kept, and only in this
    process.
    """

    def __init__(self, token: str, *, now: Callable[[], float] = time.time) -> None:
        """Sessions of those who know a token.

        Args:
            token: what they have shown.
            now: seconds of the Unix epoch.
        """
        self._key = hashlib.scrypt(token.encode(), salt=_SALT, n=_ROUNDS, r=8, p=1, dklen=32)
        self._now = now
        self._ended: dict[str, int] = {}
        #: Cookies do not know ports: two consoles on one machine must not take each other's.
        self.cookie = f"runweaver-{self._sign('cookie')[:8]}"

    def begin(self) -> str:
        """A new session, as its cookie."""
        said = f"{int(self._now()) + SESSION_S}.{secrets.token_hex(16)}"
        return f"{said}.{self._sign(f'session {said}')}"

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie; none where it was not made here, has run out, or was ended."""
        said, _, signature = (cookie or "").rpartition(".")
        if not same(signature, self._sign(f"session {said}")):
            return None
        until, _, session_id = said.partition(".")
        if int(until) <= self._now() or session_id in self._ended:
            return None
        return Session(session_id, int(until))

    def end(self, session: Session) -> None:
        """Its cookie opens nothing any more."""
        now = self._now()
        self._ended = {each: until for each, until in self._ended.items() if until > now}
        self._ended[session.id] = session.until

    def proof(self, session: Session) -> str:
        """What stands in the forms of a session: a page from elsewhere cannot know it."""
        return self._sign(f"form {session.id}")

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether both are the same, in constant time: how long it takes must not tell how much was right."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
