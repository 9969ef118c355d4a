"""Serves the console, until SIGTERM."""

import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

import anyio
import uvicorn

from runweaver.console.http_server import checked_token, is_loopback, listen
from runweaver.console.web.app import create_app
from runweaver.console.web.events import Events
from runweaver.shared.errors import SettingsError
from runweaver.shared.log import get_logger
from runweaver.shared.settings import ConsoleSettings

#: How long what is being answered may take after SIGTERM.
_LAST_ANSWERS_S: Final = 2

_log = get_logger(__name__)


def serve_console(
    settings: ConsoleSettings, host: str, port: int, *, trace_url: str | None, tell: Callable[[str], None]
) -> None:
    """Serve pages, until SIGTERM.

    Args:
        settings: where the data is, and what people have to show.
        host: the address to listen at.
        port: 0 for a free one.
        trace_url: where traces are shown, see `create_app`.
        tell: is told the address, once somebody listens there.

    Raises:
        InvalidArgumentError: nobody can listen there.
        SettingsError: a URL makes no sense, the token is too short, or there is none and others can reach the address.
    """
    token = checked_token("RUNWEAVER_CONSOLE_TOKEN", settings.console_token)
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"--host {host}: whoever reaches this address could read all runs: set RUNWEAVER_CONSOLE_TOKEN, or serve "
            "at 127.0.0.1"
        )
    # Of its beginning and its end we say more than it does.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger().level))
    app = create_app(settings, trace_url=trace_url)
    listener = listen(host, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Before the server takes signals itself, and when it has answered the last. There is nothing to tidy up.
        signal.signal(number, lambda *_: os._exit(0))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_LAST_ANSWERS_S)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}/"
    _log.info("serving", url=address, with_token=token is not None, read_only=settings.console_read_only)
    tell(address)
    anyio.run(lambda: _Server(config, app.state.events).serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """Tells those who listen for events that it ends: it waits for all answers, and theirs never end by themselves."""

    def __init__(self, config: uvicorn.Config, events: Events) -> None:
        super().__init__(config)
        self._events = events

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._events.close()
        super().handle_exit(sig, frame)
