"""The last steps of finalizing, for some runs together: a summary is readable before them, and listed after them."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis
from redis.client import Pipeline

from runweaver.shared.keys import Keys
from runweaver.shared.replies import execute
from runweaver.shared.settings import FinalizerSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker.index import Indexed, add_to_indexes, announce
from runweaver.worker.marks import Marks, leave


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
    with client.pipeline(transaction=False) as pipeline:
        _index(pipeline, keys, written, kept_ms)
        for _, result in written:
            announce(pipeline, keys, result.summary, kept=settings.finished_kept)
        leave(pipeline, keys, ((each.run_id, each.marks) for each in done))
        _catch_up(pipeline, keys, written, kept_ms)


def _index(pipeline: Pipeline, keys: Keys, written: Sequence[tuple[Marks, Summarised]], kept_ms: int) -> None:
    entries = [Indexed(result.summary, marks.now_ms + kept_ms, result.replaced) for marks, result in written]
    add_to_indexes(pipeline, keys, entries)


def _catch_up(pipeline: Pipeline, keys: Keys, indexed: Sequence[tuple[Marks, Summarised]], kept_ms: int) -> None:
    """Do what the pipeline holds, and index again where another finalizer has written the next summary meanwhile.

    Its entries may have come before ours. But whoever indexes last sees the newest summary.
    """
    if not indexed:
        execute(pipeline)
        return
    pipeline.mget([keys.summary(result.summary.run_id) for _, result in indexed])
    stored = execute(pipeline)[-1]
    overtaken = [
        (marks, Summarised(RunSummary.model_validate_json(raw), raw, replaced=result.summary))
        for (marks, result), raw in zip(indexed, stored, strict=True)
        if raw and raw != result.raw
    ]
    if overtaken:
        _index(pipeline, keys, overtaken, kept_ms)
        _catch_up(pipeline, keys, overtaken, kept_ms)
