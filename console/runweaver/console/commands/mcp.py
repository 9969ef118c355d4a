"""`runweaver mcp`: everything that can be asked, for an LLM with tools."""

from typing import Annotated, Final

import typer

from runweaver.shared.errors import MissingExtraError
from runweaver.shared.settings import McpSettings

commands = typer.Typer()

_BROUGHT_BY_THE_EXTRA: Final = frozenset({"anyio", "mcp", "mcp_types", "starlette", "uvicorn"})


@commands.command("mcp")
def serve(
    host: Annotated[str, typer.Option(help="With --http: the address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="With --http: the port; 0: a free one.")] = 8765,
    *,
    http: Annotated[bool, typer.Option("--http", help="Over HTTP, instead of standard input and output.")] = False,
) -> None:
    """Serve a Builder that is an LLM with tools (Model Context Protocol), until SIGTERM. It only reads."""
    try:
        from runweaver.console.mcp.serve import serve_http, serve_stdio  # noqa: PLC0415 - only with the extra
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _BROUGHT_BY_THE_EXTRA:
            raise
        raise MissingExtraError(
            f"{package} is not installed: the server for LLMs needs pip install 'runweaver[mcp]'"
        ) from None
    settings = McpSettings.load()
    if http:
        serve_http(settings, host, port)
    else:
        serve_stdio(settings)
