"""Takes entries from the message streams: new ones, our own that were never acknowledged, and what the dead left."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

from runweaver.shared.consumer_group import forget_dead
from runweaver.shared.keys import WORKER_GROUP, Keys
from runweaver.shared.log import get_logger

#: How long a read waits on the server for something to come.
BLOCK_S: Final = 1.0

#: A batch is about this many messages and bytes, however many of them an entry holds. How many entries that will be is
#: guessed from the last read, and is never more than twice as many as came then: else a few small entries in a quiet
#: hour, or a start, would let hundreds of the largest in at once.
_BATCH_MESSAGES: Final = 4_000
_BATCH_BYTES: Final = 8 * 1024 * 1024
_MOST_ENTRIES: Final = 250
_FIRST_ENTRIES: Final = 2

#: An entry id that none of ours comes after.
_PAST_ALL: Final = f"{2**64 - 1}-0"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream entry: one or many messages."""

    partition: int
    id: str
    #: As received, in order. None at all where the entry was deleted while it was pending.
    messages: tuple[bytes, ...]
    #: How often it was delivered, where another worker had it before.
    deliveries: int = 1


class Consumer:
    """One member of the workers' consumer group, on all partitions."""

    def __init__(self, client: Redis, keys: Keys, name: str, *, partitions: int, claim_after_s: float) -> None:
        """Take part as `name`, on a client whose socket waits longer than `BLOCK_S` and that does not retry.

        A retried read would get other entries than the one whose reply was lost.
        """
        self._client = client
        # The driver's own reply is a dictionary for each entry, in which equal field names would be lost.
        for command in ("XREADGROUP", "XAUTOCLAIM"):
            client.set_response_callback(command, _as_received)
        self._keys = keys
        self._name = name
        self._claim_after_s = claim_after_s
        self._next_claim_at = 0.0
        self._entries_a_read = _FIRST_ENTRIES
        #: How far we have read again what was delivered to us but never acknowledged; none where that is done.
        self._recovered_to: dict[int, str] | None = {}
        #: How many partitions to serve; may grow at any time, and is followed up at the next read.
        self.partitions = partitions
        self._joined = 0

    def read(self) -> list[Entry]:
        """The next entries, or none after `BLOCK_S`.

        First those that were delivered to us but never acknowledged (after a broken connection, replies are lost),
        now and then those that another worker left lying, and otherwise new ones.
        """
        try:
            self._join()
            entries = self._left_over() or self._new()
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            # The server lost its data or somebody deleted the stream. What is in there now is ours to read.
            _log.warning("the consumer group is gone, creating it again")
            self.lost_connection()
            return []
        if not entries:
            self._show_up()
        self._adapt(entries)
        return entries

    def lost_connection(self) -> None:
        """Begin again with what may have been delivered to us unheard."""
        self._recovered_to = {}
        self._joined = 0

    def leave(self) -> None:
        """Take our name off the group, unless something is still pending under it."""
        for partition in range(self._joined):
            stream = self._keys.messages(partition)
            pending = self._client.xpending_range(stream, WORKER_GROUP, "-", "+", 1, consumername=self._name)
            if not pending:
                self._client.xgroup_delconsumer(stream, WORKER_GROUP, self._name)

    def _join(self) -> None:
        while self._joined < self.partitions:
            try:
                self._client.xgroup_create(self._keys.messages(self._joined), WORKER_GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            self._joined += 1

    def _new(self) -> list[Entry]:
        return self._read_group([">"] * self._joined, block=True)

    def _show_up(self) -> None:
        """Before Redis 7.2, waiting in vain does not count: in a quiet hour we would be taken for dead.

        Looking for what is pending counts, though nothing is.
        """
        self._read_group([_PAST_ALL], block=False)

    def _left_over(self) -> list[Entry]:
        if self._recovered_to is not None:
            after = [self._recovered_to.get(partition, "0") for partition in range(self._joined)]
            entries = self._read_group(after, block=False)
            if entries:
                self._recovered_to |= {entry.partition: entry.id for entry in entries}
                return entries
            self._recovered_to = None
        if time.monotonic() >= self._next_claim_at:
            entries = [entry for partition in range(self._joined) for entry in self._claim(partition)]
            if entries:
                _log.info("took over entries that another worker left", entries=len(entries))
                return entries
            self._forget_dead()
            self._next_claim_at = time.monotonic() + self._claim_after_s / 4
        return []

    def _read_group(self, after: Sequence[str], *, block: bool) -> list[Entry]:
        streams = [self._keys.messages(partition) for partition in range(len(after))]
        reply = self._client.execute_command(
            "XREADGROUP",
            *("GROUP", WORKER_GROUP, self._name, "COUNT", self._entries_a_read),
            *(("BLOCK", int(BLOCK_S * 1000)) if block else ()),
            *("STREAMS", *streams, *after),
        )
        pairs = reply.items() if isinstance(reply, dict) else reply or ()
        partition_of_stream = {stream.encode(): partition for partition, stream in enumerate(streams)}
        return [entry for stream, found in pairs for entry in _entries(partition_of_stream[stream], found)]

    def _claim(self, partition: int) -> list[Entry]:
        cursor = b"0-0"
        while True:
            cursor, found, *_ = self._client.execute_command(
                "XAUTOCLAIM",
                *(self._keys.messages(partition), WORKER_GROUP, self._name),
                *(int(self._claim_after_s * 1000), cursor, "COUNT", self._entries_a_read),
            )
            # Redis 6.2 tells entries that were deleted while they were pending as nothing at all.
            entries = list(_entries(partition, [entry for entry in found if entry is not None]))
            if entries or cursor == b"0-0":
                return self._with_deliveries(partition, entries)

    def _forget_dead(self) -> None:
        """What dead workers left has been taken over: nothing is left of them but their names."""
        for partition in range(self._joined):
            stream = self._keys.messages(partition)
            forget_dead(self._client, stream, WORKER_GROUP, idle_s=self._claim_after_s)

    def _with_deliveries(self, partition: int, entries: list[Entry]) -> list[Entry]:
        if not entries:
            return []
        stream, first, last = self._keys.messages(partition), entries[0].id, entries[-1].id
        pending: Any = self._client.xpending_range(
            stream, WORKER_GROUP, first, last, 2 * _MOST_ENTRIES, consumername=self._name
        )
        times = {each["message_id"].decode(): each["times_delivered"] for each in pending}
        return [replace(entry, deliveries=int(times.get(entry.id, 1))) for entry in entries]

    def _adapt(self, entries: list[Entry]) -> None:
        messages = sum(len(entry.messages) for entry in entries)
        size = sum(len(raw) for entry in entries for raw in entry.messages)
        if messages:
            by_messages = _BATCH_MESSAGES * len(entries) // messages
            by_size = _BATCH_BYTES * len(entries) // max(1, size)
            self._entries_a_read = max(1, min(_MOST_ENTRIES, by_messages, by_size, 2 * len(entries)))


def _as_received(reply: Any, **_options: Any) -> Any:
    return reply


def _entries(partition: int, found: Iterable[Any]) -> Iterator[Entry]:
    for entry_id, fields in found:
        yield Entry(partition, entry_id.decode(), tuple(fields[1::2]) if fields else ())
