"""How many runs a second one finalizer summarises."""

import time
from collections.abc import Sequence
from typing import Final

from benchmarks.figures import Kind, Pair, Round, Rounds, Row, at_least
from benchmarks.merging import drained_at
from benchmarks.messages import Load
from benchmarks.processes import fresh_site

_RUNS: Final = 5_000
_LEAST_RUNS: Final = 20
_MESSAGES: Final = 20


def _measure(scale: float) -> Rounds:
    load = Load(max(_LEAST_RUNS, int(_RUNS * scale)), _MESSAGES)
    commands = load.packed()
    while True:
        yield _finalized(load, commands)


def _finalized(load: Load, commands: Sequence[bytes]) -> Round:
    # What is due is looked at once: the sweep must not ask again for what waits only because nobody finalizes.
    with fresh_site(RUNWEAVER_SETTLE_S="600") as site:
        site.start("finalizer")
        site.processes.suspend("finalizer")
        (worker,) = site.start_workers(1)
        drained_at(site, commands, load.total, [worker])
        site.processes.stop(worker)
        site.wait_until_quiet()
        started_at, before = time.perf_counter(), site.cpu_seconds()
        site.processes.resume("finalizer")
        site.wait_until(lambda: site.summarised() == load.runs)
        seconds, after = time.perf_counter() - started_at, site.cpu_seconds()
    return {
        "finalized": Pair(load.runs / seconds),
        "finalizer": Pair((after["finalizer"] - before["finalizer"]) / load.runs * 1e6),
        "server": Pair((after["server"] - before["server"]) / load.runs * 1e6),
    }


ROWS: Final = (
    Row(
        "finalizer",
        f"{_RUNS:,} ended runs of {_MESSAGES} messages, merged by a worker that has stopped; 1 finalizer",
        (
            Kind("finalized", "runs/s", "", at_least(1_000)),
            Kind("finalizer", "µs CPU/run"),
            Kind("server", "µs CPU/run"),
        ),
        _measure,
    ),
)
