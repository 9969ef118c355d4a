"""`runweaver watch`: what is going on."""

from typing import Annotated

import typer

from runweaver.console.terminal import AsJson, out
from runweaver.console.watch import run_watch
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.run import RunStatus

commands = typer.Typer()

_ENDED = [status.value for status in RunStatus if status is not RunStatus.RUNNING]


@commands.command()
def watch(
    goal: Annotated[str | None, typer.Option(help="Only runs with this goal id.")] = None,
    status: Annotated[str | None, typer.Option(help=f"Of finished runs, only those {', '.join(_ENDED)}.")] = None,
    attention: Annotated[
        str | None, typer.Option(help=f"Of finished runs, only those with this flag: {', '.join(AttentionFlag)}.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Show how it is now, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch runs that go on and those that have just finished, until Ctrl-C.

    Where the output is no terminal, or with --json: one line for each run that finishes.
    """
    if once and as_json:
        raise typer.BadParameter("either --once, for people, or --json: `runweaver runs --json` lists what there is")
    run_watch(out, goal=goal, status=status, attention=attention, as_json=as_json, once=once)
