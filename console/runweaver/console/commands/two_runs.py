"""`runweaver compare`: two runs side by side."""

from typing import Annotated

import typer

from runweaver.console.commands.one_run import full_run
from runweaver.console.render_compare import comparison_lines, comparison_table
from runweaver.console.terminal import NOT_FOUND, AsJson, fail, out, print_json_line, print_lines
from runweaver.query import Insights, compare
from runweaver.shared.run import Run

commands = typer.Typer()


@commands.command("compare")
def compare_command(
    run_id: Annotated[str, typer.Argument(metavar="A")],
    other_id: Annotated[str | None, typer.Argument(metavar="B", show_default=False)] = None,
    *,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="With the most similar successful run of the same goal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: what became of them, what they cost, and where they part."""
    if nearest == (other_id is not None):
        raise typer.BadParameter("name a second run, or say --nearest")
    run = full_run(run_id)
    comparison = compare(run, full_run(other_id) if other_id is not None else _nearest(run))
    if as_json:
        print_json_line(comparison.model_dump_json(indent=2))
        return
    out.print(comparison_table(comparison))
    print_lines(comparison_lines(comparison, width=out.width))


def _nearest(run: Run) -> Run:
    found = Insights().nearest_success(run)
    if found is None:
        fail(
            f"no other run of the goal {run.goal_id!r} has completed: there is nothing to compare {run.id} with",
            NOT_FOUND,
        )
    return found
