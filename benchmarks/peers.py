"""The same work as one job a message, in task queues."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Kind, Pair, Round, Rounds, Row, at_least
from benchmarks.machine import version
from benchmarks.merging import drained
from benchmarks.messages import Load
from benchmarks.peer_work import RUNS
from benchmarks.processes import KEYS, ROOT, Site, fresh_site

_OUR_MESSAGES: Final = 100_000
_LEAST_JOBS: Final = 50
_LOOK_EVERY_S: Final = 0.02
_BEST: Final = "against the best of them"


@dataclass(frozen=True)
class Peer:
    """A task queue."""

    name: str
    #: What has to be installed.
    package: str
    #: What puts jobs into its queue, and what does them.
    module: str
    worker: Sequence[str]
    #: It is busy with so many for some seconds.
    jobs: int


PEERS: Final = (
    Peer("RQ, SimpleWorker", "rq", "benchmarks.peer_rq", ("benchmarks.peer_rq",), 2_000),
    Peer(
        "dramatiq, 16 threads",
        "dramatiq",
        "benchmarks.peer_dramatiq",
        ("dramatiq", "--processes", "1", "--threads", "16", "--skip-logging", "benchmarks.peer_dramatiq"),
        10_000,
    ),
    Peer(
        "taskiq-redis, streams",
        "taskiq-redis",
        "benchmarks.peer_taskiq",
        ("taskiq", "worker", "--workers", "1", "--log-level", "WARNING", "benchmarks.peer_taskiq:broker"),
        8_000,
    ),
)


def _measure(scale: float) -> Rounds:
    load = Load(RUNS, max(_LEAST_JOBS, int(_OUR_MESSAGES * scale)) // RUNS)
    commands = load.packed()
    while True:
        found: dict[str, Pair | str] = {
            peer.name: Pair(_jobs_a_second(peer, max(_LEAST_JOBS, int(peer.jobs * scale))))
            if version(peer.package)
            else f"{peer.package} is not installed"
            for peer in PEERS
        }
        yield _with_ours(found, drained("worker", commands, load.total).rate)


def _with_ours(found: dict[str, Pair | str], rate: float) -> Round:
    best = max((each.ours for each in found.values() if isinstance(each, Pair)), default=None)
    return {_BEST: Pair(rate, best), **found}


def _jobs_a_second(peer: Peer, jobs: int) -> float:
    """All jobs are there before the worker starts; the clock starts when the first ones are done."""
    with fresh_site() as site:
        filling = [sys.executable, "-m", peer.module, str(jobs)]
        subprocess.run(filling, cwd=ROOT, env=site.processes.environment, check=True)
        site.processes.start_command(peer.name, [sys.executable, "-m", *peer.worker])
        site.wait_until(lambda: _done(site) > 0)
        started_at, first = time.perf_counter(), _done(site)
        site.wait_until(lambda: _done(site) >= jobs, every_s=_LOOK_EVERY_S)
        return max(1, jobs - first) / (time.perf_counter() - started_at)


def _done(site: Site) -> int:
    with site.client.pipeline(transaction=False) as pipeline:
        for run in range(RUNS):
            pipeline.hlen(KEYS.run(f"run-{run}"))
        return sum(pipeline.execute())


ROWS: Final = (
    Row(
        "peers",
        "one job a message, enqueued before one worker process begins; ours merges what waits, with 1 worker",
        (
            Kind(_BEST, "messages/s", "best", at_least(25)),
            *(Kind(peer.name, "jobs/s") for peer in PEERS),
        ),
        _measure,
    ),
)
