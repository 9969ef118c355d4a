"""Turns the message sets of ended runs into summaries.

Every step can be repeated. A message that is stored meanwhile breaks the `WATCH`; one that is stored later finds
the archive, and makes the run due again under another score. So nothing is lost between the last look and the end.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from redis import Redis
from redis.exceptions import RedisError, WatchError
from structlog.contextvars import bound_contextvars

from runweaver.shared.archive import StoredRun
from runweaver.shared.cluster import AWAY, ELSEWHERE, learn
from runweaver.shared.connection import concerns_one_key
from runweaver.shared.exchange import Command
from runweaver.shared.figures import RunFigures
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.messages import parse_stored
from runweaver.shared.round_trip import TooFewReplicasError, checked, round_trip
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import FinalizerSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker.accept import LIFECYCLE, Rejected
from runweaver.worker.conclude import Done, Summarised, conclude
from runweaver.worker.dead_letters import setting_aside
from runweaver.worker.index import EXPIRY_GRACE_S, remove_from_indexes, stale_keys
from runweaver.worker.jobs import JobQueue
from runweaver.worker.marks import Marks, read_marks
from runweaver.worker.narrate import Narrator, story_of
from runweaver.worker.story import Story
from runweaver.worker.totals import FinalizeTotals
from runweaver.worker.vitals import JOBS, Vitals
from runweaver.worker.watching import Watcher, Watchers

#: Runs whose last steps are done together.
_RUNS_AT_ONCE: Final = 50
#: How long a summary may wait to be listed: narrators may take their time.
_CONCLUDE_AFTER_S: Final = 0.1

#: How often a run is read again because messages came in between, before it is left for the sweep.
_MOST_ATTEMPTS: Final = 10

#: When a run that cannot be finalized is looked at again.
_FAILED_AGAIN_MS: Final = 60 * 60 * 1000

#: How long to wait, within a job, for a server that is away, or for a replica to take its place: RQ would try the job
#: again at once, some times, and then count it as failed.
_PATIENCE_S: Final = 60.0
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 1.0

#: `HDEL` at most so many fields at once.
_FIELDS_AT_ONCE: Final = 5_000

_log = get_logger(__name__)


@dataclass(frozen=True)
class _Asked:
    """What a job wants of a run."""

    run_id: str
    settled: bool
    silent_since: float | None
    #: Whether the job has no other.
    is_alone: bool


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
        vitals: Vitals | None = None,
        totals: FinalizeTotals | None = None,
    ) -> None:
        self.totals = totals if totals is not None else FinalizeTotals()
        self._vitals = vitals if vitals is not None else Vitals()
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
        for start in range(0, len(run_ids), _RUNS_AT_ONCE):
            if self._is_stopping:
                _log.info("stopping, the sweep will ask for the rest of the job", runs=len(run_ids) - start)
                return
            some = run_ids[start : start + _RUNS_AT_ONCE]
            asked = [_Asked(run_id, settled, silent_since.get(run_id), len(run_ids) == 1) for run_id in some]
            self._patiently(partial(self._some, asked))

    def _patiently(self, look: Callable[[], None]) -> None:
        """Look at runs, and again where a server is away for a moment."""
        give_up_at = time.monotonic() + _PATIENCE_S
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                look()
            except (*AWAY, *ELSEWHERE, TooFewReplicasError) as error:
                if self._is_stopping or time.monotonic() >= give_up_at:
                    raise
                _log.warning("the server does not do it now, trying again", reason=str(error), retry_s=retry_s)
                self._vitals.fails(JOBS, str(error))
                time.sleep(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
            else:
                self._vitals.does_well(JOBS)
                return

    def _some(self, asked: Sequence[_Asked]) -> None:
        partitions = int(self._client.get(self._keys.partitions) or 1)
        marks = read_marks(self._client, self._keys, [each.run_id for each in asked], partitions)
        with Watchers(self._client, replicas=self._settings.wait_replicas) as watchers:
            self._look_at_all(watchers, asked, marks)

    def _look_at_all(self, watchers: Watchers, asked: Sequence[_Asked], marks: Sequence[Marks]) -> None:
        done: list[Done] = []
        conclude_at = time.monotonic() + _CONCLUDE_AFTER_S
        try:
            for one, its_marks in zip(asked, marks, strict=True):
                if self._is_stopping:
                    break
                with bound_contextvars(run_id=one.run_id):
                    done += self._isolated(watchers, one, its_marks)
                if time.monotonic() >= conclude_at:
                    conclude(self._client, self._keys, self._settings, done)
                    done.clear()
                    conclude_at = time.monotonic() + _CONCLUDE_AFTER_S
        finally:
            conclude(self._client, self._keys, self._settings, done)

    def _isolated(self, watchers: Watchers, asked: _Asked, marks: Marks) -> list[Done]:
        """Look at a run. If it fails, the others of its job go on, and it is tried again by itself."""
        try:
            return self._until_unchanged(watchers, asked, marks)
        except Exception as error:
            if isinstance(error, RedisError) and not concerns_one_key(error):
                raise
            self.totals.failures += 1
            again_at = marks.now_ms + _FAILED_AGAIN_MS
            self._client.zadd(self._keys.due(marks.home), {asked.run_id: again_at}, xx=True)
            if asked.is_alone:
                raise
            _log.exception("a run cannot be finalized, trying it by itself", run_id=asked.run_id)
            self._jobs.finalize_alone(asked.run_id)
            return []

    def _until_unchanged(self, watchers: Watchers, asked: _Asked, marks: Marks) -> list[Done]:
        """Look at a run, again and again while messages come in between."""
        for _ in range(_MOST_ATTEMPTS):
            if marks.due is None:
                return []  # another finalizer was here
            try:
                return self._look(watchers.of(self._keys.run(asked.run_id)), asked, marks)
            except WatchError:
                pass
            except ELSEWHERE as error:
                learn(self._client, error)
            (marks,) = read_marks(self._client, self._keys, [asked.run_id], marks.partitions)
        _log.info("messages keep coming, leaving the run for later", run_id=asked.run_id)
        return []

    def _look(self, watcher: Watcher, asked: _Asked, marks: Marks) -> list[Done]:
        """Read a run, and do with it what its state calls for.

        Returns:
            What is left to do, nothing where the run stays due.
        """
        stored, old = self._read(watcher, asked.run_id)
        if not stored.exists:
            return [Done(asked.run_id, marks)]
        if not stored.archive.messages and old is not None:
            # Half a run must not overwrite a whole summary.
            reason = "the run was summarised and its archive has expired since: this came too late"
            self._refuse(watcher, stored, _refused(stored, stored.live, marks.home, "expired", reason))
            return [Done(asked.run_id, marks)]
        if old is not None and not stored.has_news:
            # Folding a large run takes long, and the sweep asks again meanwhile. If each answer took as long as the
            # first, there would be no end to it.
            return [Done(asked.run_id, marks, self._keep(watcher, stored, old))] if asked.settled else []
        if overflow := self._overflow(stored):
            reason = f"the run had {len(stored.archive.messages):,} messages when it was summarised: it is full"
            self._refuse(watcher, stored, _refused(stored, overflow, marks.home, "run-full", reason))
            return self._look(watcher, asked, marks)
        return self._judge(watcher, asked, marks, stored, old)

    def _judge(
        self, watcher: Watcher, asked: _Asked, marks: Marks, stored: StoredRun, old: Summarised | None
    ) -> list[Done]:
        """Fold a run that has news, and summarise it if it is ready."""
        run = stored.fold()
        if run.status is RunStatus.RUNNING and self._is_silent(asked, marks.home):
            run = run.as_stuck()
        if run.status is RunStatus.RUNNING:
            # It came back after it had been stuck, or an end was expected and is not there. It stays active.
            return [Done(asked.run_id, replace(marks, active=None))]
        was_summarised = stored.archive.on_time is not None
        if not asked.settled and (was_summarised or not run.completeness.is_known_complete):
            return []
        written = self._write(watcher, stored, run, old.summary if old else None)
        self._count(written, marks)
        return [Done(asked.run_id, marks, written)]

    def _count(self, written: Summarised, marks: Marks) -> None:
        status = written.summary.status
        self.totals.summaries[status] += 1
        if written.replaced is None and status is not RunStatus.STUCK and marks.active is not None:
            waited_s = (marks.now_ms - marks.active) / 1000 + time.monotonic() - marks.read_at
            self.totals.latency.observe(max(0.0, waited_s))

    def _is_silent(self, asked: _Asked, home: int) -> bool:
        """Whether nothing was heard since the sweep looked. Asked after reading the run: the marks are older."""
        if asked.silent_since is None:
            return False
        return self._client.zscore(self._keys.active(home), asked.run_id) == asked.silent_since

    def _read(self, watcher: Watcher, run_id: str) -> tuple[StoredRun, Summarised | None]:
        run, archive, summary = self._keys.run(run_id), self._keys.archive(run_id), self._keys.summary(run_id)
        live, (packed, raw) = watcher.read([run, archive, summary], ("HGETALL", run), ("MGET", archive, summary))
        old = Summarised(RunSummary.read(run_id, raw), raw) if raw else None
        return StoredRun.read(run_id, live, packed), old

    def _write(self, watcher: Watcher, stored: StoredRun, run: Run, old: RunSummary | None) -> Summarised:
        """Archive and summarise, in one step that fails where the run has changed since it was read."""
        keys, run_id = self._keys, stored.run_id
        archive = stored.archive_for(run)
        story = self._story_of(run)
        run.narrative = story.text
        summary = RunSummary.from_run(
            run,
            revision=archive.revision,
            evidence=story.evidence,
            thresholds=self._settings.thresholds,
            narrator=story.narrator,
        )
        raw = summary.model_dump_json().encode()
        figures = RunFigures.from_run(run, summary).pack()
        if stale := stale_keys(keys, summary, old):
            # Before the old summary is gone, which says where the run stood: we may die in between.
            remove_from_indexes(self._client, run_id, stale)
        watcher.write(
            ("SET", keys.archive(run_id), archive.pack(), "EX", self._settings.archive_ttl_s),
            ("SET", keys.summary(run_id), raw, "EX", self._settings.summary_ttl_s + EXPIRY_GRACE_S),
            ("SET", keys.figures(run_id), figures, "EX", self._settings.summary_ttl_s + EXPIRY_GRACE_S),
            *self._without_live(run_id, list(stored.live)),
        )
        return Summarised(summary, raw, replaced=old)

    def _keep(self, watcher: Watcher, stored: StoredRun, old: Summarised) -> Summarised:
        """Leave the summary as it is: what is there of the run was summarised before."""
        watcher.write(
            # Their term in the index begins anew, so it does here.
            ("EXPIRE", self._keys.summary(stored.run_id), self._settings.summary_ttl_s + EXPIRY_GRACE_S),
            ("EXPIRE", self._keys.figures(stored.run_id), self._settings.summary_ttl_s + EXPIRY_GRACE_S),
            *self._without_live(stored.run_id, list(stored.live)),
        )
        return old

    def _story_of(self, run: Run) -> Story:
        try:
            return story_of(run, self._narrator, name=self._settings.narrator or "")
        except Exception:  # noqa: BLE001 - a summary in plain words is better than none
            _log.exception("the narrator failed, telling the run plainly", run_id=run.id)
            return story_of(run)

    def _overflow(self, stored: StoredRun) -> list[str]:
        """The live messages for which a summarised run has no room; its beginnings and ends are always taken."""
        archived = stored.archive.messages
        size = sum(map(len, archived.values()))
        if len(archived) < self._settings.max_run_messages and size < self._settings.max_run_bytes:
            return []
        return [
            identity
            for identity, message in parse_stored(stored.live)
            if identity not in stored.archive.messages and message.type not in LIFECYCLE
        ]

    def _refuse(self, watcher: Watcher, stored: StoredRun, refused: Sequence[Rejected]) -> None:
        """Set live messages aside: first write them there, then take them away here."""
        kept, replicas = self._settings.dead_letters_kept, self._settings.wait_replicas
        aside = [setting_aside(self._keys, each, kept=kept) for each in refused]
        checked(round_trip(self._client, aside, replicas=replicas))
        for each in refused:
            self.totals.set_aside[each.code] += 1
        watcher.write(*self._without_live(stored.run_id, [each.entry_id for each in refused]))

    def _without_live(self, run_id: str, identities: Sequence[str]) -> Iterator[Command]:
        """What takes these messages out of the live set."""
        for start in range(0, len(identities), _FIELDS_AT_ONCE):
            yield ("HDEL", self._keys.run(run_id), *identities[start : start + _FIELDS_AT_ONCE])


def _refused(stored: StoredRun, identities: Iterable[str], home: int, code: str, reason: str) -> list[Rejected]:
    return [Rejected(home, identity, 0, stored.live[identity], code, reason) for identity in identities]
