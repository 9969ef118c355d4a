"""Keeps runs from growing beyond what a finalizer can hold in its memory."""

from collections.abc import Iterable, Mapping
from typing import Final

from redis import Redis

from runweaver.shared.exchange import Command
from runweaver.shared.keys import Keys
from runweaver.shared.round_trip import checked, round_trip
from runweaver.worker.accept import Batch

#: How many full runs to remember. One that was forgotten is found again with its next messages.
_MOST_REMEMBERED: Final = 10_000

#: From so many messages, or with so many bytes in one batch, a run may be a large one, and is weighed.
_MANY_MESSAGES: Final = 1_000
_MANY_BYTES: Final = 256 * 1024

#: The server weighs a run by so many of its messages.
_SAMPLES: Final = 50


class FullRuns:
    """The runs that have as much as a run may have, as far as this worker has seen."""

    def __init__(self, client: Redis, keys: Keys, *, max_messages: int, max_bytes: int) -> None:
        """Remembers nothing yet.

        Args:
            client: of the server with the runs.
            keys: of our namespace.
            max_messages: that a run may have.
            max_bytes: of the server's memory that a run may take up, about.
        """
        self._client = client
        self._keys = keys
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._full: set[str] = set()

    def keep_out(self, batch: Batch) -> None:
        """Set aside what would make a full run larger. Its beginnings and ends are still taken."""
        for run_id, (length, size) in self._weigh(self._full.intersection(batch.runs)).items():
            if not self._is_full(length, size):
                self._full.discard(run_id)  # it was summarised meanwhile
                continue
            kept, others = batch.runs.pop(run_id).split()
            reason = f"the run has {length:,} messages and about {size:,} bytes, which is all it may have"
            batch.rejected += others.rejected("run-full", reason)
            if kept.origins:
                batch.runs[run_id] = kept

    def look(self, batch: Batch, lengths: Mapping[str, int]) -> None:
        """See which runs are full now.

        Args:
            batch: it was just stored.
            lengths: how many messages its runs have.
        """
        large = [
            run_id
            for run_id, length in lengths.items()
            if length >= min(_MANY_MESSAGES, self._max_messages) or batch.runs[run_id].size >= _MANY_BYTES
        ]
        for run_id, (length, size) in self._weigh(large).items():
            if self._is_full(length, size):
                if len(self._full) >= _MOST_REMEMBERED:
                    self._full.clear()
                self._full.add(run_id)

    def _is_full(self, length: int, size: int) -> bool:
        return length >= self._max_messages or size >= self._max_bytes

    def _weigh(self, run_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """How many messages these runs have, and about how many bytes."""
        names = list(run_ids)
        if not names:
            return {}
        commands: list[Command] = []
        for run_id in names:
            commands.append(("HLEN", self._keys.run(run_id)))
            commands.append(("MEMORY", "USAGE", self._keys.run(run_id), "SAMPLES", _SAMPLES))
        replies = checked(round_trip(self._client, commands))
        return {
            run_id: (length, size or 0) for run_id, length, size in zip(names, replies[::2], replies[1::2], strict=True)
        }
