"""`runweaver status`: the pipeline."""

from typing import Annotated

import typer

from runweaver.console.status import show_status
from runweaver.console.terminal import FOUND_WRONG, AsJson, out

commands = typer.Typer()

AllPartitions = Annotated[bool, typer.Option("--partitions", help="A line for each partition.")]


@commands.command("status")
def status_command(*, partitions: AllPartitions = False, as_json: AsJson = False) -> None:
    """Show how the pipeline is doing, what is wrong, and what to do: exit code 1 where something is."""
    if not show_status(out, all_partitions=partitions, as_json=as_json):
        raise typer.Exit(FOUND_WRONG)
