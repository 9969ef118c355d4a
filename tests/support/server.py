"""A real server that can be killed, and started again on the same port with what it had on disk."""

import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.binary import server_under_test
from tests.support.ports import free_port
from tests.support.waiting import wait_until

#: Unless a test says otherwise. It keeps nothing on disk.
_DEFAULTS: Final = {"bind": "127.0.0.1", "save": '""', "appendonly": "no"}
_STOPS_WITHIN_S: Final = 5.0


class Server:
    """The server under test, as a process of the test's own."""

    def __init__(self, **config: str) -> None:
        """Make one that is not started yet.

        Args:
            config: lines of its configuration.
        """
        self.port = free_port()
        self._config = {name: value or '""' for name, value in config.items()}
        self._directory = tempfile.TemporaryDirectory(prefix="runweaver-test-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, also while it is not running."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def directory(self) -> Path:
        """Where its data lies."""
        return Path(self._directory.name)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed since."""
        return self._process is not None

    def client(self) -> redis.Redis:
        """A plain client."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start it, with what it had on disk."""
        config = {**_DEFAULTS, **self._config, "port": str(self.port), "dir": str(self.directory)}
        file, log = self.directory / "server.conf", self.directory / "server.log"
        file.write_text("".join(f"{name} {value}\n" for name, value in config.items()))
        with log.open("ab") as output:
            self._process = process = subprocess.Popen(
                [server_under_test().path, str(file)], stdout=output, stderr=subprocess.STDOUT
            )

        def is_up() -> bool:
            assert process.poll() is None, log.read_text()
            with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
                try:
                    return bool(client.ping())
                except redis.exceptions.AuthenticationError:
                    return True
                except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                    return False

        wait_until(is_up, what="the server answering")

    def kill(self) -> None:
        """End it as a power cut does."""
        self._signal(signal.SIGKILL)
        self._ended()

    def hang(self) -> None:
        """From now on it accepts connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It does not hang any more. One that was killed meanwhile does not either."""
        if self.is_running:
            self._signal(signal.SIGCONT)

    def pause(self, seconds: float) -> None:
        """Let it hang for a while."""
        self.hang()
        try:
            time.sleep(seconds)
        finally:
            self.go_on()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_running:
            self.go_on()
            self._signal(signal.SIGTERM)
            self._ended()
        with suppress(OSError):
            self._directory.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _ended(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
