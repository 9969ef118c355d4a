"""The `runweaver` command: each command here reads its settings, calls what does the work, and shows the result."""

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from runweaver.console.demo import run_demo
from runweaver.console.fleet import stop_with_parent
from runweaver.console.logs import LogFormat, configure_logging
from runweaver.console.render import decision_lines, letter_facts, plain, summary_panel, summary_table
from runweaver.console.status import show_status
from runweaver.console.up import run_up
from runweaver.query import Runs, Summaries
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import ArchiveExpiredError, RunweaverError
from runweaver.shared.keys import Keys
from runweaver.shared.partitions import raise_partitions
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import FinalizerSettings, ServerSettings, WorkerSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker import (
    DeadLetters,
    FinalizerProcess,
    JobQueue,
    Merger,
    PlainNarrator,
    Replay,
    Worker,
    stop_on_signals,
)
from runweaver.worker.interpreter import collect_rarely, switch_soon

#: Exit codes: something that was asked for is not there; something is wrong with the call or the server.
NOT_FOUND: Final = 1
TROUBLE: Final = 2


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See what a fleet of agents decided, and what came of it. The server is RUNWEAVER_REDIS_URL "
    "(redis://localhost:6379/0 where that is not set).",
)
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be accepted.")
app.add_typer(dead_letters, name="dead-letters")

#: What is not a terminal has no width: then lines are long enough for most things, and no longer.
out = Console(width=None if sys.stdout.isatty() else 120)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Parent = Annotated[int | None, typer.Option(hidden=True, help="Stop when this process is not the parent any more.")]
LetterIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def run() -> None:
    """Run the command line; what goes wrong is told in one sentence."""
    try:
        app()
    except RunweaverError as error:
        _fail(str(error), TROUBLE)


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


@app.command()
def worker(parent: Parent = None) -> None:
    """Merge messages into runs, until SIGTERM. Start as many as you like."""
    # Before the worker is there to be stopped, stopping is easy.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    instance = Worker(WorkerSettings.load())
    stop_on_signals(instance.stop)
    if parent is not None:
        stop_with_parent(parent)
    collect_rarely()
    switch_soon()
    instance.run()


@app.command()
def finalizer(parent: Parent = None) -> None:
    """Summarise ended runs, until SIGTERM. Start as many as you like."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    instance = FinalizerProcess(FinalizerSettings.load())
    if parent is not None:
        stop_with_parent(parent)
    collect_rarely()
    instance.run()


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Of the private server; absent: a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the private server keeps its data; absent: nowhere.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many workers.")] = 1,
) -> None:
    """Start workers, a finalizer and, where RUNWEAVER_REDIS_URL names none, a server, until Ctrl-C."""
    run_up(out, port=port, data=data, workers=workers)


@app.command()
def demo(
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="How many runs the agents make.")] = 40,
    agents: Annotated[int, typer.Option(min=1, max=32, help="How many agent processes.")] = 4,
) -> None:
    """Watch a small fleet at work. Uses RUNWEAVER_REDIS_URL, or else a private server that is gone afterwards."""
    run_demo(out, runs=runs, agents=agents)


@app.command("runs")
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
        found, next_cursor = [_live_summary(run) for run in Runs().running(goal=goal, limit=limit)], None
    else:
        page = Summaries().list(goal=goal, status=status, node=node, limit=limit, cursor=cursor)
        found, next_cursor = page.items, page.next_cursor
    if as_json:
        for summary in found:
            _print_json_line(summary.model_dump_json())
    elif not found:
        out.print("No such runs.")
    else:
        out.print(summary_table(found, width=out.width))
        if next_cursor is not None:
            out.print(f"\nmore: --cursor {next_cursor}", style="dim", highlight=False)


@app.command()
def show(
    run_id: str,
    *,
    full: Annotated[bool, typer.Option("--full", help="Also every decision, with its options and reasons.")] = False,
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
        _fail(f"no run {run_id!r} is known (any more): `runweaver runs` lists what is", NOT_FOUND)
    if summary is None or (run is not None and run.status is RunStatus.RUNNING):
        assert run is not None
        summary = _live_summary(run)
    if as_json:
        shown = run if full and run is not None else summary
        _print_json_line(shown.model_dump_json(indent=2))
        return
    out.print(summary_panel(summary))
    if full and run is not None:
        for line in decision_lines(run):
            out.print(line)


@app.command("status")
def status_command(*, as_json: AsJson = False) -> None:
    """Show how the pipeline is doing: what waits where, and who works."""
    show_status(out, as_json=as_json)


@dead_letters.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """List messages that could not be accepted, and why: the oldest first."""
    with _dead_letters() as letters:
        found = [letter for letter, _ in zip(letters, range(limit), strict=False)]
    if as_json:
        for letter in found:
            _print_json_line(letter.as_json())
        return
    if not found:
        out.print("No dead letters.")
        return
    table = Table("id", "when (UTC)", "why", "message", box=None, pad_edge=False, header_style="bold")
    for letter in found:
        message = letter.message[:120].decode(errors="backslashreplace")
        reason = f"{letter.code}: {letter.reason}"
        table.add_row(letter.id, f"{letter.at:%m-%d %H:%M:%S}", plain(reason), plain(message))
    out.print(table)


@dead_letters.command()
def replay(ids: LetterIds = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Merge messages into their runs after all, once what made them unacceptable is mended."""
    chosen = _checked(ids, every=every)
    done: list[str] = []
    refused: dict[str, str] = {}
    with _replay() as (letters, replay_letter):
        for letter in letters.find(chosen):
            reason = replay_letter(letter)
            if reason is None:
                done.append(letter.id)
            else:
                refused[letter.id] = reason
    _report("replayed", done, refused, chosen, as_json=as_json)


@dead_letters.command()
def drop(ids: LetterIds = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Forget messages for good."""
    chosen = _checked(ids, every=every)
    with _dead_letters() as letters:
        done = [letter.id for letter in letters.find(chosen) if letters.drop(letter.id)]
    _report("dropped", done, {}, chosen, as_json=as_json)


@dead_letters.command("show")
def show_dead_letter(letter_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False) -> None:
    """Show one message with all that is known about it."""
    with _dead_letters() as letters:
        letter = letters.get(letter_id)
    if letter is None:
        _fail(f"no dead letter {letter_id!r} is there (any more): `runweaver dead-letters list` lists them", NOT_FOUND)
    if as_json:
        _print_json_line(json.dumps(letter.as_json(), ensure_ascii=False, indent=2))
    else:
        out.print(letter_facts(letter))


@contextmanager
def _dead_letters() -> Iterator[DeadLetters]:
    settings = ServerSettings.load()
    with server_errors(settings.redis_url):
        yield DeadLetters(connect(settings.redis_url, name="query"), Keys(settings.namespace))


@contextmanager
def _replay() -> Iterator[tuple[DeadLetters, Replay]]:
    settings = WorkerSettings.load()
    with server_errors(settings.redis_url):
        client, keys = connect(settings.redis_url, name="replay"), Keys(settings.namespace)
        jobs = JobQueue(connect(settings.effective_jobs_url, name="replay-jobs", retries=0), keys)
        partitions = raise_partitions(client, keys, settings.partitions)
        letters = DeadLetters(client, keys)
        merger = Merger(client, jobs, keys, settings, partitions=partitions)
        yield letters, Replay(letters, merger, max_message_bytes=settings.max_message_bytes)


def _checked(ids: list[str] | None, *, every: bool) -> list[str] | None:
    """The ids that were named; none for all there are."""
    if bool(ids) == every:
        raise typer.BadParameter("name the ids of dead letters, or say --all")
    return ids


def _report(what: str, done: list[str], refused: Mapping[str, str], asked: list[str] | None, *, as_json: bool) -> None:
    """Say what was done. What was asked for and not done makes the command fail."""
    if as_json:
        _print_json_line({what: done, "refused": dict(refused)} if what == "replayed" else {what: done})
    else:
        out.print(f"{len(done)} {what}", highlight=False)
    missing = [letter_id for letter_id in asked or [] if letter_id not in done and letter_id not in refused]
    if missing:
        _fail(f"no such dead letters: {', '.join(missing)}", NOT_FOUND)
    if refused:
        some = "; ".join(f"{letter_id}: {reason}" for letter_id, reason in list(refused.items())[:3])
        _fail(f"{len(refused)} still cannot be accepted: {some}", NOT_FOUND)


def _live_summary(run: Run) -> RunSummary:
    run.narrative = run.narrative or PlainNarrator().narrate(run)
    return RunSummary.from_run(run, revision=0)


def _print_json_line(document: str | dict[str, Any]) -> None:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"runweaver: {message}\n")
    sys.exit(code)
