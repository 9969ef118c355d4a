"""What the unit tests make messages and runs with, without a server."""

from datetime import UTC, datetime, timedelta

from runweaver.shared.archive import Archive, StoredRun
from runweaver.shared.run import Run
from runweaver.worker.accept import accept
from runweaver.worker.consume import Entry

RUN_ID = "run-1"

#: When the tests' runs take place.
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

#: The entry in which `stored` finds all messages: ten minutes after the beginning.
ENTRY_TIME = BEGINNING + timedelta(minutes=10)
ENTRY_MS = int(ENTRY_TIME.timestamp() * 1000)
ENTRY_ID = f"{ENTRY_MS}-0"


def moment(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return BEGINNING + timedelta(seconds=seconds)


def at(seconds: float) -> str:
    """The same as JSON."""
    return moment(seconds).isoformat()


def accepted(*entries: Entry) -> dict[str, bytes]:
    """What a worker stores of these entries: JSON under identities. All messages must be good, and of one run."""
    batch = accept(entries, max_message_bytes=1024 * 1024)
    assert [] == batch.rejected
    fields = [field for run in batch.runs.values() for field in run.fields]
    assert len(batch.runs) <= 1
    return {str(name): bytes(raw) for name, raw in zip(fields[::2], fields[1::2], strict=True)}  # type: ignore[arg-type]


def stored(*raws: str) -> dict[str, bytes]:
    """What a worker stores of these messages, which came in one entry."""
    return accepted(Entry(0, ENTRY_ID, tuple(raw.encode() for raw in raws)))


def fold_of(*raws: str) -> Run:
    """The run that these messages tell of."""
    return fold_stored(stored(*raws))


def fold_stored(messages: dict[str, bytes]) -> Run:
    """The run that this stored set tells of."""
    return StoredRun(RUN_ID, Archive(), messages).fold()
