"""For an entry that workers keep dying of: its messages one by one, so that only the poison is set aside.

What is being tried is noted on the server first. A note that is found again is the note of a worker that died.
"""

from typing import Final

from redis import Redis

from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.worker.accept import Batch, Rejected, accept
from runweaver.worker.consume import Entry
from runweaver.worker.merge import Merger

#: An entry that was delivered so often is suspected to kill its workers.
SUSPICIOUS_DELIVERIES: Final = 5

_TRYING: Final = b"trying"
_DONE: Final = b"done"
_NOTES_TTL_S: Final = 24 * 60 * 60

_log = get_logger(__name__)


class Isolator:
    """Merges suspicious entries with care."""

    def __init__(self, client: Redis, merger: Merger, keys: Keys, *, max_message_bytes: int) -> None:
        self._client = client
        self._merger = merger
        self._keys = keys
        self._max_message_bytes = max_message_bytes

    def merge(self, entry: Entry) -> None:
        """Merge an entry's messages each by itself, set aside the one that a worker died of, and acknowledge.

        Raises:
            RedisError: the server does not take it now. Do it again with the same entry.
        """
        _log.warning("an entry was delivered again and again, trying its messages one by one", entry=entry.id)
        notes = self._keys.suspects(entry.partition)
        names = [f"{entry.id}/{position}" for position in range(len(entry.messages))]
        rejected = []
        for position, name in enumerate(names):
            note = self._client.hget(notes, name)
            if note == _TRYING:
                reason = f"workers died of it: its entry was delivered {entry.deliveries} times"
                rejected.append(
                    Rejected(entry.partition, entry.id, position, entry.messages[position], "deadly", reason)
                )
            elif note is None:
                self._client.hset(notes, name, _TRYING)
                self._client.expire(notes, _NOTES_TTL_S)
                alone = accept([entry], max_message_bytes=self._max_message_bytes, only=position)
                rejected += alone.rejected
                self._merger.merge(Batch([], alone.runs))
                self._client.hset(notes, name, _DONE)
        self._merger.merge(Batch([entry], rejected=rejected))
        if names:
            self._client.hdel(notes, *names)
