"""Merges a batch into its runs.

The order is the guarantee: nothing is marked before it is stored, and nothing is acknowledged before it is marked.
Every step can be repeated, and a batch that failed half-way is simply merged again.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from redis import Redis

from runweaver.shared.connection import concerns_one_key
from runweaver.shared.exchange import Command
from runweaver.shared.keys import WORKER_GROUP, Keys, partition_of
from runweaver.shared.round_trip import checked, round_trip
from runweaver.shared.settings import WorkerSettings
from runweaver.worker.accept import Batch
from runweaver.worker.dead_letters import setting_aside
from runweaver.worker.ended_runs import EndedRuns
from runweaver.worker.full_runs import FullRuns
from runweaver.worker.jobs import JobQueue
from runweaver.worker.marks import as_ms
from runweaver.worker.totals import MergeTotals

#: The least change of a score that a double holds well for times in milliseconds.
_NUDGE_MS: Final = 0.001


class Merger:
    """Puts messages where they belong."""

    def __init__(self, client: Redis, jobs: JobQueue, keys: Keys, settings: WorkerSettings, *, partitions: int) -> None:
        self._client = client
        self._jobs = jobs
        self._ended = EndedRuns(jobs)
        self._keys = keys
        self._settle_ms = settings.settle_s * 1000
        self._late_after_ms = settings.late_after_s * 1000
        self._dead_letters_kept = settings.dead_letters_kept
        self._replicas = settings.wait_replicas
        self._full_runs = FullRuns(
            client, keys, max_messages=settings.max_run_messages, max_bytes=settings.max_run_bytes
        )
        #: How many partitions the runs are spread over; may grow at any time.
        self.partitions = partitions
        self.totals = MergeTotals()

    def merge(self, batch: Batch) -> None:
        """Store, mark, ask for finalization, acknowledge.

        Raises:
            RedisError: the server does not take it now. Merge the same batch again.
        """
        self._full_runs.keep_out(batch)
        late, now_ms = self._store(batch)
        ended, due_already = self._mark(batch, late, now_ms)
        # Where finalizers are behind, runs stay due for long. If each batch with something for them made another job,
        # the more jobs wait, the more would come.
        self._ended.add(ended + due_already if due_already and self._jobs.has_room() else ended)
        self._acknowledge(batch)
        self.totals.add(batch)

    @property
    def has_to_ask(self) -> bool:
        """Whether runs have ended that no finalizer was asked for yet: call `ask` soon."""
        return self._ended.are_waiting

    def ask(self, *, at_once: bool = False) -> None:
        """Ask for runs that ended with earlier batches, where it is time: see `EndedRuns`."""
        self._ended.ask(at_once=at_once)

    def _store(self, batch: Batch) -> tuple[set[str], float]:
        """Add the messages to their runs' sets.

        Returns:
            The runs that had been summarised before, and the server's time in milliseconds.
        """
        keys = self._keys
        commands: list[Command] = []
        for run_id, messages in batch.runs.items():
            commands.append(("HSET", keys.run(run_id), *messages.fields))
            # Looked at after storing: a finalizer that has read the set before us has its archive there by now, and one
            # that has not will find the set changed.
            commands.append(("EXISTS", keys.archive(run_id), keys.summary(run_id)))
            commands.append(("HLEN", keys.run(run_id)))
        *replies, now = round_trip(self._client, [*commands, ("TIME",)], replicas=self._replicas)
        late = set()
        lengths = {}
        for run_id, (stored, summarised, length) in zip(list(batch.runs), _threes(replies), strict=True):
            if isinstance(stored, Exception):
                self._give_up(batch, run_id, stored)
            elif isinstance(summarised, Exception):
                raise summarised
            else:
                lengths[run_id] = length
                if summarised:
                    late.add(run_id)
        if isinstance(now, Exception):
            raise now
        self._full_runs.look(batch, lengths)
        return late, as_ms(now)

    def _give_up(self, batch: Batch, run_id: str, error: Exception) -> None:
        """Set a run's messages aside where its key holds something else; anything else is the server's affair."""
        if not concerns_one_key(error):
            raise error
        reason = f"{self._keys.run(run_id)} holds something that is not a run: {error}"
        batch.rejected += batch.runs.pop(run_id).rejected("refused", reason)

    def _mark(self, batch: Batch, late: set[str], now_ms: float) -> tuple[list[str], list[str]]:
        """Note who is alive, who is due, and which messages were set aside.

        Returns:
            The runs worth looking at now: those that ended, and those that had ended before and just got more.
        """
        keys = self._keys
        ended = [run_id for run_id, messages in batch.runs.items() if messages.ends]
        late = late.difference(ended)
        unmarked = self._by_home(run_id for run_id in batch.runs if run_id not in late.union(ended))
        commands: list[Command] = [("ZMSCORE", keys.due(home), *run_ids) for home, run_ids in unmarked.items()]
        for home, run_ids in self._by_home(batch.runs).items():
            commands.append(("ZADD", keys.active(home), *_scored(run_ids, now_ms)))
        for home, run_ids in self._by_home(ended).items():
            commands.append(("ZADD", keys.due(home), *_scored(run_ids, now_ms + self._settle_ms)))
        for home, run_ids in self._by_home(late).items():
            # The first late message sets the time, so that a trickle of them cannot put it off for ever. But each
            # changes the score a little: a finalizer that has not seen the message must not remove the run.
            commands.append(("ZADD", keys.due(home), "NX", *_scored(run_ids, now_ms + self._late_after_ms)))
            commands += [("ZINCRBY", keys.due(home), _NUDGE_MS, run_id) for run_id in run_ids]
        commands += [setting_aside(keys, each, kept=self._dead_letters_kept) for each in batch.rejected]
        replies = checked(round_trip(self._client, commands, replicas=self._replicas))
        due_already = [
            run_id
            for run_ids, scores in zip(unmarked.values(), replies, strict=False)
            for run_id, score in zip(run_ids, scores, strict=True)
            if score is not None
        ]
        return ended, due_already

    def _by_home(self, run_ids: Iterable[str]) -> dict[int, list[str]]:
        homes: dict[int, list[str]] = defaultdict(list)
        for run_id in run_ids:
            homes[partition_of(run_id, self.partitions)].append(run_id)
        return homes

    def _acknowledge(self, batch: Batch) -> None:
        by_partition: dict[int, list[str]] = defaultdict(list)
        for entry in batch.entries:
            by_partition[entry.partition].append(entry.id)
        commands: list[Command] = []
        for partition, entry_ids in by_partition.items():
            commands.append(("XACK", self._keys.messages(partition), WORKER_GROUP, *entry_ids))
            commands.append(("XDEL", self._keys.messages(partition), *entry_ids))
        checked(round_trip(self._client, commands))


def _threes(replies: list[Any]) -> Iterable[tuple[Any, Any, Any]]:
    return zip(replies[::3], replies[1::3], replies[2::3], strict=True)


def _scored(run_ids: Iterable[str], score_ms: float) -> list[str | float]:
    """Scores and members in turn, as `ZADD` takes them."""
    return [part for run_id in run_ids for part in (score_ms, run_id)]
