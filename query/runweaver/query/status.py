"""How the pipeline is doing: what waits where, and who works."""

from typing import Any, Final

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from runweaver.shared.keys import WORKER_GROUP, Keys
from runweaver.shared.replies import as_scores, execute

#: A worker asks for messages every second; one that has not for so long is gone or stuck, and left its name behind.
#: What it has in hand is merged within a second or two; what takes so long does not go on.
GONE_AFTER_S: Final = 15.0

#: So many runs that are due are looked at, over all partitions, for how long they have waited.
_MOST_DUE: Final = 500
#: So many entries of a partition that have been in hand for too long.
_MOST_HELD: Final = 100


class WorkerStatus(BaseModel):
    """A member of the workers' group."""

    name: str
    #: Seconds since it last asked for messages.
    idle_s: float
    #: Entries that it has taken and not acknowledged, over all partitions.
    pending: int
    #: For how many seconds it has had one of them, where that is longer than it takes; 0 otherwise.
    held_s: float = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it has asked for messages lately."""
        return self.idle_s < GONE_AFTER_S


class QuietRun(BaseModel):
    """A run that is not summarised."""

    run_id: str
    #: Seconds since something was heard of it.
    silent_s: float


class PartitionStatus(BaseModel):
    """One partition."""

    partition: int
    #: Entries not yet merged; each holds one or many messages.
    backlog: int
    #: About how many messages these are, if all entries are like the oldest.
    about_messages: int
    #: How old the oldest of them is, in seconds.
    lag_s: float
    open_runs: int
    #: The one of them of which nothing was heard for the longest.
    quietest_run: QuietRun | None
    #: Runs that have ended, or got messages after their summary, and are not summarised yet.
    due_runs: int
    #: For how many seconds one of them has waited (of those that were looked at).
    due_for_s: float
    dead_letters: int


class PipelineStatus(BaseModel):
    """The whole pipeline."""

    partitions: list[PartitionStatus]
    workers: list[WorkerStatus]
    #: Finished runs in the index.
    summaries: int

    @property
    def backlog(self) -> int:
        return sum(partition.backlog for partition in self.partitions)

    @property
    def about_messages(self) -> int:
        return sum(partition.about_messages for partition in self.partitions)

    @property
    def lag_s(self) -> float:
        return max((partition.lag_s for partition in self.partitions), default=0.0)

    @property
    def open_runs(self) -> int:
        return sum(partition.open_runs for partition in self.partitions)

    @property
    def quietest_run(self) -> QuietRun | None:
        runs = [partition.quietest_run for partition in self.partitions if partition.quietest_run is not None]
        return max(runs, key=lambda run: run.silent_s, default=None)

    @property
    def due_runs(self) -> int:
        return sum(partition.due_runs for partition in self.partitions)

    @property
    def due_for_s(self) -> float:
        return max((partition.due_for_s for partition in self.partitions), default=0.0)

    @property
    def dead_letters(self) -> int:
        return sum(partition.dead_letters for partition in self.partitions)


def read_status(client: Redis, keys: Keys) -> PipelineStatus:
    """Look at the pipeline. Reads only."""
    count = int(client.get(keys.partitions) or 1)
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds / 1000
    most_due = max(1, _MOST_DUE // count)
    return PipelineStatus(
        partitions=[_partition(client, keys, partition, now_ms, most_due) for partition in range(count)],
        workers=_workers(client, keys, count),
        summaries=client.zcard(keys.index_all),
    )


def _partition(client: Redis, keys: Keys, partition: int, now_ms: float, most_due: int) -> PartitionStatus:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.xlen(keys.messages(partition))
        pipeline.xrange(keys.messages(partition), count=1)
        pipeline.zcard(keys.active(partition))
        pipeline.zrange(keys.active(partition), 0, 0, withscores=True)
        pipeline.zcard(keys.due(partition))
        pipeline.zrange(keys.due(partition), 0, most_due - 1, withscores=True)
        pipeline.xlen(keys.dead_letters(partition))
        backlog, oldest, open_runs, quietest, due_runs, due, dead_letters = execute(pipeline)
    lag_ms = now_ms - int(oldest[0][0].partition(b"-")[0]) if oldest else 0
    return PartitionStatus(
        partition=partition,
        backlog=backlog,
        about_messages=backlog * len(oldest[0][1]) if oldest else 0,
        lag_s=_seconds(lag_ms),
        open_runs=open_runs,
        quietest_run=_quietest(as_scores(quietest), now_ms),
        due_runs=due_runs,
        due_for_s=_longest_due(client, keys.active(partition), as_scores(due), now_ms),
        dead_letters=dead_letters,
    )


def _longest_due(client: Redis, active: str, due: list[tuple[str, float]], now_ms: float) -> float:
    """How long one of these runs has waited.

    Since something was last heard of it: whoever asks for it to be finalized puts its time in `due` off.
    """
    if not due:
        return 0.0
    heard = client.zmscore(active, [run_id for run_id, _ in due])
    since = [score if heard_ms is None else heard_ms for (_, score), heard_ms in zip(due, heard, strict=True)]
    return _seconds(now_ms - min(since))


def _quietest(first: list[tuple[str, float]], now_ms: float) -> QuietRun | None:
    return next((QuietRun(run_id=run_id, silent_s=_seconds(now_ms - heard_ms)) for run_id, heard_ms in first), None)


def _workers(client: Redis, keys: Keys, partitions: int) -> list[WorkerStatus]:
    workers: dict[str, WorkerStatus] = {}
    for partition in range(partitions):
        stream = keys.messages(partition)
        try:
            consumers = client.xinfo_consumers(stream, WORKER_GROUP)
        except NoPermissionError:
            raise
        except ResponseError:
            continue  # no stream or no group: no worker has been here yet
        for consumer in consumers:
            name, idle_s = consumer["name"].decode(), consumer["idle"] / 1000
            known = workers.setdefault(name, WorkerStatus(name=name, idle_s=idle_s, pending=0))
            known.idle_s = min(known.idle_s, idle_s)
            known.pending += consumer["pending"]
        if any(consumer["pending"] for consumer in consumers):
            for name, held_s in _held(client, stream):
                if name in workers:
                    workers[name].held_s = max(workers[name].held_s, held_s)
    return sorted(workers.values(), key=lambda worker: worker.name)


def _held(client: Redis, stream: str) -> list[tuple[str, float]]:
    """Entries that have been in hand for longer than it takes: by whom, and for how many seconds."""
    too_long_ms = int(GONE_AFTER_S * 1000)
    try:
        held: Any = client.xpending_range(stream, WORKER_GROUP, "-", "+", _MOST_HELD, idle=too_long_ms)
    except NoPermissionError:
        return []  # the users of an earlier release may not ask
    return [(each["consumer"].decode(), each["time_since_delivered"] / 1000) for each in held]


def _seconds(milliseconds: float) -> float:
    return round(max(0.0, milliseconds / 1000), 3)
