"""Turns the message sets of ended runs into summaries.

Every step can be repeated. A message that is stored meanwhile breaks the `WATCH`; one that is stored later finds
the archive, and makes the run due again under another score. So nothing is lost between the last look and the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from runweaver.shared.archive import StoredRun
from runweaver.shared.connection import concerns_one_key
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.messages import parse_stored
from runweaver.shared.replies import execute
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import FinalizerSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker.accept import LIFECYCLE, Rejected
from runweaver.worker.dead_letters import set_aside
from runweaver.worker.index import (
    EXPIRY_GRACE_S,
    Indexed,
    add_to_indexes,
    announce,
    remove_from_indexes,
    stale_keys,
)
from runweaver.worker.jobs import JobQueue
from runweaver.worker.marks import Marks, leave, read_marks
from runweaver.worker.narrate import Narrator, PlainNarrator
from runweaver.worker.watching import watch_and_read

#: Runs whose last steps are done together: a summary is readable before that, and listed after it.
_RUNS_AT_ONCE: Final = 20

#: How often a run is read again because messages came in between, before it is left for the sweep.
_MOST_ATTEMPTS: Final = 10

#: When a run that cannot be finalized is looked at again.
_FAILED_AGAIN_MS: Final = 60 * 60 * 1000

#: `HDEL` at most so many fields at once.
_FIELDS_AT_ONCE: Final = 5_000

_log = get_logger(__name__)


@dataclass(frozen=True)
class _Asked:
    """What a job wants of a run."""

    run_id: str
    settled: bool
    silent_since: float | None


@dataclass(frozen=True)
class _Summarised:
    """What stands under a run's summary key now."""

    summary: RunSummary
    raw: bytes
    #: The summary that stood there before.
    replaced: RunSummary | None = None


@dataclass(frozen=True)
class _Done:
    """A run that was looked at: what came of it, and what to take it out of."""

    run_id: str
    marks: Marks
    result: _Summarised | None = None


class Finalizer:
    """Looks at runs, and summarises those that are ready."""

    def __init__(
        self,
        client: Redis,
        jobs: JobQueue,
        keys: Keys,
        *,
        narrator: Narrator,
        settings: FinalizerSettings,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._keys = keys
        self._narrator = narrator
        self._settings = settings
        self._is_stopping = False

    def stop(self) -> None:
        """Leave the rest of the job to others. May be called from a signal handler."""
        self._is_stopping = True

    def finalize(self, run_ids: Sequence[str], *, settled: bool = False) -> None:
        """Summarise these runs where they are ready.

        Args:
            run_ids: they have ended, or somebody thought so.
            settled: they have waited long enough: do not wait for messages that may be missing.
        """
        self._each(run_ids, settled=settled, silent_since={})

    def finalize_silent(self, silent_since: Mapping[str, float]) -> None:
        """Summarise these runs as stuck, each unless something was heard of it since then (ms)."""
        self._each(list(silent_since), settled=True, silent_since=silent_since)

    def _each(self, run_ids: Sequence[str], *, settled: bool, silent_since: Mapping[str, float]) -> None:
        partitions = int(self._client.get(self._keys.partitions) or 1)
        for start in range(0, len(run_ids), _RUNS_AT_ONCE):
            some = run_ids[start : start + _RUNS_AT_ONCE]
            if self._is_stopping:
                _log.info("stopping, the sweep will ask for the rest of the job", runs=len(run_ids) - start)
                return
            done: list[_Done] = []
            try:
                for run_id, marks in zip(some, read_marks(self._client, self._keys, some, partitions), strict=True):
                    if self._is_stopping:
                        break
                    asked = _Asked(run_id, settled=settled, silent_since=silent_since.get(run_id))
                    done += self._isolated(asked, marks, is_alone=len(run_ids) == 1)
            finally:
                self._conclude(done)

    def _isolated(self, asked: _Asked, marks: Marks, *, is_alone: bool) -> list[_Done]:
        """Look at a run. If it fails, the others of its job go on, and it is tried again by itself."""
        try:
            return self._until_unchanged(asked, marks)
        except Exception as error:
            if isinstance(error, RedisError) and not concerns_one_key(error):
                raise
            again_at = marks.now_ms + _FAILED_AGAIN_MS
            self._client.zadd(self._keys.due(marks.home), {asked.run_id: again_at}, xx=True)
            if is_alone:
                raise
            _log.exception("a run cannot be finalized, trying it by itself", run_id=asked.run_id)
            self._jobs.finalize_alone(asked.run_id)
            return []

    def _until_unchanged(self, asked: _Asked, marks: Marks) -> list[_Done]:
        """Look at a run, again and again while messages come in between."""
        for _ in range(_MOST_ATTEMPTS):
            if marks.due is None:
                return []  # another finalizer was here
            with suppress(WatchError), self._client.pipeline() as pipeline:
                return self._look(pipeline, asked, marks)
            (marks,) = read_marks(self._client, self._keys, [asked.run_id], marks.partitions)
        _log.info("messages keep coming, leaving the run for later", run_id=asked.run_id)
        return []

    def _look(self, pipeline: Pipeline, asked: _Asked, marks: Marks) -> list[_Done]:
        """Read a run, and do with it what its state calls for.

        Returns:
            What is left to do, nothing where the run stays due.
        """
        stored, old = self._read(pipeline, asked.run_id)
        if not stored.exists:
            return [_Done(asked.run_id, marks)]
        if not stored.archive.messages and old is not None:
            # Half a run must not overwrite a whole summary.
            reason = "the run was summarised and its archive has expired since: this came too late"
            self._refuse(pipeline, stored, _refused(stored, stored.live, marks.home, "expired", reason))
            return [_Done(asked.run_id, marks)]
        if old is not None and not stored.has_news:
            # Folding a large run takes long, and the sweep asks again meanwhile. If each answer took as long as the
            # first, there would be no end to it.
            return [_Done(asked.run_id, marks, self._keep(pipeline, stored, old))] if asked.settled else []
        if overflow := self._overflow(stored):
            reason = f"the run had {len(stored.archive.messages):,} messages when it was summarised: it is full"
            self._refuse(pipeline, stored, _refused(stored, overflow, marks.home, "run-full", reason))
            return self._look(pipeline, asked, marks)
        return self._judge(pipeline, asked, marks, stored, old)

    def _judge(
        self, pipeline: Pipeline, asked: _Asked, marks: Marks, stored: StoredRun, old: _Summarised | None
    ) -> list[_Done]:
        """Fold a run that has news, and summarise it if it is ready."""
        run = stored.fold()
        if run.status is RunStatus.RUNNING and self._is_silent(asked, marks.home):
            run = run.as_stuck()
        if run.status is RunStatus.RUNNING:
            # It came back after it had been stuck, or an end was expected and is not there. It stays active.
            return [_Done(asked.run_id, replace(marks, active=None))]
        was_summarised = stored.archive.on_time is not None
        if not asked.settled and (was_summarised or not run.completeness.is_known_complete):
            return []
        return [_Done(asked.run_id, marks, self._write(pipeline, stored, run, old.summary if old else None))]

    def _is_silent(self, asked: _Asked, home: int) -> bool:
        """Whether nothing was heard since the sweep looked. Asked after reading the run: the marks are older."""
        if asked.silent_since is None:
            return False
        return self._client.zscore(self._keys.active(home), asked.run_id) == asked.silent_since

    def _read(self, pipeline: Pipeline, run_id: str) -> tuple[StoredRun, _Summarised | None]:
        run, archive, summary = self._keys.run(run_id), self._keys.archive(run_id), self._keys.summary(run_id)
        watched = (run, archive, summary)
        live, (packed, raw) = watch_and_read(pipeline, watched, ("HGETALL", run), ("MGET", archive, summary))
        old = _Summarised(RunSummary.read(run_id, raw), raw) if raw else None
        return StoredRun.read(run_id, live, packed), old

    def _write(self, pipeline: Pipeline, stored: StoredRun, run: Run, old: RunSummary | None) -> _Summarised:
        """Archive and summarise, in one step that fails where the run has changed since it was read."""
        keys, run_id = self._keys, stored.run_id
        archive = stored.archive_for(run)
        run.narrative = run.narrative or self._narrate(run)
        summary = RunSummary.from_run(run, revision=archive.revision)
        raw = summary.model_dump_json().encode()
        if stale := stale_keys(keys, summary, old):
            # Before the old summary is gone, which says where the run stood: we may die in between.
            remove_from_indexes(self._client, run_id, stale)
        pipeline.multi()
        pipeline.set(keys.archive(run_id), archive.pack(), ex=self._settings.archive_ttl_s)
        pipeline.set(keys.summary(run_id), raw, ex=self._settings.summary_ttl_s + EXPIRY_GRACE_S)
        self._remove_live(pipeline, run_id, list(stored.live))
        pipeline.execute()
        return _Summarised(summary, raw, replaced=old)

    def _keep(self, pipeline: Pipeline, stored: StoredRun, old: _Summarised) -> _Summarised:
        """Leave the summary as it is: what is there of the run was summarised before."""
        pipeline.multi()
        # Its term in the index begins anew, so it does here.
        pipeline.expire(self._keys.summary(stored.run_id), self._settings.summary_ttl_s + EXPIRY_GRACE_S)
        self._remove_live(pipeline, stored.run_id, list(stored.live))
        pipeline.execute()
        return old

    def _conclude(self, done: Sequence[_Done]) -> None:
        """Index and announce what was written, and take the runs out of the sets that brought us here."""
        written = [(each.marks, each.result) for each in done if each.result is not None]
        with self._client.pipeline(transaction=False) as pipeline:
            self._index(pipeline, written)
            for _, result in written:
                announce(pipeline, self._keys, result.summary, kept=self._settings.finished_kept)
            leave(pipeline, self._keys, ((each.run_id, each.marks) for each in done))
            self._catch_up(pipeline, written)

    def _index(self, pipeline: Pipeline, written: Sequence[tuple[Marks, _Summarised]]) -> None:
        kept_ms = self._settings.summary_ttl_s * 1000
        entries = [Indexed(result.summary, marks.now_ms + kept_ms, result.replaced) for marks, result in written]
        add_to_indexes(pipeline, self._keys, entries)

    def _catch_up(self, pipeline: Pipeline, indexed: Sequence[tuple[Marks, _Summarised]]) -> None:
        """Do what the pipeline holds, and index again where another finalizer has written the next summary meanwhile.

        Its entries may have come before ours. But whoever indexes last sees the newest summary.
        """
        for _, result in indexed:
            pipeline.get(self._keys.summary(result.summary.run_id))
        replies = execute(pipeline)
        overtaken = [
            (marks, _Summarised(RunSummary.model_validate_json(raw), raw, replaced=result.summary))
            for (marks, result), raw in zip(indexed, replies[len(replies) - len(indexed) :], strict=True)
            if raw and raw != result.raw
        ]
        if overtaken:
            self._index(pipeline, overtaken)
            self._catch_up(pipeline, overtaken)

    def _narrate(self, run: Run) -> str:
        try:
            return self._narrator.narrate(run)
        except Exception:  # noqa: BLE001 - a summary in plain words is better than none
            _log.exception("the narrator failed, telling the run plainly", run_id=run.id)
            return PlainNarrator().narrate(run)

    def _overflow(self, stored: StoredRun) -> list[str]:
        """The live messages for which a summarised run has no room; its beginnings and ends are always taken."""
        archived = stored.archive.messages
        size = sum(map(len, archived.values()))
        if len(archived) < self._settings.max_run_messages and size < self._settings.max_run_bytes:
            return []
        return [
            identity
            for identity, message in parse_stored(stored.live)
            if identity not in stored.archive.messages and not isinstance(message, LIFECYCLE)
        ]

    def _refuse(self, pipeline: Pipeline, stored: StoredRun, refused: Sequence[Rejected]) -> None:
        """Set live messages aside: first write them there, then take them away here."""
        with self._client.pipeline(transaction=False) as aside:
            for each in refused:
                set_aside(aside, self._keys, each, kept=self._settings.dead_letters_kept)
            execute(aside)
        pipeline.multi()
        self._remove_live(pipeline, stored.run_id, [each.entry_id for each in refused])
        pipeline.execute()

    def _remove_live(self, pipeline: Pipeline, run_id: str, identities: Sequence[str]) -> None:
        for start in range(0, len(identities), _FIELDS_AT_ONCE):
            pipeline.hdel(self._keys.run(run_id), *identities[start : start + _FIELDS_AT_ONCE])


def _refused(stored: StoredRun, identities: Iterable[str], home: int, code: str, reason: str) -> list[Rejected]:
    return [Rejected(home, identity, 0, stored.live[identity], code, reason) for identity in identities]
