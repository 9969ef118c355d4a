"""Finds what nobody has looked at: runs that are due, runs that fell silent, summaries whose term is over.

One worker sweeps at a time. The cost follows what is found, not how many runs are open.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from redis import Redis

from runweaver.shared.fields import is_identifier
from runweaver.shared.keys import Keys, partition_of
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores
from runweaver.shared.round_trip import checked, round_trip
from runweaver.shared.settings import WorkerSettings
from runweaver.worker.index import clear_expired
from runweaver.worker.jobs import JobQueue
from runweaver.worker.marks import as_ms, removing_unchanged

#: How often a sweep happens, over all workers.
SWEEP_EVERY_S: Final = 0.5

#: How many runs of a partition one sweep takes up.
_MOST_RUNS: Final = 500

#: When a run that a sweep asked to be finalized is asked for again: the job may be lost.
_AGAIN_MS: Final = 30_000

_log = get_logger(__name__)


class Sweeper:
    """Asks finalizers for what is overdue."""

    def __init__(self, client: Redis, jobs: JobQueue, keys: Keys, settings: WorkerSettings) -> None:
        self._client = client
        self._jobs = jobs
        self._keys = keys
        self._stuck_after_ms = settings.stuck_after_s * 1000
        self._dead_letter_ttl_ms = settings.dead_letter_ttl_s * 1000
        self._replicas = settings.wait_replicas

    def sweep(self, partitions: int) -> bool:
        """Look once over all partitions.

        Returns:
            Whether it was our turn.
        """
        # Not released: it also keeps the workers together from sweeping more often than is useful.
        if not self._client.set(self._keys.sweep_lock, b"", nx=True, px=int(SWEEP_EVERY_S * 1000)):
            return False
        (now,) = checked(round_trip(self._client, [("TIME",)]))
        now_ms = as_ms(now)
        clear_expired(self._client, self._keys, now_ms, _MOST_RUNS)
        self._drop_old_letters(partitions, now_ms)
        # What cannot be worked off now will still be due later.
        if not self._jobs.has_enough:
            for partition in range(partitions):
                self._sweep_due(partition, partitions, now_ms)
                self._sweep_silent(partition, partitions, now_ms)
        return True

    def _drop_old_letters(self, partitions: int, now_ms: float) -> None:
        oldest = f"{max(0.0, now_ms - self._dead_letter_ttl_ms):.0f}"
        # Exactly, since a few may be all there are; it costs nothing where there is nothing to drop.
        letters = map(self._keys.dead_letters, range(partitions))
        checked(round_trip(self._client, [("XTRIM", each, "MINID", oldest) for each in letters]))

    def _sweep_due(self, partition: int, partitions: int, now_ms: float) -> None:
        due = self._up_to(self._keys.due(partition), now_ms)
        due = self._at_home(due, partition, partitions, self._keys.due)
        if due:
            self._client.zadd(self._keys.due(partition), dict.fromkeys(due, now_ms + _AGAIN_MS), xx=True)
            self._jobs.finalize(list(due), settled=True)

    def _sweep_silent(self, partition: int, partitions: int, now_ms: float) -> None:
        silent = self._up_to(self._keys.active(partition), now_ms - self._stuck_after_ms)
        silent = self._at_home(silent, partition, partitions, self._keys.active)
        if not silent:
            return
        # Those that are due already have been asked for, or will be.
        due = self._client.zmscore(self._keys.due(partition), list(silent))
        silent = {run_id: score for (run_id, score), is_due in zip(silent.items(), due, strict=True) if is_due is None}
        if silent:
            self._client.zadd(self._keys.due(partition), dict.fromkeys(silent, now_ms + _AGAIN_MS), nx=True)
            self._jobs.finalize_silent(silent)

    def _up_to(self, key: str, score_ms: float) -> dict[str, float]:
        """The runs with the lowest scores up to this one."""
        found: Any = self._client.zrange(
            key,
            "-inf",
            score_ms,
            byscore=True,
            offset=0,
            num=_MOST_RUNS,
            withscores=True,
        )
        strangers = {member for member, _ in found if not is_identifier(member.decode(errors="replace"))}
        if strangers:
            # No worker put them there. A job that names one is refused, with all the runs in it.
            _log.warning("removing what is no run", key=key, members=len(strangers))
            self._client.zrem(key, *strangers)
        return dict(as_scores(row for row in found if row[0] not in strangers))

    def _at_home(
        self, scores: Mapping[str, float], partition: int, partitions: int, key_of: Callable[[int], str]
    ) -> dict[str, float]:
        """Those that belong here. The number of partitions has grown since the others were marked: move them."""
        here = {}
        for run_id, score in scores.items():
            home = partition_of(run_id, partitions)
            if home == partition:
                here[run_id] = score
                continue
            checked(round_trip(self._client, [("ZADD", key_of(home), "GT", score, run_id)], replicas=self._replicas))
            checked(round_trip(self._client, [removing_unchanged([key_of(partition)], [(run_id, score)])]))
        return here
