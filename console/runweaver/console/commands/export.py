"""`runweaver export`: all runs that match, for other programs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runweaver.console.asked import Asked, asks_for_runs
from runweaver.console.export_file import (
    Export,
    StandardOutput,
    Target,
    check_none_unfinished,
    json_lines_file,
    unfinished,
)
from runweaver.console.parquet import parquet_file
from runweaver.console.terminal import TROUBLE, fail, out
from runweaver.query import Filters, Runs, Summaries
from runweaver.shared.errors import (
    ArchiveExpiredError,
    CorruptDataError,
    InvalidArgumentError,
    InvalidMessageError,
    ServerError,
)
from runweaver.shared.fields import utc_now
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary

commands = typer.Typer()

#: How many runs are looked at between two notes of how far it has come. Full runs take longer.
_SUMMARIES_AT_ONCE: Final = 500
_RUNS_AT_ONCE: Final = 50

_INTERRUPTED: Final = 130


class Format(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    PARQUET = "parquet"


@commands.command()
@asks_for_runs
def export(
    asked: Asked,
    output: Annotated[
        Path, typer.Option(help="A file, which is there only when it is whole; - is standard output.")
    ] = Path("-"),
    form: Annotated[Format, typer.Option("--format", help="JSON, one object a line; or Parquet.")] = Format.JSONL,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Full runs instead of summaries, as far as their messages are kept.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted export, asked for with the same options.")
    ] = False,
) -> None:
    """Write all finished runs that match, the newest first: none twice, and all that were there at the beginning."""
    to_file = str(output) != "-"
    _check(asked, form, to_file=to_file, resume=resume)
    if resume:
        job = unfinished(output, asked.options(), full=full)
    else:
        if to_file and form is Format.JSONL:
            check_none_unfinished(output)
        job = Export(options=asked.options(), full=full, began_at=utc_now())
    filters = asked.filters(job.began_at)
    can_resume = to_file and form is Format.JSONL
    with _told_how_to_go_on(job, can_resume=can_resume), _target(output, form, job, to_file=to_file) as target:
        _export(job, filters, target)
    if to_file:
        out.print(f"{job.written:,} {'runs' if full else 'summaries'} in {output}", highlight=False, markup=False)
    _tell_left_out(job)


def _check(asked: Asked, form: Format, *, to_file: bool, resume: bool) -> None:
    if asked.status == RunStatus.RUNNING:
        raise InvalidArgumentError("--status: only finished runs are exported; `runweaver runs` lists those that go on")
    if not to_file and form is Format.PARQUET:
        raise InvalidArgumentError("--format: Parquet needs a file, name one with --output")
    if resume and not to_file:
        raise InvalidArgumentError("--resume: name the file with --output")
    if resume and form is Format.PARQUET:
        raise InvalidArgumentError("--resume: only JSON lines go on where they were, Parquet has to begin anew")


@contextmanager
def _target(output: Path, form: Format, job: Export, *, to_file: bool) -> Iterator[Target]:
    if not to_file:
        yield StandardOutput()
    elif form is Format.PARQUET:
        with parquet_file(output, full=job.full) as columns:
            yield columns
    else:
        with json_lines_file(output, job) as lines:
            yield lines


def _export(job: Export, filters: Filters, target: Target) -> None:
    summaries, runs = Summaries(), Runs() if job.full else None
    at_once = _RUNS_AT_ONCE if job.full else _SUMMARIES_AT_ONCE
    with _progress() as bar:
        # Runs that end meanwhile are not looked at: what is left can only become less.
        total = max(summaries.count_at_most(**filters), job.looked_at) if bar is not None else 0
        task = bar.add_task("", total=total, completed=job.looked_at, written=job.written) if bar is not None else None
        for batch in summaries.batches(cursor=job.cursor, at_once=at_once, **filters):
            for summary in batch.items:
                document = summary if runs is None else _full(job, runs, summary)
                if document is not None:
                    target.write(document)
                    job.written += 1
            job.cursor = batch.cursor
            job.looked_at += batch.looked_at
            target.keep(job)
            if bar is not None and task is not None:
                bar.update(task, completed=job.looked_at, written=job.written)
    target.finish()


def _full(job: Export, runs: Runs, summary: RunSummary) -> Run | None:
    """A run with all its decisions, unless it cannot be had any more: then it is counted."""
    try:
        run = runs.get(summary.run_id)
    except ArchiveExpiredError:
        run = None
    except (CorruptDataError, InvalidMessageError):
        job.unreadable += 1
        return None
    if run is None:
        job.expired += 1
    return run


@contextmanager
def _told_how_to_go_on(job: Export, *, can_resume: bool) -> Iterator[None]:
    """Whatever stops an export, the file so far is of use."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"stopped{_how(job) if can_resume else ''}", _INTERRUPTED)
    except ServerError as error:
        if not can_resume:
            raise
        fail(f"{error}{_how(job)}", TROUBLE)
    except OSError as error:
        if not can_resume:
            raise
        fail(f"the file cannot be written ({error.strerror}){_how(job)}", TROUBLE)


def _how(job: Export) -> str:
    return f" (after {job.written:,}: go on with the same options and --resume)"


def _progress() -> "nullcontext[None] | Progress":
    """A bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    found = TextColumn("{task.fields[written]:,} found")
    columns = (TextColumn("looked at"), BarColumn(), MofNCompleteColumn(), found, TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _tell_left_out(job: Export) -> None:
    for count, reason in ((job.expired, "their messages are kept no more"), (job.unreadable, "they cannot be read")):
        if count:
            sys.stderr.write(f"runweaver: {count:,} runs are left out: {reason}\n")
