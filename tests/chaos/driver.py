"""Puts a real pipeline under load, deals it blow after blow, lets it drain, and judges what it made of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from runweaver.shared.keys import WORKER_GROUP
from tests.chaos.crew import Crew
from tests.chaos.hands import Hands
from tests.chaos.journal import GO, read_journals
from tests.chaos.releases import CURRENT, Release
from tests.chaos.report import Report, Tally
from tests.chaos.schedule import Event, Kind, schedule
from tests.chaos.sender import PATIENCE_S
from tests.chaos.verdict import judge
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

#: More than one, so that messages of one run come through several streams.
_PARTITIONS: Final = 3
#: All processes at once take their time to begin.
_STARTED_WITHIN_S: Final = 90.0
#: Runs are silent that long when the server is away, and come back.
_STUCK_AFTER_S: Final = 4.0


@dataclass(frozen=True)
class Plan:
    """What to do, and to whom."""

    seconds: float
    seed: str
    #: Processes with the real producer, and processes that write messages by hand.
    agents: int = 4
    senders: int = 4
    workers: int = 4
    finalizers: int = 2
    #: Messages a second of each of those that send.
    rate: float = 50.0
    drain_within_s: float = 180.0
    #: What runs as `python -m MODULE worker` and `… finalizer`.
    module: str = "runweaver.console"
    #: To run beside this one.
    previous: Release | None = None
    #: Where journals and logs are kept; absent: nowhere, in the end.
    directory: Path | None = None


def run_chaos(plan: Plan, tell: Callable[[str], object] = lambda _line: None) -> Report:
    """Carry out a plan, and tell of each blow. However this ends, no process is left.

    Raises:
        AssertionError: a sender failed: its producer says that something is lost, or the server is not there for it.
    """
    with ExitStack() as stack:
        directory = plan.directory or Path(stack.enter_context(TemporaryDirectory(prefix="runweaver-chaos-")))
        server = stack.enter_context(Server(appendonly="yes", appendfsync="always"))
        environment = {
            "RUNWEAVER_SPOOL_DIR": str(directory / "spool"),
            "RUNWEAVER_PARTITIONS": str(_PARTITIONS),
            "RUNWEAVER_STUCK_AFTER_S": str(_STUCK_AFTER_S),
            "RUNWEAVER_LOG_LEVEL": "warning",
        }
        pipeline = stack.enter_context(Pipeline(server.url, "chaos", environment))
        return _Chaos(plan, tell, directory, server, pipeline).run()


class _Chaos:
    """One run of the driver."""

    def __init__(
        self, plan: Plan, tell: Callable[[str], object], directory: Path, server: Server, pipeline: Pipeline
    ) -> None:
        self._plan = plan
        self._tell: Callable[[str], object] = lambda line: tell(f"{self._now_s:7.1f} s  {line}")
        self._directory = directory
        self._server = server
        self._pipeline = pipeline
        self._hands = Hands(server.url, pipeline.keys, _PARTITIONS)
        self._tally = Tally()
        self._releases = (plan.previous, CURRENT) if plan.previous is not None else (CURRENT,)
        self._crew = Crew(
            pipeline,
            self._hands,
            self._tally,
            self._tell,
            module=plan.module,
            logs=directory,
            releases=self._releases,
        )
        self._began_at = time.monotonic()
        #: What ends by itself: when, and how it is ended.
        self._endings: list[tuple[float, Callable[[], None]]] = []

    def run(self) -> Report:
        self._crew.start("worker", self._plan.workers)
        self._crew.start("finalizer", self._plan.finalizers)
        senders = self._start_senders()
        self._wait_until(lambda: len(self._journals()) == len(senders), _STARTED_WITHIN_S)
        self._directory.joinpath(GO).touch()
        self._began_at = time.monotonic()
        for event in self._events():
            self._wait_until(lambda at_s=event.at_s: self._now_s >= at_s, 60)  # type: ignore[misc]
            self._deal(event)
        self._wait_until(lambda: self._now_s >= self._plan.seconds and not self._endings, 60)
        self._wait_until(lambda: all(each.poll() is not None for each in senders), PATIENCE_S)
        seconds = self._now_s
        assert all(each.returncode == 0 for each in senders), self._complaints()
        drained_after_s = self._drain()
        self._crew.stop()
        verdict = judge(self._pipeline, read_journals(self._journals()))
        names = tuple(release.name for release in self._releases)
        return Report(self._plan.seed, seconds, names, self._tally, verdict, drained_after_s)

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self._began_at

    def _events(self) -> list[Event]:
        plan = self._plan
        return schedule(
            plan.seed,
            plan.seconds,
            workers=plan.workers,
            finalizers=plan.finalizers,
            is_rolling=plan.previous is not None,
        )

    def _start_senders(self) -> list[subprocess.Popen[bytes]]:
        plan = self._plan
        who = [("agent", [str(number), str(plan.agents)]) for number in range(plan.agents)]
        who += [("sender", [f"sender-{number}"]) for number in range(plan.senders)]
        processes = []
        for place, (module, arguments) in enumerate(who):
            journal = self._directory / f"{place}.journal"
            command = [sys.executable, "-m", f"tests.chaos.{module}", *arguments]
            command += [str(plan.seconds), str(plan.rate), str(journal), plan.seed]
            processes.append(self._pipeline.spawn_logged(command, self._directory / f"{module}-{place}.log"))
        return processes

    def _journals(self) -> list[Path]:
        return list(self._directory.glob("*.journal"))

    def _wait_until(self, condition: Callable[[], bool], more_s: float) -> None:
        """Wait, and meanwhile end what is to be ended and start who has fallen."""

        def look() -> bool:
            for ending in [each for each in self._endings if each[0] <= self._now_s]:
                self._endings.remove(ending)
                ending[1]()
            self._crew.tend()
            return condition()

        wait_until(look, timeout_s=more_s, what="the next step of the plan")

    def _deal(self, event: Event) -> None:
        """Do what the plan says."""
        if event.kind in (Kind.SERVER_HANG, Kind.SERVER_CRASH) and not self._server.is_running:
            return  # events came late, and this one while the server is still away
        match event.kind:
            case Kind.KILL:
                self._crew.kill(self._crew.member(event.role, event.number), is_aimed=event.is_aimed)
            case Kind.TERMINATE:
                self._crew.terminate(self._crew.member(event.role, event.number))
            case Kind.ROLL:
                self._crew.roll(self._crew.member(event.role, event.number))
            case Kind.FREEZE:
                thaw = self._crew.freeze(self._crew.member(event.role, event.number))
                self._end_after(event.lasts_s, thaw)
            case Kind.SERVER_HANG:
                self._server.hang()
                self._end_after(event.lasts_s, self._server.go_on)
                self._tally.hangs += 1
                self._tell(f"server hangs for {event.lasts_s:.1f} s")
            case Kind.SERVER_CRASH:
                self._crash_server(event)

    def _crash_server(self, event: Event) -> None:
        entries, jobs = self._hands.waiting()
        self._server.kill()
        self._end_after(event.lasts_s, self._server.start)
        self._tally.crashes += 1
        self._tally.busy_crashes += entries > 0
        self._tell(f"server killed with {entries} entries and {jobs} jobs waiting, away for {event.lasts_s:.1f} s")

    def _end_after(self, seconds: float, end: Callable[[], None]) -> None:
        self._endings.append((self._now_s + seconds, end))

    def _drain(self) -> float | None:
        """Wait until nothing is left to do. Tells how long that took, or nothing where it took too long."""
        started_at = time.monotonic()
        with suppress(AssertionError):
            self._wait_until(self._is_drained, self._plan.drain_within_s)
            return time.monotonic() - started_at
        return None

    def _is_drained(self) -> bool:
        redis, keys = self._pipeline.redis, self._pipeline.keys
        for partition in range(_PARTITIONS):
            stream = keys.messages(partition)
            if redis.xlen(stream) or redis.xpending(stream, WORKER_GROUP)["pending"]:
                return False
            if redis.zcard(keys.due(partition)) or redis.zcard(keys.active(partition)):
                return False
        return self._pipeline.jobs.queue.count == 0

    def _complaints(self) -> str:
        """The last words of senders."""
        logs = [*self._directory.glob("agent-*.log"), *self._directory.glob("sender-*.log")]
        return os.linesep.join(path.read_text(errors="replace")[-2_000:] for path in logs)
