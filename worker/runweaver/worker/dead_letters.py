"""Messages that could not be accepted: set aside with the reason, to be looked at, sent again, or dropped."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from redis import Redis

from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.exchange import Command
from runweaver.shared.keys import Keys
from runweaver.shared.messages import entry_time
from runweaver.shared.replies import as_entries
from runweaver.worker.accept import Rejected

_PAGE: Final = 100

_LETTER_ID: Final = re.compile(r"([0-9]{1,4}):([0-9]{1,20}-[0-9]{1,20})")


@dataclass(frozen=True)
class DeadLetter:
    """A message that was set aside."""

    #: `<partition>:<entry id>`, for `replay` and `drop`.
    id: str
    at: datetime
    #: The message, byte for byte.
    message: bytes
    #: The id of the entry in which it came; or its identity, where it had been stored in its run before.
    entry_id: str
    #: Its place in that entry.
    position: int
    #: One short word.
    code: str
    reason: str

    @property
    def partition(self) -> int:
        return int(self.id.partition(":")[0])

    def as_json(self) -> dict[str, Any]:
        r"""For `--json`. Bytes that are no text are shown as `\x…`."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "code": self.code,
            "reason": self.reason,
            "entry_id": self.entry_id,
            "position": self.position,
            "message": self.message.decode(errors="backslashreplace"),
        }


def setting_aside(keys: Keys, rejected: Rejected, *, kept: int) -> Command:
    """What adds a dead letter; of more than about `kept` in its partition, the oldest go."""
    return (
        *("XADD", keys.dead_letters(rejected.partition), "MAXLEN", "~", kept, "*"),
        *("message", rejected.raw),
        *("entry", rejected.entry_id),
        *("position", rejected.position),
        *("code", rejected.code),
        *("reason", rejected.reason),
    )


class DeadLetters:
    """All dead letters of a namespace."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def __iter__(self) -> Iterator[DeadLetter]:
        """All of them, oldest first within each partition."""
        return self.after(None)

    def after(self, letter_id: str | None) -> Iterator[DeadLetter]:
        """The same, from the one that comes after this letter, whether that is still there or not.

        Raises:
            InvalidArgumentError: no letter can have such an id.
        """
        first, entry_id = _split(letter_id) if letter_id is not None else (0, None)
        for partition in range(first, self._partitions()):
            start = f"({entry_id}" if entry_id is not None and partition == first else "-"
            while page := as_entries(self._client.xrange(self._keys.dead_letters(partition), start, "+", _PAGE)):
                for entry_id, fields in page:
                    yield _dead_letter(partition, entry_id, fields)
                start = f"({page[-1][0]}"

    def find(self, ids: Iterable[str] | None) -> Iterator[DeadLetter]:
        """Those of these letters that are there; or all, as they are now.

        Raises:
            InvalidArgumentError: no letter can have such an id.
        """
        if ids is not None:
            yield from (letter for letter in map(self.get, ids) if letter is not None)
            return
        # What is added while this goes on (a letter that was refused again) would never let it come to an end.
        last = {partition: self._last(partition) for partition in range(self._partitions())}
        for letter in self:
            partition, entry_id = _split(letter.id)
            if _order(entry_id) <= _order(last.get(partition, "0-0")):
                yield letter

    def get(self, letter_id: str) -> DeadLetter | None:
        """One letter; none where it is not there (any more).

        Raises:
            InvalidArgumentError: no letter can have such an id.
        """
        partition, entry_id = _split(letter_id)
        found = as_entries(self._client.xrange(self._keys.dead_letters(partition), entry_id, entry_id))
        return _dead_letter(partition, *found[0]) if found else None

    def drop(self, letter_id: str) -> bool:
        """Forget a letter.

        Returns:
            Whether there was such a letter.

        Raises:
            InvalidArgumentError: no letter can have such an id.
        """
        partition, entry_id = _split(letter_id)
        return bool(self._client.xdel(self._keys.dead_letters(partition), entry_id))

    def _partitions(self) -> int:
        return int(self._client.get(self._keys.partitions) or 1)

    def _last(self, partition: int) -> str:
        newest = as_entries(self._client.xrevrange(self._keys.dead_letters(partition), count=1))
        return newest[0][0] if newest else "0-0"


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, counter = entry_id.partition("-")
    return int(milliseconds), int(counter)


def _dead_letter(partition: int, entry_id: str, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=f"{partition}:{entry_id}",
        at=entry_time(entry_id),
        # Of a letter that somebody else put there, only what is there.
        message=fields.get(b"message", b""),
        entry_id=fields.get(b"entry", b"").decode(errors="replace"),
        position=_position(fields.get(b"position", b"0")),
        code=fields.get(b"code", b"").decode(errors="replace"),
        reason=fields.get(b"reason", b"").decode(errors="replace"),
    )


def _position(raw: bytes) -> int:
    return int(raw) if raw.isdigit() and len(raw) < 7 else 0  # noqa: PLR2004 - no entry has a million messages


def _split(letter_id: str) -> tuple[int, str]:
    match = _LETTER_ID.fullmatch(letter_id)
    if match is None:
        raise InvalidArgumentError(
            f"{letter_id!r:.100} is not the id of a dead letter: take one from `runweaver dead-letters list`"
        )
    return int(match[1]), match[2]
