"""What floods do to memory, and to the summaries of others.

    python -m benchmarks.floods [one-run garbage …] [--scale 0.1] [--json]

Each flood (see `benchmarks/flood_messages.py`) meets a fresh private server with its log on disk (fsync every second),
one worker and one finalizer. A probe sends a small run a second, at first alone, then together with the flood, and
measures how long after `run.end()` its summary can be read. A flood is over when all is merged and summarised.

Memory is the highest that a process ever had (`VmHWM`), and the server's `used_memory_peak`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from redis import Redis

from benchmarks.flood_messages import FLOODS, Flood
from benchmarks.probe import GOAL as PROBE_GOAL
from benchmarks.probe import Probe, Waits
from benchmarks.processes import KEYS, ROOT, STREAM, Processes
from runweaver.console.private_server import private_server
from runweaver.shared import connect

#: How long the probe is alone, and how long open runs are watched while nothing happens to them.
CALM_S: Final = 10.0
STUCK_AFTER_S: Final = 10
#: A flood that is not over by then is reported as it stands.
PATIENCE_S: Final = 1_200.0


@dataclass(frozen=True)
class Result:
    """What one flood did."""

    flood: str
    messages: int
    summaries: int
    seconds: float
    is_over: bool
    #: Peaks, in MiB.
    worker_mib: float
    finalizer_mib: float
    server_mib: float
    dead_letters: int
    alone: Waits
    flooded: Waits
    #: Where runs never end: shares of a core while nothing happens, before the flood and with all its runs open.
    idle_before: Mapping[str, float] | None = None
    idle_open: Mapping[str, float] | None = None
    #: Where runs never end: seconds from the start of a worker that finds them stuck until all are summarised.
    stuck_s: float | None = None


def main() -> None:
    """Let one flood after another come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("floods", nargs="*", choices=[*FLOODS, []], metavar="FLOOD", help=", ".join(FLOODS))
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes: 0.1 for a quick look")
    parser.add_argument("--calm", type=float, default=CALM_S, help="seconds for which the probe is alone")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--send", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.floods or list(FLOODS)
    sizes = {name: max(2, int(FLOODS[name].size * arguments.scale)) for name in names}
    if arguments.send:
        for name, size in sizes.items():
            send(connect(arguments.send, name="flood"), FLOODS[name], size)
        return
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    setting = f"scale {arguments.scale:g}, 1 worker, 1 finalizer, {machine}"
    if not arguments.json:
        print(setting)
    results = []
    for name, size in sizes.items():
        results.append(measure(name, size, scale=arguments.scale, calm_s=arguments.calm))
        if not arguments.json:
            report(results[-1], FLOODS[name].what, size)
    if arguments.json:
        print(json.dumps({"setting": setting, "results": [asdict(result) for result in results]}))


def send(client: Redis, flood: Flood, size: int) -> None:
    """Put a flood onto the stream, and print how many messages that were."""
    messages = 0
    for number, entry in enumerate(flood.entries(size)):
        if flood.most_waiting is not None and number % 10 == 0:
            while client.xlen(STREAM) > flood.most_waiting:
                time.sleep(0.01)
        client.execute_command("XADD", STREAM, "*", *(part for raw in entry for part in ("", raw)))
        messages += len(entry)
    print(messages)


def measure(name: str, size: int, *, scale: float, calm_s: float) -> Result:
    """Let one flood come over a pipeline of its own."""
    flood = FLOODS[name]
    summaries = flood.summaries(size)
    with private_server() as url, Processes(url, flood.settings) as processes, connect(url, name="bench") as client:
        for role in ("worker", "finalizer"):
            processes.start(role)
        probe = Probe(url, KEYS)
        probe.wait_for_first()
        idle_before = idle_shares(processes, client, calm_s)
        alone = probe.cut()
        started_at = time.monotonic()
        if flood.finds_no_worker:
            processes.stop("worker")
        messages = pour(processes, name, scale)
        if flood.finds_no_worker:
            processes.start("worker")
        is_over = wait_until(lambda: not client.xlen(STREAM) and (flood.never_ends or is_summarised(client, summaries)))
        seconds = time.monotonic() - started_at
        idle_open = stuck_s = None
        if flood.never_ends:
            idle_open = idle_shares(processes, client, calm_s)
            stuck_s, is_over = time_until_stuck(processes, client, summaries)
        flooded = probe.stop()
        return Result(
            flood=name,
            messages=messages,
            summaries=others_summarised(client),
            seconds=seconds,
            is_over=is_over,
            worker_mib=processes.peak_mib("worker"),
            finalizer_mib=processes.peak_mib("finalizer"),
            server_mib=client.info("memory")["used_memory_peak"] / 1024**2,
            dead_letters=client.xlen(KEYS.dead_letters(0)),
            alone=alone,
            flooded=flooded,
            idle_before=idle_before if flood.never_ends else None,
            idle_open=idle_open,
            stuck_s=stuck_s,
        )


def pour(processes: Processes, name: str, scale: float) -> int:
    """Send a flood from a process of its own; how many messages it was."""
    command = [sys.executable, "-m", "benchmarks.floods", name, "--scale", str(scale), "--send", processes.url]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def time_until_stuck(processes: Processes, client: Redis, summaries: int) -> tuple[float, bool]:
    """Let runs count as stuck soon; how long it takes from then until all are summarised, and whether they are."""
    processes.stop("worker")
    processes.start("worker", RUNWEAVER_STUCK_AFTER_S=str(STUCK_AFTER_S))
    started_at = time.monotonic()
    is_over = wait_until(lambda: is_summarised(client, summaries))
    return time.monotonic() - started_at, is_over


def is_summarised(client: Redis, summaries: int) -> bool:
    """Whether all runs of the flood are in the index."""
    return others_summarised(client) >= summaries


def others_summarised(client: Redis) -> int:
    """How many runs are in the index besides the probe's."""
    return client.zcard(KEYS.index_all) - client.zcard(KEYS.index_goal(PROBE_GOAL))


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def idle_shares(processes: Processes, client: Redis, seconds: float) -> dict[str, float]:
    """What share of a core each process takes while there is only the probe."""
    before = processes.cpu_seconds(client)
    time.sleep(seconds)
    after = processes.cpu_seconds(client)
    return {role: (after[role] - before[role]) / seconds for role in before}


def report(result: Result, what: str, size: int) -> None:
    """A block of lines for one flood."""
    over = "" if result.is_over else ", NOT OVER"
    print(f"\n{result.flood}: {size:,} of {what}{over}")
    print(
        f"    {result.messages:,} messages, {result.summaries:,} summaries, {result.dead_letters:,} dead letters kept"
    )
    rate = result.messages / result.seconds
    print(f"    over after            {result.seconds:10,.1f} s, {rate:,.0f} messages a second")
    memory = (("worker", result.worker_mib), ("finalizer", result.finalizer_mib), ("server", result.server_mib))
    for role, mib in memory:
        print(f"    {role + ' at most':21} {mib:10,.0f} MiB")
    for when, waits in (("alone", result.alone), ("in the flood", result.flooded)):
        lost = f", {waits.lost} never" if waits.lost else ""
        print(f"    probe {when:15} {waits.p50_s:10,.3f} s p50, {waits.max_s:,.3f} s max of {waits.runs}{lost}")
    for when, shares in (("before", result.idle_before), ("all open", result.idle_open)):
        if shares is not None:
            print(f"    idle, {when:15} " + ", ".join(f"{role} {share:.1%}" for role, share in shares.items()))
    if result.stuck_s is not None:
        print(f"    all found stuck in    {result.stuck_s:10,.1f} s")


if __name__ == "__main__":
    main()
