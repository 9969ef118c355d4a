"""What a worker takes while nothing happens."""

import time
from typing import Final

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.merging import drained_at
from benchmarks.messages import encode, entries, message_of, packed
from benchmarks.processes import Site, fresh_site

_OPEN_RUNS: Final = 100_000
_WATCHED_S: Final = 20.0
_LEAST_RUNS: Final = 100
_LEAST_S: Final = 1.0
#: What the first seconds hold is not idling: the last reads, a sweep.
_CALM_S: Final = 2.0

_IDLE: Final = "idle"
_OPEN: Final = "with all runs open"


def _measure(scale: float) -> Rounds:
    runs = max(_LEAST_RUNS, int(_OPEN_RUNS * scale))
    sent = ((f"run-{run}", encode(message_of(run, number, 4))) for run in range(runs) for number in range(2))
    commands = [packed(entry) for entry in entries(sent)]
    seconds = max(_LEAST_S, _WATCHED_S * scale)
    while True:
        with fresh_site() as site:
            (worker,) = site.start_workers(1)
            idle = _percent(site, worker, seconds)
            drained_at(site, commands, 2 * runs, [worker])
            yield {_IDLE: Pair(idle), _OPEN: Pair(_percent(site, worker, seconds))}


def _percent(site: Site, worker: str, seconds: float) -> float:
    """Of a core."""
    time.sleep(_CALM_S)
    started_at, before = time.perf_counter(), site.cpu_seconds()[worker]
    time.sleep(seconds)
    return (site.cpu_seconds()[worker] - before) / (time.perf_counter() - started_at) * 100


ROWS: Final = (
    Row(
        "idle",
        f"a worker without work for {_WATCHED_S:g} s, before and after {_OPEN_RUNS:,} runs have begun that go on",
        (Kind(_IDLE, "% of a core", "", at_most(1)), Kind(_OPEN, "% of a core", "", at_most(1))),
        _measure,
    ),
)
