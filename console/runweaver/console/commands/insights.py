"""`runweaver insights`: what many runs tell together."""

from typing import Annotated

import typer

from runweaver.console.moments import read_moment
from runweaver.console.render_insights import insight_parts
from runweaver.console.terminal import NOT_FOUND, AsJson, fail, out, print_json_line
from runweaver.query import Insights
from runweaver.shared.fields import utc_now

commands = typer.Typer()


@commands.command()
def insights(
    goal: Annotated[str | None, typer.Argument(show_default=False, help="A goal id; absent: all goals.")] = None,
    since: Annotated[str | None, typer.Option(help="Runs that ended since then: 2h, 7d, or a date or time.")] = None,
    until: Annotated[str | None, typer.Option(help="Runs that ended before then.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many entries of each kind.")] = 5,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell what runs of a goal have in common: what fails, what works better, what changed, what to change first."""
    now = utc_now()
    found = Insights().get(
        goal,
        since=read_moment(since, option="--since", now=now) if since is not None else None,
        until=read_moment(until, option="--until", now=now) if until is not None else now,
        tag=tag,
        limit=limit,
    )
    if not found.runs:
        what = f"of {goal!r} " if goal is not None else ""
        fail(f"no finished runs {what}are known for this period and tag: `runweaver runs` lists what is", NOT_FOUND)
    if as_json:
        print_json_line(found.model_dump_json(indent=2))
        return
    for part in insight_parts(found):
        out.print(part)
