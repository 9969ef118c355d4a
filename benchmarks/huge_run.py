"""One run with 100,000 decisions: what a message costs, against small runs, and what its summary takes."""

import time
from collections.abc import Sequence
from typing import Final

from benchmarks.figures import Kind, Pair, Round, Rounds, Row, at_most
from benchmarks.merging import Merged, drained_at
from benchmarks.messages import Load
from benchmarks.processes import KEYS, fresh_site

_DECISIONS: Final = 100_000
_SMALL: Final = 100
_LEAST: Final = 200
#: Above what a run may hold by default: it has a beginning and an end besides its decisions and outcomes.
_MAX_RUN_MESSAGES: Final = "300000"


def _measure(scale: float) -> Rounds:
    decisions = max(_LEAST, int(_DECISIONS * scale))
    # A decision, its outcome; a beginning and an end.
    small, huge = Load(decisions // _SMALL, 2 * _SMALL + 2), Load(1, 2 * decisions + 2)
    small_commands, huge_commands = small.packed(), huge.packed()
    while True:
        yield _compared(small, small_commands, huge, huge_commands)


def _compared(small: Load, small_commands: Sequence[bytes], huge: Load, huge_commands: Sequence[bytes]) -> Round:
    with fresh_site() as site:
        reference = _costs_us(drained_at(site, small_commands, small.total, site.start_workers(1)))
    with fresh_site(RUNWEAVER_MAX_RUN_MESSAGES=_MAX_RUN_MESSAGES) as site:
        site.start("finalizer")
        site.processes.suspend("finalizer")
        costs = _costs_us(drained_at(site, huge_commands, huge.total, site.start_workers(1)))
        site.wait_until_quiet()
        started_at = time.perf_counter()
        site.processes.resume("finalizer")
        site.wait_until(lambda: site.client.exists(KEYS.summary("run-0")))
        seconds = time.perf_counter() - started_at
        mib = site.processes.peak_mib("finalizer")
    worker, server = (Pair(cost, other) for cost, other in zip(costs, reference, strict=True))
    return {
        "worker and server": Pair(sum(costs), sum(reference)),
        "worker": worker,
        "server": server,
        "job → summary": Pair(seconds),
        "finalizer at most": Pair(mib),
    }


def _costs_us(merged: Merged) -> tuple[float, float]:
    """Microseconds of a processor that the worker and the server took for each message."""
    worker = sum(merged.cpu_s.values()) - merged.cpu_s["server"] - merged.cpu_s.get("finalizer", 0.0)
    return worker / merged.messages * 1e6, merged.server_us


ROWS: Final = (
    Row(
        "huge",
        f"one run of {_DECISIONS:,} decisions with outcomes, all of which wait, against runs of {_SMALL} decisions; "
        "then its summary",
        (
            Kind("worker and server", "µs/message", "small runs", at_most(1.2)),
            Kind("worker", "µs/message", "small runs"),
            Kind("server", "µs/message", "small runs"),
            Kind("job → summary", "s", "", at_most(5)),
            Kind("finalizer at most", "MiB", "", at_most(500)),
        ),
        _measure,
    ),
)
