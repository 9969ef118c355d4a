"""A receiver of webhooks: answers as it is told, and keeps what it got."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.quiet_server import QuietHandler, QuietServer

#: What tests sign with.
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@dataclass(frozen=True)
class Request:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def run_id(self) -> str:
        return str(self.event["data"]["run_id"])

    @property
    def is_genuine(self) -> bool:
        """Verified as the specification says, and not with our own code."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        digest = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
        is_fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 60
        return is_fresh and f"v1,{base64.b64encode(digest).decode()}" == self.headers["webhook-signature"]


#: For a request, the status of the answer; with headers, if need be.
Answer = Callable[[Request], int | tuple[int, dict[str, str]]]


class Receiver:
    """An HTTP server on the loopback interface."""

    def __init__(self, answer: Answer = lambda _: 204) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        receiver = self

        class Handler(QuietHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = Request(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
                receiver.requests.append(request)
                answer = receiver.answer(request)
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()

        self._server = QuietServer(Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def run_ids(self) -> list[str]:
        """Of all that came, in order."""
        return [request.run_id for request in self.requests]

    def hang(self) -> threading.Event:
        """Answer nothing until this is set."""
        release = threading.Event()

        def answer(_request: Request) -> int:
            release.wait(20)
            return 204

        self.answer = answer
        return release

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


def write_hooks(path: Path, *hooks: dict[str, Any]) -> Path:
    """A file with these hooks; what is not said is quick."""
    quick = {"secret": SECRET, "first_retry_s": 0.05, "last_retry_s": 0.2, "timeout_s": 5}
    lines = []
    for hook in hooks:
        lines += ["[[hooks]]", *(f"{name} = {json.dumps(value)}" for name, value in {**quick, **hook}.items())]
    path.write_text("\n".join(lines))
    return path
