"""How long `decide()` keeps an agent's thread, whatever happens to the server.

    python -m benchmarks.producer_calls [up minute …] [--rate 1000] [--scale 0.1] [--json]

An agent in a process of its own decides (two options, about 750 bytes) and records an outcome: `--rate` times a second,
and then as often as it can. Each situation has stages, at whose beginning something happens to a real server.

Next to it, a process without a producer does the same with a plain function that takes about as long (it dumps the same
dictionary as JSON, again and again): what *that* takes at worst is the machine's own doing. At the given rate it runs
at the same time; flat out it would take a core away, and runs before.
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks.messages import message_of
from benchmarks.processes import ROOT
from runweaver.producer import ActiveRun, Producer
from tests.support.server import Server

DECISION: Final[Mapping[str, Any]] = message_of(0, 1, 4)["decision"]
DECISIONS_A_RUN: Final = 1_000
#: How often the plain function dumps the dictionary: about as long as a decision takes.
DUMPS: Final = 12
#: Of a stage's time, how much it lasts flat out: buffers fill so much sooner.
FLAT_OUT_SHARE: Final = 0.25
#: How far behind its time the agent may be before it gives up catching up.
MOST_BEHIND_S: Final = 0.05
FLUSH_S: Final = 60.0


@dataclass(frozen=True)
class Stage:
    """Some seconds, and what happens to the server at their beginning."""

    name: str
    seconds: float
    action: Callable[[Server], None] | None = None


@dataclass(frozen=True)
class Situation:
    """What an agent goes through."""

    what: str
    stages: Sequence[Stage]
    is_down_at_first: bool = False
    has_spool: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """How long calls took, in microseconds."""

    calls: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float


@dataclass(frozen=True)
class Row:
    """One stage of one situation."""

    situation: str
    stage: str
    pace: str
    decide: Figures
    plain: Figures
    #: In the whole situation: messages that found no room, and whether all others arrived in the end.
    dropped: int
    arrived: bool


SMALL_ROOM: Final = {"RUNWEAVER_SPOOL_BYTES": str(1024**2), "RUNWEAVER_BUFFER_BYTES": str(4 * 1024**2)}

SITUATIONS: Final[Mapping[str, Situation]] = {
    "up": Situation("Redis is there", [Stage("up", 20)]),
    "down": Situation(
        "Redis is not there, no spool", [Stage("down", 20), Stage("back", 10, Server.start)], is_down_at_first=True
    ),
    "down-spool": Situation(
        "Redis is not there, with a spool",
        [Stage("down", 20), Stage("back", 10, Server.start)],
        is_down_at_first=True,
        has_spool=True,
    ),
    "minute": Situation(
        "Redis goes for a minute, with a spool",
        [Stage("up", 10), Stage("down", 60, Server.kill), Stage("back", 20, Server.start)],
        has_spool=True,
    ),
    "hangs": Situation(
        "Redis hangs, no spool",
        [Stage("up", 5), Stage("hangs", 20, Server.hang), Stage("goes on", 10, Server.go_on)],
    ),
    "hangs-spool": Situation(
        "Redis hangs, with a spool",
        [Stage("up", 5), Stage("hangs", 20, Server.hang), Stage("goes on", 10, Server.go_on)],
        has_spool=True,
    ),
    "full": Situation(
        "Redis is not there, 1 MiB of spool and 4 MiB of buffer",
        [Stage("filling", 10), Stage("full", 20), Stage("back", 10, Server.start)],
        is_down_at_first=True,
        has_spool=True,
        settings=SMALL_ROOM,
    ),
}


def main() -> None:
    """Go through one situation after another, at a pace and flat out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("situations", nargs="*", metavar="SITUATION", help=", ".join(SITUATIONS))
    parser.add_argument("--rate", type=float, default=1_000, help="decisions a second, each with its outcome")
    parser.add_argument("--scale", type=float, default=1.0, help="of the times: 0.1 for a quick look")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    # For the processes that this one starts: seconds of each stage, and what to call.
    parser.add_argument("--stages", type=float, nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--decide", action="store_const", dest="call", const=decide, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_const", dest="call", const=plain, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.situations) - SITUATIONS.keys():
        parser.error(f"{', '.join(unknown)}: there are only {', '.join(SITUATIONS)}")
    if arguments.call:
        arguments.call(arguments.stages, arguments.rate)
        return
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    setting = f"{arguments.rate:,.0f} decisions a second and as many outcomes, scale {arguments.scale:g}, {machine}"
    if not arguments.json:
        print(setting)
    rows = []
    for pace, rate in (("paced", arguments.rate), ("flat out", 0.0)):
        for name in arguments.situations or SITUATIONS:
            scale = arguments.scale * (1 if rate else FLAT_OUT_SHARE)
            rows += (measured := list(measure(name, pace, rate, scale)))
            if not arguments.json:
                report(measured)
    if arguments.json:
        print(json.dumps({"setting": setting, "rows": [asdict(row) for row in rows]}))


def measure(name: str, pace: str, rate: float, scale: float) -> Iterator[Row]:
    """One situation: a row for each of its stages."""
    situation = SITUATIONS[name]
    stages = [stage.seconds * scale for stage in situation.stages]
    with Server(appendonly="yes", appendfsync="everysec") as server, tempfile.TemporaryDirectory() as spool:
        if situation.is_down_at_first:
            server.kill()
        settings = {"RUNWEAVER_REDIS_URL": server.url, **situation.settings}
        if situation.has_spool:
            settings["RUNWEAVER_SPOOL_DIR"] = spool
        beside = spawn("--plain", rate, stages, settings)
        if not rate:
            beside.wait()
        agent = spawn("--decide", rate, stages, settings)
        wait_for_beginning(agent)
        for stage, seconds in zip(situation.stages, stages, strict=True):
            if stage.action is not None:
                stage.action(server)
            time.sleep(seconds)
        told, compared = (json.loads(process.communicate()[0].splitlines()[-1]) for process in (agent, beside))
    for stage, ours, others in zip(situation.stages, told["figures"], compared["figures"], strict=True):
        figures = Figures(**ours), Figures(**others)
        yield Row(name, stage.name, pace, *figures, dropped=told["dropped"], arrived=told["arrived"])


def spawn(call: str, rate: float, stages: Sequence[float], settings: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a process that calls `decide` or the plain function."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("RUNWEAVER_")}
    command = [sys.executable, "-m", "benchmarks.producer_calls", call, "--rate", str(rate)]
    return subprocess.Popen(
        [*command, "--stages", *map(str, stages)],
        cwd=ROOT,
        env={**others, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_beginning(process: "subprocess.Popen[str]") -> None:
    """Wait until its first stage begins."""
    assert process.stdout is not None
    process.stdout.readline()


def decide(stages: Sequence[float], rate: float) -> None:
    """What the agent does."""
    logging.getLogger("runweaver").addHandler(logging.NullHandler())  # warnings are made, but not shown
    producer = Producer(name="bench")
    runs = runs_of(producer)
    run = next(runs)

    def call() -> str:
        return run.decide(
            DECISION["intent"],
            DECISION["options"],
            DECISION["chosen_option_id"],
            DECISION["reasoning"],
            node_id=DECISION["node_id"],
            decision_type=DECISION["decision_type"],
            input_context=DECISION["input_context"],
        )

    def go_on(decision_id: str) -> None:
        nonlocal run
        run.record_outcome(decision_id, success=True, summary="It went well", tokens_used=512, latency_ms=840)
        run = next(runs)

    figures = timed(call, go_on, stages, rate)
    # The first flush tells that messages were dropped, too.
    arrived = producer.flush(FLUSH_S) or producer.flush(0)
    print(json.dumps({"figures": figures, "dropped": producer.dropped, "arrived": arrived}))
    producer.close(0.1)


def runs_of(producer: Producer) -> Iterator[ActiveRun]:
    """For each decision the run that it belongs to."""
    while True:
        with producer.start_run("bench") as run:
            for _ in range(DECISIONS_A_RUN):
                yield run


def plain(stages: Sequence[float], rate: float) -> None:
    """What is compared with it."""

    def call() -> str:
        for _ in range(DUMPS - 1):
            json.dumps(DECISION)
        return json.dumps(DECISION)

    print(json.dumps({"figures": timed(call, len, stages, rate)}))


def timed(
    call: Callable[[], str], go_on: Callable[[str], Any], stages: Sequence[float], rate: float
) -> list[dict[str, float]]:
    """Call it again and again.

    Args:
        call: what is timed.
        go_on: what follows each call, and is not timed.
        stages: seconds.
        rate: calls a second; 0: as many as can be.

    Returns:
        Figures for each stage.
    """
    go_on(call())  # what is done once is not what is measured
    print("it begins", flush=True)
    figures = []
    due_at = stage_ends_at = time.perf_counter()
    for seconds in stages:
        stage_ends_at += seconds
        took_ns = array("q")
        while (now := time.perf_counter()) < stage_ends_at:
            if rate:
                time.sleep(max(0.0, due_at - now))
                # Who is late catches up, but not with what a long stall has made impossible.
                due_at = max(due_at + 1 / rate, now - MOST_BEHIND_S)
            began_ns = time.perf_counter_ns()
            result = call()
            took_ns.append(time.perf_counter_ns() - began_ns)
            go_on(result)
        figures.append(figures_of(sorted(took_ns)))
    return figures


def figures_of(took_ns: Sequence[int]) -> dict[str, float]:
    """The quantiles of sorted times."""

    def quantile(share: float) -> float:
        return took_ns[min(len(took_ns) - 1, int(len(took_ns) * share))] / 1000

    names = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999, "max_us": 1.0}
    return {"calls": len(took_ns), **{name: quantile(share) for name, share in names.items()}}


def report(rows: Sequence[Row]) -> None:
    """The stages of one situation."""
    first = rows[0]
    arrived = "all that was taken arrived" if first.arrived else "not all arrived"
    print(
        f"\n{first.situation}, {first.pace}: {SITUATIONS[first.situation].what} ({first.dropped:,} dropped, {arrived})"
    )
    print(f"    {'microseconds':22}{'calls':>10}{'p50':>10}{'p99':>10}{'p99.9':>10}{'max':>10}")
    for row in rows:
        for call, figures in (("decide", row.decide), ("plain", row.plain)):
            numbers = (figures.p50_us, figures.p99_us, figures.p999_us, figures.max_us)
            told = "".join(f"{number:>10,.0f}" for number in numbers)
            print(f"    {row.stage:10}{call:12}{figures.calls:>10,}{told}")


if __name__ == "__main__":
    main()
