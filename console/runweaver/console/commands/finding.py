"""`runweaver runs`: which runs there are."""

import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated

import typer

from runweaver.console.asked import Asked, asks_for_runs
from runweaver.console.live import running_summaries
from runweaver.console.render import summary_table
from runweaver.console.spreadsheet import write_csv
from runweaver.console.terminal import AsJson, out, print_json_line
from runweaver.query import Runs, Summaries, Wanted
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import utc_now
from runweaver.shared.run import RunStatus
from runweaver.shared.summary import RunSummary

commands = typer.Typer()


@commands.command("runs")
@asks_for_runs
def list_runs(
    asked: Asked,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue after an earlier list.")] = None,
    *,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")] = False,
) -> None:
    """List finished runs, the newest first; with --status running those that go on. All that is said has to hold."""
    if as_json and as_csv:
        raise InvalidArgumentError("--json and --csv: say one of them")
    now = utc_now()
    if asked.status == RunStatus.RUNNING:
        found, next_cursor = _running(asked, now, limit, cursor), None
    else:
        page = Summaries().list(limit=limit, cursor=cursor, **asked.filters(now))
        found, next_cursor = page.items, page.next_cursor
    if as_json:
        for summary in found:
            print_json_line(summary.model_dump_json())
    elif as_csv:
        write_csv(found, sys.stdout)
    else:
        out.print(summary_table(found, width=out.width) if found else "No such runs.")
    if next_cursor is not None:
        _tell_more(next_cursor, aside=as_json or as_csv)


def _running(asked: Asked, now: datetime, limit: int, cursor: str | None) -> Sequence[RunSummary]:
    """Runs that go on have no index and no end: each is read, and its last sign of life stands for its end."""
    for option, value in (("--cursor", cursor), ("--min-duration", asked.min_duration)):
        if value is not None:
            raise InvalidArgumentError(f"{option}: there is no such thing for runs that go on: leave it out")
    wanted = Wanted.of(**asked.filters(now))
    return list(islice(running_summaries(Runs().each_running(), wanted), limit))


def _tell_more(cursor: str, *, aside: bool) -> None:
    """Where standard output is for a program, how to go on is said on standard error."""
    if aside:
        sys.stderr.write(f"more: --cursor {cursor}\n")
    else:
        out.print(f"\nmore: --cursor {cursor}", style="dim", highlight=False)
