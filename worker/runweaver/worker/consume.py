"""Takes entries from the message streams: new ones, our own that were never acknowledged, and what the dead left."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

from runweaver.shared.cluster import Cluster
from runweaver.shared.consumer_group import forget_dead
from runweaver.shared.exchange import Command
from runweaver.shared.keys import WORKER_GROUP, Keys
from runweaver.shared.log import get_logger
from runweaver.shared.round_trip import checked, round_trip

#: How long a read waits on the server for something to come.
BLOCK_S: Final = 1.0

#: In a cluster nothing can wait at all partitions at once: how long to wait after a look that found nothing.
_LOOK_AGAIN_S: Final = 0.02

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
        """Take part as `name`, on a client whose socket waits longer than `BLOCK_S`."""
        self._client = client
        self._keys = keys
        self._name = name
        self._claim_after_s = claim_after_s
        self._next_claim_at = 0.0
        self._show_up_at = 0.0
        self._entries_a_read = _FIRST_ENTRIES
        #: Whether the last read found nothing, and where the next one begins, if it cannot ask for all partitions.
        self._is_idle = True
        self._turn = 0
        #: How far we have read again what was delivered to us but never acknowledged; none where that is done.
        self._recovered_to: dict[int, str] | None = {}
        #: How many partitions to serve; may grow at any time, and is followed up at the next read.
        self.partitions = partitions
        self._joined = 0
        #: How many entries were taken over from other workers.
        self.claimed = 0

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
        """New entries: from all partitions where that is no more than a batch, or else from some in turn."""
        many = self._joined if self._is_idle else min(self._joined, self._entries_a_read)
        partitions = [(self._turn + each) % self._joined for each in range(many)]
        self._turn = (self._turn + many) % self._joined
        entries = self._read_group(dict.fromkeys(partitions, ">"), block=many == self._joined)
        self._is_idle = not entries
        if self._is_idle and time.monotonic() >= self._show_up_at:
            self._show_up()
        return entries

    def _show_up(self) -> None:
        """Before Redis 7.2, looking in vain does not count: in a quiet hour we would be taken for dead.

        Looking for what is pending counts, though nothing is.
        """
        self._read_group({0: _PAST_ALL}, block=False)
        self._show_up_at = time.monotonic() + BLOCK_S

    def _left_over(self) -> list[Entry]:
        if self._recovered_to is not None:
            after = {partition: self._recovered_to.get(partition, "0") for partition in range(self._joined)}
            entries = self._read_group(after, block=False)
            if entries:
                self._recovered_to |= {entry.partition: entry.id for entry in entries}
                return entries
            self._recovered_to = None
        if time.monotonic() >= self._next_claim_at:
            entries = [entry for partition in range(self._joined) for entry in self._claim(partition)]
            if entries:
                _log.info("took over entries that another worker left", entries=len(entries))
                self.claimed += len(entries)
                return entries
            self._forget_dead()
            self._next_claim_at = time.monotonic() + self._claim_after_s / 4
        return []

    def _read_group(self, after: Mapping[int, str], *, block: bool) -> list[Entry]:
        """Read what comes after these ids, of each partition."""
        reading = ("XREADGROUP", "GROUP", WORKER_GROUP, self._name, "COUNT", max(1, self._entries_a_read // len(after)))
        streams = {self._keys.messages(partition): partition for partition in after}
        if isinstance(self._client, Cluster):
            # A command has the keys of one slot. None of them blocks: it would keep us from what others have.
            commands: list[Command] = [
                (*reading, "STREAMS", stream, after[partition]) for stream, partition in streams.items()
            ]
        else:
            waiting = ("BLOCK", int(BLOCK_S * 1000)) if block else ()
            commands = [(*reading, *waiting, "STREAMS", *streams, *after.values())]
        # Raw: the driver makes a dictionary of each entry, in which equal field names would be lost.
        replies = checked(round_trip(self._client, commands))
        entries = [entry for reply in replies for entry in _entries_of(reply, streams)]
        if block and not entries and isinstance(self._client, Cluster):
            time.sleep(_LOOK_AGAIN_S)
        return entries

    def _claim(self, partition: int) -> list[Entry]:
        cursor = b"0-0"
        while True:
            claiming: Command = (
                *("XAUTOCLAIM", self._keys.messages(partition), WORKER_GROUP, self._name),
                *(int(self._claim_after_s * 1000), cursor, "COUNT", self._entries_a_read),
            )
            ((cursor, found, *_),) = checked(round_trip(self._client, [claiming]))
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


def _entries_of(reply: Any, streams: Mapping[str, int]) -> Iterator[Entry]:
    """What a read found, in the form of either protocol."""
    for stream, found in reply.items() if isinstance(reply, dict) else reply or ():
        yield from _entries(streams[stream.decode()], found)


def _entries(partition: int, found: Iterable[Any]) -> Iterator[Entry]:
    for entry_id, fields in found:
        yield Entry(partition, entry_id.decode(), tuple(fields[1::2]) if fields else ())
