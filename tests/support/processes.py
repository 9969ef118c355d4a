"""Workers and finalizers as the processes that they are in real life."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from runweaver.query import Runs, Summaries
from runweaver.shared import Keys, ProducerSettings, RunSummary, connect
from runweaver.worker import JobQueue
from tests.support.waiting import wait_until

#: Short waits, so that tests of what happens after a while need not take that long.
QUICK = {"RUNWEAVER_SETTLE_S": "0.4", "RUNWEAVER_LATE_AFTER_S": "0.4", "RUNWEAVER_CLAIM_AFTER_S": "1"}


class Pipeline:
    """Processes that work on one namespace of one server. As a context manager it ends them all."""

    def __init__(self, url: str, namespace: str, environment: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.namespace = namespace
        self.keys = Keys(namespace)
        self.redis: redis.Redis = connect(url, name="test")
        jobs_url = (environment or {}).get("RUNWEAVER_JOBS_URL", url)
        self.jobs = JobQueue(connect(jobs_url, name="test"), self.keys)
        self.summaries = Summaries(url, namespace=namespace)
        self.runs = Runs(url, namespace=namespace)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RUNWEAVER_")},
            "RUNWEAVER_REDIS_URL": url,
            "RUNWEAVER_NAMESPACE": namespace,
            **QUICK,
            **(environment or {}),
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        #: Where the processes log to; absent: nowhere.
        self.log: Path | None = None

    def start(self, role: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `runweaver worker` or `runweaver finalizer`."""
        return self.spawn([sys.executable, "-m", "runweaver.console", role], **environment)

    def spawn(self, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start any process that works on this namespace."""
        return self.spawn_logged(command, self.log or Path(os.devnull), environment)

    def spawn_logged(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """The same, and what it says is added to a file."""
        with log.open("ab") as stderr:
            process = subprocess.Popen(command, env={**self.environment, **(environment or {})}, stderr=stderr)
        self.processes.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a `runweaver` command to its end."""
        return self._run(["-m", "runweaver.console", *arguments], environment)

    def run_program(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program of the test's own to its end."""
        return self._run(["-c", program, *arguments], {})

    def _run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def producer_settings(self) -> ProducerSettings:
        """For a producer of this namespace."""
        return ProducerSettings(redis_url=self.url, namespace=self.namespace)

    def send(self, *messages: str | bytes, partition: int = 0) -> str:
        """Put messages onto a stream as one entry, as any program could."""
        fields = dict(zip(map(str, range(len(messages))), messages, strict=True))
        entry_id = self.redis.xadd(self.keys.messages(partition), fields)  # type: ignore[arg-type]
        assert isinstance(entry_id, bytes)
        return entry_id.decode()

    def summary(self, run_id: str, *, revision: int = 1, timeout_s: float = 15.0) -> RunSummary:
        """Wait for a run's summary, of at least this revision."""

        def look() -> RunSummary | None:
            summary = self.summaries.get(run_id)
            return summary if summary is not None and summary.revision >= revision else None

        found = wait_until(look, timeout_s=timeout_s, what=f"revision {revision} of {run_id}")
        assert found is not None
        return found

    def wait_until_merged(self) -> None:
        """Wait until no message waits in any stream."""
        count = int(self.redis.get(self.keys.partitions) or 1)
        wait_until(
            lambda: all(self.redis.xlen(self.keys.messages(partition)) == 0 for partition in range(count)),
            what="all messages merged",
        )

    def wait_until_idle(self) -> None:
        """Wait until no message waits, no run is due, and no job is there."""
        self.wait_until_summarised()
        wait_until(
            lambda: self.jobs.queue.count == 0 and self.jobs.queue.started_job_registry.count == 0,
            what="no job is there",
        )

    def wait_until_summarised(self) -> None:
        """Wait until no message waits, and no run is due."""
        self.wait_until_merged()
        count = int(self.redis.get(self.keys.partitions) or 1)
        wait_until(
            lambda: all(self.redis.zcard(self.keys.due(partition)) == 0 for partition in range(count)),
            timeout_s=60,
            what="no run is due",
        )

    def is_due(self, run_id: str) -> bool:
        """Whether a run waits to be looked at."""
        return any(
            self.redis.zscore(self.keys.due(partition), run_id) is not None
            for partition in range(int(self.redis.get(self.keys.partitions) or 1))
        )

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        """SIGTERM, and the exit code."""
        process.terminate()
        return process.wait(10)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
        self.redis.close()
