"""Serves over standard input and output, or over HTTP."""

import hmac
import logging
import os
import signal
import sys
from typing import Any, Final

import anyio
import anyio.to_thread
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runweaver.console.http_server import checked_token, is_loopback, listen
from runweaver.console.mcp.server import make_server, tool_sources
from runweaver.shared.errors import SettingsError
from runweaver.shared.log import get_logger
from runweaver.shared.settings import McpSettings

PATH: Final = "/mcp"

#: A run may be large: so many calls at once read one.
_CALLS_AT_ONCE: Final = 8
#: How long calls that are being answered may take after SIGTERM.
_LAST_ANSWERS_S: Final = 3

_log = get_logger(__name__)


def serve_stdio(settings: McpSettings) -> None:
    """Answer on standard output what comes from standard input, until that ends.

    Raises:
        SettingsError: a URL makes no sense.
    """
    _log_little()
    server = make_server(tool_sources(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        # A thread waits for the next line of standard input, and nothing wakes it. There is nothing to tidy up.
        signal.signal(number, lambda *_: os._exit(0))

    async def serve() -> None:
        _limit_calls()
        await server.run_stdio_async()

    anyio.run(serve)


def serve_http(settings: McpSettings, host: str, port: int) -> None:
    """Answer over streamable HTTP, until SIGTERM.

    Args:
        host: the address to listen at.
        port: 0 for a free one.

    Raises:
        InvalidArgumentError: nobody can listen there.
        SettingsError: a URL makes no sense, the token is too short, or there is none and others can reach the address.
    """
    _log_little()
    token = checked_token("RUNWEAVER_MCP_TOKEN", settings.mcp_token)
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"--host {host}: whoever reaches this address could read all runs: set RUNWEAVER_MCP_TOKEN, or serve at "
            "127.0.0.1"
        )
    app = http_app(make_server(tool_sources(settings)), host, token)
    listener = listen(host, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # It logs as the rest of us does.
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=_LAST_ANSWERS_S
    )
    shown = f"[{host}]" if ":" in host else host
    _log.info("serving", url=f"http://{shown}:{listener.getsockname()[1]}{PATH}", with_token=token is not None)

    async def serve() -> None:
        _limit_calls()
        await uvicorn.Server(config).serve(sockets=[listener])

    anyio.run(serve)


def http_app(server: MCPServer[Any], host: str, token: str | None) -> ASGIApp:
    """The application, which wants the token where there is one.

    Nothing is kept from one request to the next: a restart or a second process behind the same address harms nobody.
    """
    # A page in a browser that had its name point to this machine does not know the token. Without one, what is asked
    # for has to be us.
    security = None if is_loopback(host) else TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        transport_security=security or _only_loopback(host),
    )
    return app if token is None else _TokenWanted(app, token)


def _only_loopback(host: str) -> TransportSecuritySettings:
    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    return TransportSecuritySettings(
        allowed_hosts=sorted(f"{name}:*" for name in names),
        allowed_origins=sorted(f"http://{name}:*" for name in names),
    )


class _TokenWanted:
    """Lets those through that have the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        refusal = PlainTextResponse(
            "this server wants a token: Authorization: Bearer …", 401, {"WWW-Authenticate": "Bearer"}
        )
        await refusal(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        # In constant time: how long it takes must not tell how much was right.
        return scope["type"] == "http" and len(given) == 1 and hmac.compare_digest(given[0], self._expected)


def _log_little() -> None:
    # At INFO the SDK logs what was asked for wrongly, with names and values that are not for logs.
    logging.getLogger("mcp").setLevel(max(logging.WARNING, logging.getLogger().level))


def _limit_calls() -> None:
    # Beside those for standard input and output.
    anyio.to_thread.current_default_thread_limiter().total_tokens = _CALLS_AT_ONCE + 2
