"""`runweaver status`: the pipeline."""

import typer

from runweaver.console.status import show_status
from runweaver.console.terminal import AsJson, out

commands = typer.Typer()


@commands.command("status")
def status_command(*, as_json: AsJson = False) -> None:
    """Show how the pipeline is doing: what waits where, and who works."""
    show_status(out, as_json=as_json)
