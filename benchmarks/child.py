"""What has to be measured in a process of its own: that of an agent, with a server, a worker and a finalizer."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.figures import Pair, Rounds
from benchmarks.machine import version
from benchmarks.processes import ROOT, fresh_site
from benchmarks.quantiles import quantile

_PAUSE_S: Final = 0.1


def measured_in_child(
    module: str, figures: Sequence[str], *, blocks: int, packages: Sequence[str] = ()
) -> Callable[[float], Rounds]:
    """What measures the figures of a row by running a module, which prints them as JSON: pairs of ours and others'.

    Args:
        module: it is run with one argument, the number of blocks.
        figures: their names.
        blocks: how many at scale 1.
        packages: what must be installed for it.
    """

    def measure(scale: float) -> Rounds:
        command = [sys.executable, "-m", module, str(max(2, int(blocks * scale)))]
        while True:
            missing = next((package for package in packages if not version(package)), None)
            if missing is not None:
                yield dict.fromkeys(figures, f"{missing} is not installed")
                continue
            with fresh_site() as site:
                environment = site.processes.environment
                done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
            yield {name: Pair(*pair) for name, pair in json.loads(done.stdout).items()}

    return measure


def in_turn(
    calls: Mapping[str, Callable[[], object]],
    send_all: Callable[[], object],
    *,
    blocks: int,
    calls_a_block: int,
    pause_s: float = _PAUSE_S,
) -> dict[str, list[float]]:
    """Call all in one process, a block of calls of each in turn.

    Between blocks is a pause in which all send what they have, so that no queue is ever full.

    Args:
        calls: by name.
        send_all: waits until all that was said is sent.
        blocks: of each.
        calls_a_block: of each.
        pause_s: how long a pause is.

    Returns:
        For each name, how long each call took, in microseconds.
    """
    took_us: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        _timed(call, calls_a_block)  # what is done once is not what is measured
    send_all()
    for _ in range(blocks):
        for name, call in calls.items():
            took_us[name].extend(_timed(call, calls_a_block))
            send_all()
            time.sleep(pause_s)
    return took_us


def median(took_us: Sequence[float]) -> float:
    """The middle one."""
    return quantile(took_us, 0.5)


def _timed(call: Callable[[], object], times: int) -> list[float]:
    took_us = []
    for _ in range(times):
        began_ns = time.perf_counter_ns()
        call()
        took_us.append((time.perf_counter_ns() - began_ns) / 1000)
    return took_us
