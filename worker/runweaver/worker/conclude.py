"""The last steps of finalizing, for some runs together: a summary is readable before them, and listed after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis import Redis

from runweaver.shared.cluster import Cluster
from runweaver.shared.exchange import Command
from runweaver.shared.keys import Keys
from runweaver.shared.round_trip import checked, round_trip
from runweaver.shared.settings import FinalizerSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker.index import Indexed, announcing, indexing
from runweaver.worker.marks import Marks, leaving


@dataclass(frozen=True)
class Summarised:
    """What stands under a run's summary key."""

    summary: RunSummary
    raw: bytes
    #: The summary that stood there before.
    replaced: RunSummary | None = None


@dataclass(frozen=True)
class Done:
    """A run that was looked at: what came of it, and what to take it out of."""

    run_id: str
    marks: Marks
    result: Summarised | None = None


def conclude(client: Redis, keys: Keys, settings: FinalizerSettings, done: Sequence[Done]) -> None:
    """Index and announce what was written, and take the runs out of the sets that brought us here."""
    written = [(each.marks, each.result) for each in done if each.result is not None]
    kept_ms = settings.summary_ttl_s * 1000
    listing = [
        *_indexing(keys, written, kept_ms),
        *(announcing(keys, result.summary, kept=settings.finished_kept) for _, result in written),
    ]
    leaving_all = list(leaving(keys, ((each.run_id, each.marks) for each in done)))
    if isinstance(client, Cluster) or settings.wait_replicas:
        # The sets are on other servers than the indexes: what leaves them must be listed first, for sure.
        checked(round_trip(client, listing, replicas=settings.wait_replicas))
        listing = []
    _catch_up(client, keys, [*listing, *leaving_all], written, kept_ms)


def _indexing(keys: Keys, written: Sequence[tuple[Marks, Summarised]], kept_ms: int) -> Iterator[Command]:
    return indexing(
        keys, [Indexed(result.summary, marks.now_ms + kept_ms, result.replaced) for marks, result in written]
    )


def _catch_up(
    client: Redis,
    keys: Keys,
    commands: Sequence[Command],
    indexed: Sequence[tuple[Marks, Summarised]],
    kept_ms: int,
) -> None:
    """Run these commands, and index again where another finalizer has written the next summary meanwhile.

    Its entries may have come before ours. But whoever indexes last sees the newest summary.
    """
    reading: list[Command] = [("GET", keys.summary(result.summary.run_id)) for _, result in indexed]
    stored = checked(round_trip(client, [*commands, *reading]))[len(commands) :]
    overtaken = [
        (marks, Summarised(RunSummary.model_validate_json(raw), raw, replaced=result.summary))
        for (marks, result), raw in zip(indexed, stored, strict=True)
        if raw and raw != result.raw
    ]
    if overtaken:
        _catch_up(client, keys, list(_indexing(keys, overtaken, kept_ms)), overtaken, kept_ms)
