"""What more primaries and more workers bring, and what it costs to wait for replicas.

    make bench-spread

All messages wait on the streams of a cluster, spread over its partitions, when workers begin. Everything is on one
machine: where it has fewer cores than there are servers and workers, look at what a message costs and at how it is
shared, and not at messages a second. A server that is by itself goes first.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Final

from redis import Redis
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.messages import ENTRY_MESSAGES, Load, entries
from benchmarks.processes import KEYS, Processes, process_seconds
from runweaver.shared import connect
from runweaver.shared.exchange import Command
from runweaver.shared.round_trip import checked, round_trip
from tests.support.cluster import running_cluster
from tests.support.server import Server
from tests.support.waiting import wait_until

_PARTITIONS: Final = 16
_LOAD: Final = Load(2_000, 60)
_ENTRIES_AT_ONCE: Final = 50
_PATIENCE_S: Final = 300.0


@dataclass(frozen=True)
class Shape:
    """What merges, and where."""

    #: 0: a server by itself, which is no cluster.
    primaries: int
    workers: int
    replicas: int = 0
    waits_for: int = 0


@dataclass(frozen=True)
class Spread:
    """What it took."""

    rate: float
    #: Microseconds of a processor for each message: of all servers, and of all workers.
    servers_us: float
    workers_us: float
    #: Of what the primaries did: how much the busiest of them had.
    busiest: float
    #: How many processors were at work.
    processors: float


#: Of servers that hold the data, in the order in which they are started: primaries first.
Pids = Sequence[int]


def main() -> None:
    """Measure one shape after the other, in rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    shapes = [Shape(primaries, workers) for primaries in (0, 1, 2, 3) for workers in (1, 2, 3, 4)]
    shapes += [Shape(3, 1, replicas=1, waits_for=each) for each in (0, 1)]
    found: dict[Shape, list[Spread]] = {shape: [] for shape in shapes}
    for _ in range(rounds):
        for shape in shapes:
            found[shape].append(measure(shape))
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"{_LOAD.total:,} messages, {_LOAD.runs:,} runs, {_PARTITIONS} partitions, medians of {rounds} rounds")
    Console(width=160).print(_table(found))


def measure(shape: Shape, load: Load = _LOAD) -> Spread:
    """From when all messages wait until the last is merged."""
    with _servers(shape) as (url, pids), Server() as jobs, connect(url, name="bench") as client:
        settings = {
            "RUNWEAVER_JOBS_URL": jobs.url,
            "RUNWEAVER_PARTITIONS": str(_PARTITIONS),
            "RUNWEAVER_WAIT_REPLICAS": str(shape.waits_for),
        }
        with Processes(url, settings) as processes, jobs.client() as jobs_client:
            names = [f"worker-{number}" for number in range(shape.workers)]
            for name in names:
                processes.start("worker", name=name)
            wait_until(lambda: _consumers(client) == shape.workers, timeout_s=30, what="the workers being there")
            for name in names:
                processes.suspend(name)
            _send(client, load)
            servers, workers = _seconds(pids), processes.cpu_seconds(jobs_client)
            started_at = time.perf_counter()
            for name in names:
                processes.resume(name)
            wait_until(lambda: _is_merged(client), timeout_s=_PATIENCE_S, what="all messages merged")
            took_s = time.perf_counter() - started_at
            by_server = [after - before for before, after in zip(servers, _seconds(pids), strict=True)]
            after = processes.cpu_seconds(jobs_client)
            of_workers = sum(after[name] - workers[name] for name in names)
    of_primaries = by_server[: max(1, shape.primaries)]
    return Spread(
        rate=load.total / took_s,
        servers_us=sum(by_server) / load.total * 1e6,
        workers_us=of_workers / load.total * 1e6,
        busiest=max(of_primaries) / sum(of_primaries),
        processors=(sum(by_server) + of_workers) / took_s,
    )


@contextmanager
def _servers(shape: Shape) -> Iterator[tuple[str, Pids]]:
    if not shape.primaries:
        with Server(appendonly="yes") as server:
            yield server.url, [server.pid]
        return
    with running_cluster(primaries=shape.primaries, replicas=shape.replicas) as cluster:
        yield cluster.url, [node.process.pid for node in cluster.nodes]


def _send(client: Redis, load: Load) -> None:
    streams = cycle(map(KEYS.messages, range(_PARTITIONS)))
    commands: list[Command] = [
        ("XADD", stream, "*", *(part for _, raw in entry for part in (b"m", raw)))
        for stream, entry in zip(streams, entries(load.sent(), ENTRY_MESSAGES), strict=False)
    ]
    for start in range(0, len(commands), _ENTRIES_AT_ONCE):
        checked(round_trip(client, commands[start : start + _ENTRIES_AT_ONCE]))


def _is_merged(client: Redis) -> bool:
    lengths = checked(round_trip(client, [("XLEN", KEYS.messages(each)) for each in range(_PARTITIONS)]))
    return not any(lengths)


def _consumers(client: Redis) -> int:
    stream = KEYS.messages(_PARTITIONS - 1)
    return sum(group["consumers"] for group in client.xinfo_groups(stream)) if client.exists(stream) else 0


def _seconds(pids: Pids) -> list[float]:
    return [process_seconds(pid) for pid in pids]


def _table(found: dict[Shape, list[Spread]]) -> Table:
    table = Table(
        *("primaries", "replicas of each", "to wait for", "workers", "messages/s", "servers, µs/message"),
        *("busiest primary", "workers, µs/message", "processors at work"),
        box=None,
    )
    for shape, spreads in found.items():
        rate, servers_us, busiest, workers_us, processors = (
            median(getattr(spread, name) for spread in spreads)
            for name in ("rate", "servers_us", "busiest", "workers_us", "processors")
        )
        table.add_row(
            *(str(shape.primaries or "no cluster"), str(shape.replicas), str(shape.waits_for), str(shape.workers)),
            *(f"{rate:,.0f}", f"{servers_us:.2f}", f"{busiest:.0%}", f"{workers_us:.2f}", f"{processors:.2f}"),
        )
    return table


if __name__ == "__main__":
    main()
