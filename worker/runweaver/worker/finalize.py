"""Turns the message sets of ended runs into summaries.

Every step can be repeated. A message that is stored meanwhile breaks the `WATCH`; one that is stored later finds
the archive, and makes the run due again under another score. So nothing is lost between the last look and the end.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from runweaver.shared.archive import StoredRun
from runweaver.shared.connection import concerns_one_key
from runweaver.shared.keys import Keys, partition_of
from runweaver.shared.log import get_logger
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary
from runweaver.worker.accept import Rejected
from runweaver.worker.dead_letters import set_aside
from runweaver.worker.index import EXPIRY_GRACE_S, add_to_indexes, announce, index_keys, remove_from_indexes
from runweaver.worker.jobs import JobQueue
from runweaver.worker.marks import Marks, leave, read_marks
from runweaver.worker.narrate import Narrator

#: How often a run is read again because messages came in between, before it is left for the sweep.
_MOST_ATTEMPTS: Final = 10

#: When a run that cannot be finalized is looked at again.
_FAILED_AGAIN_MS: Final = 60 * 60 * 1000

#: `HDEL` at most so many fields at once.
_FIELDS_AT_ONCE: Final = 5_000

_log = get_logger(__name__)


class Finalizer:
    """Looks at runs, and summarises those that are ready."""

    def __init__(
        self,
        client: Redis,
        jobs: JobQueue,
        keys: Keys,
        *,
        narrator: Narrator,
        summary_ttl_s: int,
        archive_ttl_s: int,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._keys = keys
        self._narrator = narrator
        self._summary_ttl_s = summary_ttl_s
        self._archive_ttl_s = archive_ttl_s

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
        for run_id in run_ids:
            home = partition_of(run_id, partitions)
            try:
                self._finalize(run_id, home, settled=settled, silent_since=silent_since.get(run_id))
            except Exception as error:
                if isinstance(error, RedisError) and not concerns_one_key(error):
                    raise
                again_at = read_marks(self._client, self._keys, run_id, home).now_ms + _FAILED_AGAIN_MS
                self._client.zadd(self._keys.due(home), {run_id: again_at}, xx=True)
                if len(run_ids) == 1:
                    raise
                _log.exception("a run cannot be finalized, trying it by itself", run_id=run_id)
                self._jobs.finalize_alone(run_id)

    def _finalize(self, run_id: str, home: int, *, settled: bool, silent_since: float | None) -> None:
        for _ in range(_MOST_ATTEMPTS):
            marks = read_marks(self._client, self._keys, run_id, home)
            if marks.due is None:
                return  # another finalizer was here
            is_silent = silent_since is not None and silent_since == marks.active
            with suppress(WatchError), self._client.pipeline() as pipeline:
                self._look(pipeline, run_id, marks, settled=settled, is_silent=is_silent)
                return
        _log.info("messages keep coming, leaving the run for later", run_id=run_id)

    def _look(self, pipeline: Pipeline, run_id: str, marks: Marks, *, settled: bool, is_silent: bool) -> None:
        """Read a run, and do with it what its state calls for."""
        stored, old = self._read(pipeline, run_id)
        if not stored.archive.messages and old is not None and stored.live:
            self._refuse_expired(pipeline, stored, marks.home)
        elif stored.exists:
            run = stored.fold()
            if not run.has_ended and run.status is not RunStatus.STUCK and is_silent:
                run = run.as_stuck()
            if run.status is RunStatus.RUNNING:
                # It came back after it had been stuck, or an end was expected and is not there. It stays active.
                leave(self._client, self._keys, run_id, replace(marks, active=None))
                return
            was_summarised = stored.archive.on_time is not None
            if not settled and (was_summarised or not run.completeness.is_known_complete):
                return  # it stays due
            self._write(pipeline, stored, run, old, marks.now_ms)
        leave(self._client, self._keys, run_id, marks)

    def _read(self, pipeline: Pipeline, run_id: str) -> tuple[StoredRun, RunSummary | None]:
        keys = self._keys
        pipeline.watch(keys.run(run_id), keys.archive(run_id), keys.summary(run_id))
        live: Any = pipeline.hgetall(keys.run(run_id))
        packed: Any
        packed, raw_summary = pipeline.mget(keys.archive(run_id), keys.summary(run_id))
        summary = RunSummary.model_validate_json(raw_summary) if raw_summary else None
        return StoredRun.read(run_id, live, packed), summary

    def _write(self, pipeline: Pipeline, stored: StoredRun, run: Run, old: RunSummary | None, now_ms: float) -> None:
        """Archive, summarise, index and announce."""
        keys, run_id = self._keys, stored.run_id
        archive = stored.archive_for(run)
        summary = old
        if summary is None or archive is not stored.archive:
            run.narrative = run.narrative or self._narrator.narrate(run)
            summary = RunSummary.from_run(run, revision=archive.revision)
            if old is not None:
                stale = set(index_keys(keys, old)) - set(index_keys(keys, summary))
                remove_from_indexes(self._client, run_id, stale)
        kept_s = self._summary_ttl_s + EXPIRY_GRACE_S
        pipeline.multi()
        if summary is old:
            # Its term in the index begins anew below, so it does here.
            pipeline.expire(keys.summary(run_id), kept_s)
        else:
            pipeline.set(keys.archive(run_id), archive.pack(), ex=self._archive_ttl_s)
            pipeline.set(keys.summary(run_id), summary.model_dump_json(), ex=kept_s)
        fields = list(stored.live)
        for start in range(0, len(fields), _FIELDS_AT_ONCE):
            pipeline.hdel(keys.run(run_id), *fields[start : start + _FIELDS_AT_ONCE])
        pipeline.execute()
        with self._client.pipeline(transaction=False) as after:
            add_to_indexes(after, keys, summary, now_ms + self._summary_ttl_s * 1000)
            announce(after, keys, summary)
            after.execute()
        _log.debug("summarised", run_id=run_id, status=summary.status.value, revision=summary.revision)

    def _refuse_expired(self, pipeline: Pipeline, stored: StoredRun, home: int) -> None:
        """Set aside what came after the archive expired: half a run must not overwrite a whole summary."""
        with self._client.pipeline(transaction=False) as aside:
            for identity, raw in stored.live.items():
                reason = "the run was summarised and its archive has expired since: this came too late"
                set_aside(aside, self._keys, Rejected(home, identity, raw, "expired", reason))
            aside.execute()
        pipeline.multi()
        pipeline.hdel(self._keys.run(stored.run_id), *stored.live)
        pipeline.execute()
