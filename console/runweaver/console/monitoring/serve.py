"""The port at which a process can be asked: `/metrics`, `/health/live` and `/health/ready`."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from runweaver.console.monitoring.health import Health
from runweaver.shared.errors import SettingsError
from runweaver.shared.log import get_logger
from runweaver.shared.settings import MonitoredSettings

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
#: Whoever says nothing for so long is let go.
_PATIENCE_S: Final = 10.0

_log = get_logger(__name__)


@contextmanager
def answering(
    settings: MonitoredSettings, collector: Collector, health: Health, *, default_port: int | None = None
) -> Iterator[None]:
    """Answer whoever asks, from threads of its own, until the end of the block.

    Args:
        settings: where to listen.
        collector: what is told besides the process itself: its memory, time, files and garbage.
        health: who says how it is.
        default_port: where to listen if settings do not say; absent: nowhere, and nothing happens.

    Raises:
        SettingsError: nobody can listen there.
    """
    host = settings.metrics_host
    port = settings.metrics_port if settings.metrics_port is not None else default_port
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(collector)
    try:
        server = _Server(host, port, registry, health)
    except OSError as error:
        raise SettingsError(
            f"RUNWEAVER_METRICS_PORT={port}: nobody can listen there at RUNWEAVER_METRICS_HOST={host} "
            f"({error.strerror or error}): choose another, one for each process of a machine"
        ) from None
    with server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        _log.info("metrics can be asked for", url=f"http://{_in_url(host)}:{server.server_port}/metrics")
        try:
            yield
        finally:
            server.shutdown()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Server(ThreadingHTTPServer):
    # On its way out, a process does not wait for whoever is still asking.
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        self.registry = registry
        self.health = health
        super().__init__((host, port), _Handler)

    def handle_error(self, *_request: Any) -> None:
        """Tell what went wrong, unless it is only that somebody did not wait for the answer."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("cannot say how this process is")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, content_type, encode(self.server.registry))
            case "/health/live":
                self._answer_health(*self.server.health.live())
            case "/health/ready":
                self._answer_health(*self.server.health.ready())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"There are /metrics, /health/live and /health/ready.\n")

    def _answer_health(self, is_well: bool, told: dict[str, Any]) -> None:  # noqa: FBT001 - as `Health` says it
        status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, _JSON, json.dumps(told).encode() + b"\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gave it
        """Say nothing: somebody asks every few seconds."""
