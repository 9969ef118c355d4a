"""Asks `runweaver mcp` as an LLM's program does: with the client of the official SDK, over either transport."""

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from mcp import Client, StdioServerParameters
from mcp.client._transport import Transport, TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, Tool

from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_Result = TypeVar("_Result")
#: Where a server is: the address of one that is there, or how to start one.
Place = str | StdioServerParameters | Transport

COMMAND: Final = [sys.executable, "-m", "runweaver.console", "mcp"]


def over_stdio(pipeline: Pipeline, **environment: str) -> StdioServerParameters:
    """Started by its client, as in real life."""
    # It starts where the tests do, so that it finds the same code.
    return StdioServerParameters(
        command=COMMAND[0], args=COMMAND[1:], env={**pipeline.environment, **environment}, cwd=Path.cwd()
    )


def over_http(pipeline: Pipeline, log: Path, *options: str, **environment: str) -> str:
    """Start one that listens, and wait until it does.

    Returns:
        Its address.
    """
    serve(pipeline, log, *options, **environment)
    return address_in(log)


def serve(pipeline: Pipeline, log: Path, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start one that will listen at a free port."""
    return pipeline.spawn_logged([*COMMAND, "--http", "--port", "0", *options], log, environment)


def address_in(log: Path) -> str:
    """Where one listens, as it logs when it does."""
    lines = wait_until(
        lambda: [line for line in log.read_text().splitlines() if '"serving"' in line], what="it listening"
    )
    address: str = json.loads(lines[-1])["url"]
    return address


@asynccontextmanager
async def with_token(address: str, token: str) -> AsyncIterator[TransportStreams]:
    """The same, showing a token."""
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http,
        streamable_http_client(address, http_client=http) as streams,
    ):
        yield streams


def asking(place: Place, talk: Callable[[Client], Awaitable[_Result]], *, mode: str = "auto") -> _Result:
    """Have a talk with a server, from its beginning to its end."""

    async def begin() -> _Result:
        async with Client(place, mode=mode, read_timeout_seconds=30) as client:
            return await talk(client)

    return asyncio.run(begin())


def ask(place: Place, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers."""
    return answer_of(call(place, tool, **arguments))


def refusal(place: Place, tool: str, **arguments: Any) -> str:
    """What a tool says of a call that it cannot answer."""
    result = call(place, tool, **arguments)
    assert result.is_error, result
    return text_of(result)


def call(place: Place, tool: str, **arguments: Any) -> CallToolResult:
    """Call a tool."""
    return asking(place, lambda client: client.call_tool(tool, arguments))


def tools_at(place: Place) -> list[Tool]:
    """The tools that there are."""

    async def talk(client: Client) -> list[Tool]:
        return (await client.list_tools()).tools

    return asking(place, talk)


def answer_of(result: CallToolResult) -> dict[str, Any]:
    """What a tool has answered: the same as text and for programs."""
    assert not result.is_error, text_of(result)
    document: dict[str, Any] = json.loads(text_of(result))
    assert document == result.structured_content
    return document


def text_of(result: CallToolResult) -> str:
    """What an LLM gets to read."""
    (content,) = result.content
    assert content.type == "text"
    return content.text


def post(address: str, **headers: str) -> tuple[int, str]:
    """What any HTTP client gets: the status, and the text."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accepted = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(address, json.dumps(body).encode(), {**accepted, **headers})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
