"""Runs workers, finalizers and the console as processes, and takes them down in order."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Final, Self

from runweaver.shared.errors import RunweaverError

_STOP_TIMEOUT_S: Final = 8.0


class Fleet:
    """Processes that belong together. As a context manager it leaves none of them behind."""

    def __init__(self, redis_url: str, *, log_level: str = "info") -> None:
        self._environment = {**os.environ, "RUNWEAVER_REDIS_URL": redis_url, "RUNWEAVER_LOG_LEVEL": log_level}
        # Only one process of a machine can listen there.
        self._environment.pop("RUNWEAVER_METRICS_PORT", None)
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, role: str, *options: str, count: int = 1) -> None:
        """Start `runweaver <role>` so many times."""
        for _ in range(count):
            command = [sys.executable, "-m", "runweaver.console", role, "--parent", str(os.getpid()), *options]
            self._processes.append((role, self.spawn(command)))

    def spawn(self, command: Sequence[str], *, stdout: int | None = None) -> subprocess.Popen[bytes]:
        """Start a process that knows the server, out of reach of Ctrl-C: we tell it when to stop."""
        return subprocess.Popen(command, env=self._environment, stdout=stdout, start_new_session=True)  # noqa: S603

    def check(self) -> None:
        """Make sure that all of them are alive.

        Raises:
            RunweaverError: one has ended by itself.
        """
        for role, process in self._processes:
            if process.poll() is not None:
                raise RunweaverError(f"a {role} ended by itself with exit code {process.returncode}, see above")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        # Workers first: what they merged while stopping, the finalizers still see.
        for role in dict.fromkeys(role for role, _ in self._processes):
            stop_all([process for its_role, process in self._processes if its_role == role])


def stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End these processes: politely, and after some seconds not."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Interruption:
    """Ctrl-C, SIGTERM or a closed terminal, noticed only where that is safe.

    Raised in the middle of starting a process, it would leave one behind that nobody knows of.
    """

    def __init__(self) -> None:
        self._came = threading.Event()

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than until the interruption.

        Raises:
            KeyboardInterrupt: it came, now or before.
        """
        if self._came.wait(seconds):
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._notice) for number in numbers}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _notice(self, _number: int, _frame: FrameType | None) -> None:
        self._came.set()


def stop_with_parent(parent: int) -> None:
    """Ask this process to stop (SIGTERM) when its parent is gone, however that ended."""

    def watch() -> None:
        waiter = threading.Event()
        while os.getppid() == parent:
            waiter.wait(1.0)
        with suppress(ProcessLookupError):
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
