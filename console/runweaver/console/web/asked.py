"""What runs are looked for by, as it stands in an address."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import BeforeValidator, NonNegativeInt

from runweaver.query import Filters
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.run import RunStatus, Severity


def _or_nothing(value: Any) -> Any:
    """A field of a form that nobody filled in says nothing."""
    return None if value == "" else value


def _in_some_zone(value: datetime | None) -> datetime | None:
    """Without a zone it is UTC: a browser's is told by the page's script."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


_Text = Annotated[str | None, BeforeValidator(_or_nothing)]
_Count = Annotated[NonNegativeInt | None, BeforeValidator(_or_nothing)]
_Moment = Annotated[datetime | None, BeforeValidator(_or_nothing)]


def _filters(  # noqa: PLR0917 - each is a filter
    goal: _Text = None,
    status: Annotated[RunStatus | None, BeforeValidator(_or_nothing)] = None,
    node: _Text = None,
    tag: _Text = None,
    attention: Annotated[AttentionFlag | None, BeforeValidator(_or_nothing)] = None,
    severity: Annotated[Severity | None, BeforeValidator(_or_nothing)] = None,
    min_tokens: _Count = None,
    min_duration_ms: _Count = None,
    since: _Moment = None,
    until: _Moment = None,
    grep: _Text = None,
) -> Filters:
    filters: Filters = {
        "goal": goal,
        "status": status,
        "node": node,
        "tag": tag,
        "attention": attention,
        "severity": severity,
        "min_tokens": min_tokens,
        "min_duration_ms": min_duration_ms,
        "since": _in_some_zone(since),
        "until": _in_some_zone(until),
        "grep": grep,
    }
    return filters


#: The filters of an address. See `runweaver.query.Filters` for what each means.
AskedFilters = Annotated[Filters, Depends(_filters)]


def as_parameters(filters: Filters) -> dict[str, str]:
    """The same for an address: only what says something."""
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
        for name, value in filters.items()
        if value is not None
    }
