"""`runweaver console`: the page where people look."""

from typing import Annotated

import typer

from runweaver.shared.settings import ConsoleSettings

commands = typer.Typer()


@commands.command("console")
def serve(
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0: a free one.")] = 8080,
) -> None:
    """Serve the page where people look at runs, until SIGTERM."""
    # FastAPI takes a while to import, which other commands need not wait for.
    from runweaver.console.web.serve import serve_console  # noqa: PLC0415

    serve_console(ConsoleSettings.load(), host, port)
