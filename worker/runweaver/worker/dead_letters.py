"""Messages that could not be accepted: set aside with the reason, to be looked at, sent again, or dropped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from redis import Redis
from redis.client import Pipeline

from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.keys import Keys
from runweaver.shared.messages import entry_time
from runweaver.shared.replies import as_entries
from runweaver.worker.accept import Rejected

#: About how many are kept in each partition; the oldest go first.
KEPT_DEAD_LETTERS: Final = 100_000

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
    #: The id of the entry in which it came.
    entry_id: str
    #: One short word.
    code: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        r"""For `--json`. Bytes that are no text are shown as `\x…`."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "code": self.code,
            "reason": self.reason,
            "entry_id": self.entry_id,
            "message": self.message.decode(errors="backslashreplace"),
        }


def set_aside(pipeline: Pipeline, keys: Keys, rejected: Rejected) -> None:
    """Add a dead letter to what a pipeline does."""
    pipeline.xadd(
        keys.dead_letters(rejected.partition),
        {
            "message": rejected.raw,
            "entry": rejected.entry_id,
            "code": rejected.code,
            "reason": rejected.reason,
        },
        maxlen=KEPT_DEAD_LETTERS,
        approximate=True,
    )


class DeadLetters:
    """All dead letters of a namespace."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def __iter__(self) -> Iterator[DeadLetter]:
        """All of them, oldest first within each partition."""
        for partition in range(int(self._client.get(self._keys.partitions) or 1)):
            start = "-"
            while page := as_entries(self._client.xrange(self._keys.dead_letters(partition), start, "+", _PAGE)):
                for entry_id, fields in page:
                    yield _dead_letter(partition, entry_id, fields)
                start = f"({page[-1][0]}"

    def replay(self, letter_id: str) -> bool:
        """Send the message again, as it was, after what made it unacceptable was mended.

        Returns:
            Whether there was such a letter.
        """
        partition, entry_id = _split(letter_id)
        found = as_entries(self._client.xrange(self._keys.dead_letters(partition), entry_id, entry_id))
        if not found:
            return False
        with self._client.pipeline() as pipeline:
            pipeline.xadd(self._keys.messages(partition), {"replayed": found[0][1].get(b"message", b"")})
            pipeline.xdel(self._keys.dead_letters(partition), entry_id)
            pipeline.execute()
        return True

    def drop(self, letter_id: str) -> bool:
        """Forget a letter.

        Returns:
            Whether there was such a letter.
        """
        partition, entry_id = _split(letter_id)
        return bool(self._client.xdel(self._keys.dead_letters(partition), entry_id))


def _dead_letter(partition: int, entry_id: str, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=f"{partition}:{entry_id}",
        at=entry_time(entry_id),
        # Of a letter that somebody else put there, only what is there.
        message=fields.get(b"message", b""),
        entry_id=fields.get(b"entry", b"").decode(errors="replace"),
        code=fields.get(b"code", b"").decode(errors="replace"),
        reason=fields.get(b"reason", b"").decode(errors="replace"),
    )


def _split(letter_id: str) -> tuple[int, str]:
    parts = _LETTER_ID.fullmatch(letter_id)
    if parts is None:
        raise InvalidArgumentError(
            f"{letter_id!r:.100} is not the id of a dead letter: take one from `runweaver dead-letters list`"
        )
    return int(parts[1]), parts[2]
