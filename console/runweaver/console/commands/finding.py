"""`runweaver runs`: which runs there are."""

from typing import Annotated

import typer

from runweaver.console.live import live_summary
from runweaver.console.render import summary_table
from runweaver.console.terminal import AsJson, out, print_json_line
from runweaver.query import Runs, Summaries
from runweaver.shared.run import RunStatus

commands = typer.Typer()


@commands.command("runs")
def list_runs(
    goal: Annotated[str | None, typer.Option(help="Only runs with this goal id.")] = None,
    status: Annotated[str | None, typer.Option(help=f"Only runs that are {', '.join(RunStatus)}.")] = None,
    node: Annotated[str | None, typer.Option(help="Only finished runs that passed through this node.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue after an earlier list.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List finished runs, the newest first; with --status running those that go on."""
    if status == RunStatus.RUNNING:
        found, next_cursor = [live_summary(run) for run in Runs().running(goal=goal, limit=limit)], None
    else:
        page = Summaries().list(goal=goal, status=status, node=node, limit=limit, cursor=cursor)
        found, next_cursor = page.items, page.next_cursor
    if as_json:
        for summary in found:
            print_json_line(summary.model_dump_json())
    elif not found:
        out.print("No such runs.")
    else:
        out.print(summary_table(found, width=out.width))
        if next_cursor is not None:
            out.print(f"\nmore: --cursor {next_cursor}", style="dim", highlight=False)
