"""`runweaver show`, `why` and `trace`: one run."""

from contextlib import nullcontext, suppress
from typing import Annotated, NoReturn

import typer

from runweaver.console.commands.tracing import TraceUrl
from runweaver.console.live import live_summary
from runweaver.console.render import decision_lines, evidence_lines, summary_panel
from runweaver.console.render_trace import trace_lines
from runweaver.console.render_why import explanation_view
from runweaver.console.terminal import NOT_FOUND, AsJson, fail, out, print_json_line, print_lines
from runweaver.query import Runs, Summaries, explain, trace
from runweaver.shared.errors import ArchiveExpiredError
from runweaver.shared.run import Run, RunStatus

commands = typer.Typer()


@commands.command()
def show(
    run_id: str,
    *,
    full: Annotated[bool, typer.Option("--full", help="Also every decision, with its options and reasons.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Also what each sentence of the narrative rests on.")
    ] = False,
    trace_url: TraceUrl = None,
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
        unknown_run(run_id)
    if summary is None or (run is not None and run.status is RunStatus.RUNNING):
        assert run is not None
        summary = live_summary(run)
    if as_json:
        shown = run if full and run is not None else summary
        print_json_line(shown.model_dump_json(indent=2))
        return
    out.print(summary_panel(summary, trace_url=trace_url))
    if evidence:
        for line in evidence_lines(summary):
            out.print(line)
    if full and run is not None:
        for line in decision_lines(run):
            out.print(line)


@commands.command()
def why(run_id: str, *, as_json: AsJson = False) -> None:
    """Explain a run: where it went wrong for good, what led there, why, and what to change."""
    explanation = explain(full_run(run_id))
    if as_json:
        print_json_line(explanation.model_dump_json(indent=2))
    else:
        out.print(explanation_view(explanation, width=out.width), highlight=False)


@commands.command("trace")
def trace_command(
    run_id: str,
    *,
    full: Annotated[bool, typer.Option("--full", help="Also options, reasons, constraints and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the timeline of a run: its decisions and problems, by node."""
    run = full_run(run_id)
    entries = trace(run, full=full)
    if as_json:
        facts = {"run_id": run.id, "goal_id": run.goal_id, "status": run.status.value}
        listed = [entry.model_dump(mode="json", exclude=None if full else {"details"}) for entry in entries]
        print_json_line({**facts, "started_at": run.started_at.isoformat(), "entries": listed})
    else:
        print_lines(trace_lines(entries, width=out.width))


def full_run(run_id: str) -> Run:
    """A run with all its decisions; where nothing is known of it, the command fails."""
    return Runs().get(run_id) or unknown_run(run_id)


def unknown_run(run_id: str) -> NoReturn:
    """Nothing is known of this run: say so, and end."""
    fail(f"no run {run_id!r} is known (any more): `runweaver runs` lists what is", NOT_FOUND)
