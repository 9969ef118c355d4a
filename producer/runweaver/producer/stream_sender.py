"""Puts batches of messages onto the message streams, one entry a batch."""

import time
from collections.abc import Sequence
from itertools import count
from typing import Final

from redis.exceptions import NoPermissionError, ReadOnlyError

from runweaver.producer.outbox import BATCH_MESSAGES
from runweaver.producer.spool_file import Batches
from runweaver.producer.trouble import BacklogError
from runweaver.shared.connection import connect
from runweaver.shared.exchange import Command
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.partitions import raise_partitions
from runweaver.shared.round_trip import checked, round_trip

#: How long to wait for the server. Longer, and a buffer could fill up meanwhile.
_TIMEOUT_S: Final = 2.0

#: How often to look how long the streams are.
_LOOK_EVERY_S: Final = 1.0

#: Of the average entry, how much of the old value stays with each new one.
_INERTIA: Final = 0.9

_log = get_logger(__name__)

#: One name for each message of an entry: they mean nothing, but many clients read an entry into a dictionary.
_FIELDS = tuple(map(str, range(BATCH_MESSAGES)))


class StreamSender:
    """Connects when there is something to send."""

    def __init__(self, url: str, keys: Keys, *, partitions: int, max_backlog: int, replicas: int = 0) -> None:
        """Nothing is connected yet.

        Args:
            url: where the server is.
            keys: of our namespace.
            partitions: over how many streams to spread the messages.
            max_backlog: about how many messages a stream may hold.
            replicas: how many must have a message, before it counts as sent.
        """
        # `Sender` sees to retries: here they would only make closing slow.
        self._client = connect(url, name="producer", retries=0, timeout_s=_TIMEOUT_S)
        self._streams = [keys.messages(partition) for partition in range(partitions)]
        self._keys = keys
        self._max_backlog = max_backlog
        self._replicas = replicas
        self._open_streams = self._streams
        self._look_at = 0.0
        self._can_look = True
        self._messages_an_entry = 1.0
        self._turn = count()
        self._is_announced = partitions == 1

    def __call__(self, batches: Batches) -> None:
        """Put all batches onto the server, or raise: then any part of them may be there.

        Raises:
            RedisError: the server does not take them now.
            BacklogError: it would, but too many messages wait there already.
        """
        try:
            if not self._is_announced:
                self._announce()
            if time.monotonic() >= self._look_at:
                self._look()
            self._add(batches)
        except ReadOnlyError:
            # We talk to a replica: what was the primary when we connected is none any more.
            self._client.connection_pool.disconnect()
            raise

    def close(self) -> None:
        self._client.close()

    def _add(self, batches: Batches) -> None:
        commands: list[Command] = []
        for batch in batches:
            # Spread evenly: any worker may merge any message.
            key = self._open_streams[next(self._turn) % len(self._open_streams)]
            commands.append(("XADD", key, "*", *(part for pair in zip(_FIELDS, batch, strict=False) for part in pair)))
            self._messages_an_entry += (1 - _INERTIA) * (len(batch) - self._messages_an_entry)
        checked(round_trip(self._client, commands, replicas=self._replicas))

    def _look(self) -> None:
        """See which streams still have room.

        A stream's length is in entries. The others' entries are taken to be like our own, since we may not read them.
        """
        if not self._can_look:
            return
        lengths = self._lengths()
        entries = max(1.0, self._max_backlog / self._messages_an_entry)
        self._open_streams = [stream for stream, length in zip(self._streams, lengths, strict=True) if length < entries]
        if not self._open_streams:
            raise BacklogError(
                f"about {min(lengths) * self._messages_an_entry:,.0f} messages wait to be merged, and a stream should "
                f"hold no more than {self._max_backlog:,} (RUNWEAVER_MAX_BACKLOG): start more workers"
            )
        # Only where there is room: where there is none, each try looks first.
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    def _lengths(self) -> Sequence[int]:
        try:
            return checked(round_trip(self._client, [("XLEN", stream) for stream in self._streams]))
        except NoPermissionError:
            _log.warning("not allowed to see how many messages wait (XLEN): sending whatever their number")
            self._can_look = False
            return [0] * len(self._streams)

    def _announce(self) -> None:
        """Workers serve as many partitions as anybody ever used: make sure that ours are among them."""
        try:
            raise_partitions(self._client, self._keys, len(self._streams))
        except NoPermissionError:
            _log.warning(
                "not allowed to announce the number of partitions: give the workers at least this one",
                partitions=len(self._streams),
            )
        self._is_announced = True
