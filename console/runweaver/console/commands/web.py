"""`runweaver console`: the page where people look."""

from typing import Annotated, Final

import typer

from runweaver.console.commands.processes import Parent
from runweaver.console.commands.tracing import TraceUrl
from runweaver.console.fleet import stop_with_parent
from runweaver.console.terminal import out
from runweaver.shared.errors import MissingExtraError
from runweaver.shared.settings import CONSOLE_PORT, ConsoleSettings

commands = typer.Typer()

_BROUGHT_BY_THE_EXTRA: Final = frozenset(
    {"anyio", "fastapi", "jinja2", "markupsafe", "multipart", "starlette", "uvicorn"}
)


@commands.command("console")
def serve(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0: a free one.")] = CONSOLE_PORT,
    *,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Nothing can be changed from there. Also RUNWEAVER_CONSOLE_READ_ONLY.")
    ] = False,
    trace_url: TraceUrl = None,
    parent: Parent = None,
) -> None:
    """Serve the page where people look at runs, until SIGTERM."""
    # FastAPI takes a while to import, which other commands need not wait for.
    try:
        from runweaver.console.web.serve import serve_console  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _BROUGHT_BY_THE_EXTRA:
            raise
        raise MissingExtraError(
            f"{package} is not installed: the console needs pip install 'runweaver[console]'"
        ) from None
    if parent is not None:
        stop_with_parent(parent)
    settings = ConsoleSettings.load(console_read_only=read_only or None)
    serve_console(settings, host, port, trace_url=trace_url, tell=_tell)


def _tell(address: str) -> None:
    """Where the console is, for people; programs read the log."""
    if out.is_terminal:
        out.print(f"Runweaver's console is at {address}", highlight=False, soft_wrap=True)
