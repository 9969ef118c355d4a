"""A private server of a measurement's own, and the processes that work on it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from redis import Redis

from runweaver.console.private_server import private_server
from runweaver.shared import Keys, connect
from runweaver.shared.keys import WORKER_GROUP

KEYS: Final = Keys("bench")
STREAM: Final = KEYS.messages(0)
ROOT: Final = Path(__file__).parent.parent

#: What can be started, as arguments of `python -m`.
ROLES: Final[Mapping[str, Sequence[str]]] = {
    "worker": ("runweaver.console", "worker"),
    "finalizer": ("runweaver.console", "finalizer"),
    "floor": ("benchmarks.floor",),
}

#: What has not come to an end by then never will.
_PATIENCE_S: Final = 1_200.0
_LOOK_EVERY_S: Final = 0.002
_STOP_S: Final = 6.0


class Processes:
    """What runs on a server, how long each of them has worked, and how much memory it ever had."""

    def __init__(self, url: str, settings: Mapping[str, str] | None = None) -> None:
        self.url = url
        others = {name: value for name, value in os.environ.items() if not name.startswith("RUNWEAVER_")}
        ours = {"RUNWEAVER_REDIS_URL": url, "RUNWEAVER_NAMESPACE": KEYS.namespace, "RUNWEAVER_LOG_LEVEL": "warning"}
        # Nothing is stuck before it is asked for.
        self.environment = {**others, **ours, "RUNWEAVER_STUCK_AFTER_S": "100000", **(settings or {})}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._peaks_mib: dict[str, float] = {}

    def start(self, role: str, *, name: str | None = None, **settings: str) -> None:
        """Start a worker, a finalizer or the floor's consumer; a second of its role has a name of its own."""
        self.start_command(name or role, [sys.executable, "-m", *ROLES[role]], **settings)

    def start_command(self, name: str, command: Sequence[str], **settings: str) -> None:
        """Start anything, in a process group of its own."""
        environment = {**self.environment, **settings}
        self._running[name] = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=sys.stderr.fileno(), process_group=0
        )

    def stop(self, name: str) -> None:
        """End it, and keep its peak in mind."""
        self._peaks_mib[name] = self.peak_mib(name)
        process = self._running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill(self, name: str) -> None:
        """End it where it is: it gets no chance to tidy up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def suspend(self, name: str) -> None:
        """Let it stand still where it is."""
        self._running[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        self._running[name].send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Make sure that all of them are there.

        Raises:
            RuntimeError: one has ended by itself.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RuntimeError(f"the {name} has ended by itself, with exit code {process.returncode}")

    def peak_mib(self, name: str) -> float:
        """The most memory that a process of this name ever had."""
        now_mib = 0.0
        if name in self._running:
            status = Path(f"/proc/{self._running[name].pid}/status").read_text()
            now_mib = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        return max(now_mib, self._peaks_mib.get(name, 0.0))

    def cpu_seconds(self, client: Redis) -> dict[str, float]:
        """How long each of them, and the server, has worked."""
        ours = {name: process_seconds(process.pid) for name, process in self._running.items()}
        return {"server": server_seconds(client), **ours}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.stop(name)


@dataclass(frozen=True)
class Site:
    """A fresh server with its log on disk (fsync every second), and the processes of one measurement."""

    url: str
    client: Redis
    processes: Processes

    def start(self, *roles: str, **settings: str) -> None:
        """Start these, and wait until each has arrived: process start is never measured."""
        for role in roles:
            self.processes.start(role, **settings)
        self.wait_until(lambda: all(map(self._has_arrived, roles)))

    def start_workers(self, count: int, role: str = "worker") -> list[str]:
        """Start so many of a kind that merges; their names."""
        names = [f"{role}-{number}" for number in range(1, count + 1)]
        for name in names:
            self.processes.start(role, name=name)
        self.wait_until(lambda: self._consumers() == count)
        return names

    def wait_until(self, condition: Callable[[], Any], *, every_s: float = _LOOK_EVERY_S) -> None:
        """Wait until this is so.

        Raises:
            RuntimeError: it never will be.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            self.processes.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"this has not come to an end within {_PATIENCE_S:g} s")
            time.sleep(every_s)

    def wait_until_quiet(self) -> None:
        """Wait until the server has rewritten its log, where it does."""
        self.wait_until(lambda: not self.client.info("persistence")["aof_rewrite_in_progress"], every_s=0.05)

    def is_merged(self) -> bool:
        """Whether no message waits."""
        return self.client.xlen(STREAM) == 0

    def summarised(self) -> int:
        """How many runs are in the index."""
        return self.client.zcard(KEYS.index_all)

    def cpu_seconds(self) -> dict[str, float]:
        """How long each process, and the server, has worked."""
        return self.processes.cpu_seconds(self.client)

    def _has_arrived(self, role: str) -> bool:
        if role == "finalizer":
            return bool(self.client.exists("rq:workers"))
        return self._consumers() > 0

    def _consumers(self) -> int:
        if not self.client.exists(STREAM):
            return 0
        groups: Any = self.client.xinfo_groups(STREAM)
        return sum(group["consumers"] for group in groups if group["name"] == WORKER_GROUP.encode())


@contextmanager
def fresh_site(**settings: str) -> Iterator[Site]:
    """A server of a measurement's own. Settings are those of all processes on it."""
    with private_server() as url, Processes(url, settings) as processes, connect(url, name="bench") as client:
        yield Site(url, client, processes)


def process_seconds(pid: int) -> float:
    """How long a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_seconds(client: Redis) -> float:
    """How long the server's processor has worked."""
    cpu = client.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
