"""The options that say which runs a command is about: the same for all commands."""

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import wraps
from typing import Annotated, Any, get_args

import typer

from runweaver.console.moments import read_duration, read_moment
from runweaver.query import Filters
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.run import RunStatus, Severity


@dataclass(frozen=True)
class Asked:
    """Which runs a command was asked for, as it was typed. What is none says nothing."""

    goal: Annotated[str | None, typer.Option(help="Only runs with this goal id.")] = None
    status: Annotated[str | None, typer.Option(help=f"Only runs that are {', '.join(RunStatus)}.")] = None
    node: Annotated[str | None, typer.Option(help="Only runs that passed through this node.")] = None
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag (of many, the first 20 count).")] = None
    attention: Annotated[
        str | None, typer.Option(help=f"Only runs that need a look because they are {', '.join(AttentionFlag)}.")
    ] = None
    severity: Annotated[
        str | None, typer.Option(help=f"Only runs with a problem that is {', '.join(get_args(Severity))}.")
    ] = None
    min_tokens: Annotated[int | None, typer.Option(min=0, help="Only runs that used so many tokens.")] = None
    min_duration: Annotated[str | None, typer.Option(help="Only runs that took so long: 500ms, 30s, 1h30m.")] = None
    since: Annotated[
        str | None, typer.Option(help="Only runs that ended since then: 2h or 7d ago, 2026-01-31, 2026-01-31T12:00Z.")
    ] = None
    until: Annotated[str | None, typer.Option(help="Only runs that ended before then.")] = None
    grep: Annotated[
        str | None,
        typer.Option(help="Only runs of which this text is told: in the narrative, the goal, intents or problems."),
    ] = None

    def filters(self, now: datetime) -> Filters:
        """The same for `Summaries`.

        Args:
            now: from when `2h` counts.

        Raises:
            InvalidArgumentError: a duration or a moment is none.
        """
        return Filters(
            goal=self.goal,
            status=self.status,
            node=self.node,
            tag=self.tag,
            attention=self.attention,
            severity=self.severity,
            min_tokens=self.min_tokens,
            min_duration_ms=self._min_duration_ms(),
            since=read_moment(self.since, option="--since", now=now) if self.since is not None else None,
            until=read_moment(self.until, option="--until", now=now) if self.until is not None else None,
            grep=self.grep,
        )

    def options(self) -> dict[str, str | int]:
        """What was said, without what was not."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def _min_duration_ms(self) -> int | None:
        if self.min_duration is None:
            return None
        # Up: what took less than that must not be found.
        return -(-read_duration(self.min_duration, option="--min-duration") // timedelta(milliseconds=1))


def asks_for_runs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options before its own. It gets them together, as its argument `asked`."""
    own = [each for each in inspect.signature(command).parameters.values() if each.name != "asked"]

    @wraps(command)
    def with_options(**options: Any) -> None:
        asked = Asked(**{field.name: options.pop(field.name) for field in fields(Asked)})
        command(asked=asked, **options)

    parameters = [*inspect.signature(Asked).parameters.values(), *own]
    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    with_options.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    return with_options
