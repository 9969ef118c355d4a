"""Events that a receiver did not take: kept to be looked at, posted again, or dropped."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from redis import Redis

from runweaver.console.webhooks.event import Event
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.keys import Keys
from runweaver.shared.messages import entry_time
from runweaver.shared.replies import as_entries

_PAGE: Final = 100
_LETTER_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


@dataclass(frozen=True)
class WebhookDeadLetter:
    """An event that was given up."""

    #: The entry's id, for `replay` and `drop`.
    id: str
    at: datetime
    #: The name of the hook.
    hook: str
    run_id: str
    revision: int
    webhook_id: str
    attempts: int
    reason: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "hook": self.hook,
            "run_id": self.run_id,
            "revision": self.revision,
            "webhook_id": self.webhook_id,
            "attempts": self.attempts,
            "reason": self.reason,
        }


class WebhookDeadLetters:
    """All dead letters of a namespace's webhooks. They name the summary, and do not hold it."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.webhook_dead_letters

    def add(self, hook: str, event: Event, *, attempts: int, reason: str, kept: int) -> None:
        """Add one; of more than about `kept`, the oldest go."""
        fields: Any = {
            "hook": hook,
            "run_id": event.run_id,
            "revision": event.revision,
            "webhook_id": event.webhook_id,
            "attempts": attempts,
            "reason": reason,
        }
        self._client.xadd(self._key, fields, maxlen=kept, approximate=True)

    def trim(self, *, before: datetime) -> None:
        """Forget those that are older, about."""
        self._client.xtrim(self._key, minid=f"{max(0, int(before.timestamp() * 1000))}-0", approximate=False)

    def __iter__(self) -> Iterator[WebhookDeadLetter]:
        """All of them, the oldest first; those that are added meanwhile are left out."""
        newest = as_entries(self._client.xrevrange(self._key, count=1))
        start = "-"
        while newest and (page := as_entries(self._client.xrange(self._key, start, newest[0][0], _PAGE))):
            for entry_id, fields in page:
                yield _read(entry_id, fields)
            start = f"({page[-1][0]}"

    def find(self, ids: Iterable[str] | None) -> Iterator[WebhookDeadLetter]:
        """Those of these letters that are there; or all.

        Raises:
            InvalidArgumentError: no letter can have such an id.
        """
        if ids is None:
            yield from self
            return
        for letter_id in ids:
            _check(letter_id)
            yield from (_read(*entry) for entry in as_entries(self._client.xrange(self._key, letter_id, letter_id)))

    def drop(self, letter_id: str) -> bool:
        """Forget a letter.

        Returns:
            Whether there was such a letter.

        Raises:
            InvalidArgumentError: no letter can have such an id.
        """
        _check(letter_id)
        return bool(self._client.xdel(self._key, letter_id))


def _read(entry_id: str, fields: dict[bytes, bytes]) -> WebhookDeadLetter:
    def text(name: str) -> str:
        return fields.get(name.encode(), b"").decode(errors="replace")

    def number(name: str) -> int:
        raw = text(name)
        return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 16 else 0  # noqa: PLR2004 - 53 bits

    return WebhookDeadLetter(
        id=entry_id,
        at=entry_time(entry_id),
        # Of a letter that somebody else put there, only what is there.
        hook=text("hook"),
        run_id=text("run_id"),
        revision=number("revision"),
        webhook_id=text("webhook_id"),
        attempts=number("attempts"),
        reason=text("reason"),
    )


def _check(letter_id: str) -> None:
    if not _LETTER_ID.fullmatch(letter_id):
        raise InvalidArgumentError(
            f"{letter_id!r:.100} is not the id of a dead letter: take one from `runweaver webhooks dead-letters list`"
        )
