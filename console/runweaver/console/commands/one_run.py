"""`runweaver show`: one run."""

from contextlib import nullcontext, suppress
from typing import Annotated

import typer

from runweaver.console.live import live_summary
from runweaver.console.render import decision_lines, evidence_lines, summary_panel
from runweaver.console.terminal import NOT_FOUND, AsJson, fail, out, print_json_line
from runweaver.query import Runs, Summaries
from runweaver.shared.errors import ArchiveExpiredError
from runweaver.shared.run import RunStatus

commands = typer.Typer()


@commands.command()
def show(
    run_id: str,
    *,
    full: Annotated[bool, typer.Option("--full", help="Also every decision, with its options and reasons.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Also what each sentence of the narrative rests on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run: its summary, or with --full all of it. Runs that still go on are shown as they stand."""
    summary = Summaries().get(run_id)
    run = None
    # A stuck run may have come back to life: then what it does now counts.
    if full or summary is None or summary.status is RunStatus.STUCK:
        with nullcontext() if full else suppress(ArchiveExpiredError):
            run = Runs().get(run_id)
    if summary is None and run is None:
        fail(f"no run {run_id!r} is known (any more): `runweaver runs` lists what is", NOT_FOUND)
    if summary is None or (run is not None and run.status is RunStatus.RUNNING):
        assert run is not None
        summary = live_summary(run)
    if as_json:
        shown = run if full and run is not None else summary
        print_json_line(shown.model_dump_json(indent=2))
        return
    out.print(summary_panel(summary))
    if evidence:
        for line in evidence_lines(summary):
            out.print(line)
    if full and run is not None:
        for line in decision_lines(run):
            out.print(line)
