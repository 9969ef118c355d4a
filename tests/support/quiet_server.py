"""An HTTP server on the loopback interface that prints nothing, whatever its clients do."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class QuietHandler(BaseHTTPRequestHandler):
    """What is posted is for `answer`, of its subclass."""

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Answer what was posted."""
        raise NotImplementedError

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


class QuietServer(ThreadingHTTPServer):
    """Serves from `start` to `stop`, at a free port."""

    daemon_threads = True

    def __init__(self, handler: type[QuietHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def handle_error(self, *_arguments: Any) -> None:
        """Clients that do not wait for the answer, or are killed, are what is tested."""

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()
