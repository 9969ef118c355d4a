"""The `runweaver` command."""

from typing import Annotated

import typer

from runweaver.console.commands import (
    dead_letters,
    doctor,
    export,
    finding,
    insights,
    mcp,
    one_run,
    processes,
    status,
    two_runs,
    watch,
    web,
    webhooks,
)
from runweaver.console.logs import LogFormat, configure_logging
from runweaver.console.terminal import TROUBLE, fail
from runweaver.shared.errors import RunweaverError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See what a fleet of agents decided, and what came of it. The server is RUNWEAVER_REDIS_URL "
    "(redis://localhost:6379/0 where that is not set).",
)
for module in (processes, finding, export, one_run, two_runs, insights, watch, web, mcp, status, doctor):
    app.add_typer(module.commands)
app.add_typer(dead_letters.commands, name="dead-letters")
app.add_typer(webhooks.commands, name="webhooks")


def run() -> None:
    """Run the command line; what goes wrong is told in one sentence."""
    try:
        app()
    except RunweaverError as error:
        fail(str(error), TROUBLE)


@app.callback()
def main(
    log_level: Annotated[
        str, typer.Option(envvar="RUNWEAVER_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "info",
    log_format: Annotated[
        LogFormat, typer.Option(envvar="RUNWEAVER_LOG_FORMAT", help="auto: text on a terminal, JSON elsewhere.")
    ] = "auto",
) -> None:
    """What holds for all commands."""
    if log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise typer.BadParameter(f"{log_level!r} is none of debug, info, warning, error", param_hint="--log-level")
    configure_logging(log_level, log_format)
