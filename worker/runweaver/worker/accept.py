"""From stream entries to a batch that can be merged: validate each message by itself, and group them by run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from runweaver.shared.admission import admit
from runweaver.shared.errors import InvalidMessageError
from runweaver.worker.consume import Entry

#: The types of messages that tell of a beginning or an end.
LIFECYCLE: Final = frozenset({"run_started", "run_ended", "producer_left"})


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be accepted, and why."""

    partition: int
    #: The entry that brought it, and its place there. What had been stored already has its identity instead.
    entry_id: str
    position: int
    raw: bytes
    #: One short word, see `InvalidMessageError`.
    code: str
    reason: str


@dataclass(slots=True)
class RunMessages:
    """What a batch holds for one run."""

    #: Identity and JSON in turn, as `HSET` takes them.
    fields: list[str | bytes] = field(default_factory=list)
    #: Where each of them was found: its entry, and its place there.
    origins: list[tuple[Entry, int]] = field(default_factory=list)
    #: Which of them tell of a beginning or an end: their indexes in `origins`.
    lifecycle: list[int] = field(default_factory=list)
    #: Whether the end of the run is among them.
    ends: bool = False

    @property
    def size(self) -> int:
        """Bytes of JSON."""
        return sum(map(len, self.fields[1::2]))

    def rejected(self, code: str, reason: str) -> Iterator[Rejected]:
        """All of them as messages that cannot be accepted after all, as they were received."""
        for entry, position in self.origins:
            yield Rejected(entry.partition, entry.id, position, entry.messages[position], code, reason)

    def split(self) -> tuple["RunMessages", "RunMessages"]:
        """Those that tell of a beginning or an end, and all others."""
        kept, others = RunMessages(ends=self.ends), RunMessages()
        lifecycle = set(self.lifecycle)
        for index, origin in enumerate(self.origins):
            part = kept if index in lifecycle else others
            part.fields += self.fields[2 * index : 2 * index + 2]
            part.origins.append(origin)
        kept.lifecycle = list(range(len(kept.origins)))
        return kept, others


@dataclass(slots=True)
class Batch:
    """Entries on their way into the runs."""

    entries: list[Entry]
    runs: dict[str, RunMessages] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def message_count(self) -> int:
        """How many messages came in, good and bad."""
        return sum(len(entry.messages) for entry in self.entries)

    def messages_alone(self) -> Iterator["Batch"]:
        """Each good message as a batch of its own, with no entry to acknowledge."""
        for run_id, run in self.runs.items():
            for index, origin in enumerate(run.origins):
                lifecycle = [0] if index in run.lifecycle else []
                alone = RunMessages(run.fields[2 * index : 2 * index + 2], [origin], lifecycle, run.ends)
                yield Batch([], {run_id: alone})


def accept(entries: Sequence[Entry], *, max_message_bytes: int, only: int | None = None) -> Batch:
    """Sort the messages of these entries: the good to their runs, the bad aside, each by itself.

    Args:
        entries: as they were read.
        max_message_bytes: longer messages are bad.
        only: look at the message in this place of each entry, and at no other.
    """
    batch = Batch(list(entries))
    for entry in entries:
        for position, raw in enumerate(entry.messages):
            if only is not None and position != only:
                continue
            try:
                message = admit(
                    raw, partition=entry.partition, entry_id=entry.id, position=position, max_bytes=max_message_bytes
                )
            except InvalidMessageError as error:
                batch.rejected.append(Rejected(entry.partition, entry.id, position, raw, error.code, str(error)))
                continue
            except Exception as error:  # noqa: BLE001 - whatever bytes do to us, their neighbours go on
                batch.rejected.append(Rejected(entry.partition, entry.id, position, raw, "failed", repr(error)))
                continue
            run = batch.runs.get(message.run_id)
            if run is None:
                run = batch.runs[message.run_id] = RunMessages()
            if message.type in LIFECYCLE:
                run.lifecycle.append(len(run.origins))
                run.ends = run.ends or message.type == "run_ended"
            run.fields += (message.identity, message.stored)
            run.origins.append((entry, position))
    return batch
