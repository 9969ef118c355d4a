"""How the pipeline is doing: what waits where, and who works."""

from typing import Final

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import ResponseError

from runweaver.shared.keys import WORKER_GROUP, Keys

#: A worker asks for messages every second; one that has not for so long is gone, and left its name behind.
_GONE_AFTER_S: Final = 15.0


class WorkerStatus(BaseModel):
    """A member of the workers' group."""

    name: str
    #: Seconds since it last asked for messages.
    idle_s: float
    #: Entries that it has taken and not acknowledged, over all partitions.
    pending: int

    @property
    def is_alive(self) -> bool:
        """Whether it has asked for messages lately."""
        return self.idle_s < _GONE_AFTER_S


class PartitionStatus(BaseModel):
    """One partition."""

    partition: int
    #: Entries not yet merged; each holds one or many messages.
    backlog: int
    #: How old the oldest of them is, in seconds.
    lag_s: float
    open_runs: int
    #: Runs that have ended, or got messages after their summary, and are not summarised yet.
    due_runs: int
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
    def lag_s(self) -> float:
        return max((partition.lag_s for partition in self.partitions), default=0.0)

    @property
    def open_runs(self) -> int:
        return sum(partition.open_runs for partition in self.partitions)

    @property
    def due_runs(self) -> int:
        return sum(partition.due_runs for partition in self.partitions)

    @property
    def dead_letters(self) -> int:
        return sum(partition.dead_letters for partition in self.partitions)


def read_status(client: Redis, keys: Keys) -> PipelineStatus:
    """Look at the pipeline. Reads only."""
    count = int(client.get(keys.partitions) or 1)
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds / 1000
    return PipelineStatus(
        partitions=[_partition(client, keys, partition, now_ms) for partition in range(count)],
        workers=_workers(client, keys, count),
        summaries=client.zcard(keys.index_all),
    )


def _partition(client: Redis, keys: Keys, partition: int, now_ms: float) -> PartitionStatus:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.xlen(keys.messages(partition))
        pipeline.xrange(keys.messages(partition), count=1)
        pipeline.zcard(keys.active(partition))
        pipeline.zcard(keys.due(partition))
        pipeline.xlen(keys.dead_letters(partition))
        backlog, oldest, open_runs, due_runs, dead_letters = pipeline.execute()
    lag_ms = now_ms - int(oldest[0][0].partition(b"-")[0]) if oldest else 0
    return PartitionStatus(
        partition=partition,
        backlog=backlog,
        lag_s=round(max(0.0, lag_ms / 1000), 3),
        open_runs=open_runs,
        due_runs=due_runs,
        dead_letters=dead_letters,
    )


def _workers(client: Redis, keys: Keys, partitions: int) -> list[WorkerStatus]:
    workers: dict[str, WorkerStatus] = {}
    for partition in range(partitions):
        try:
            consumers = client.xinfo_consumers(keys.messages(partition), WORKER_GROUP)
        except ResponseError:
            continue  # no stream or no group: no worker has been here yet
        for consumer in consumers:
            name, idle_s = consumer["name"].decode(), consumer["idle"] / 1000
            known = workers.setdefault(name, WorkerStatus(name=name, idle_s=idle_s, pending=0))
            known.idle_s = min(known.idle_s, idle_s)
            known.pending += consumer["pending"]
    return sorted(workers.values(), key=lambda worker: worker.name)
