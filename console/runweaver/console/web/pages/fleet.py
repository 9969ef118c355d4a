"""The first page: how the fleet does, what got worse, and goal by goal."""

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from runweaver.console.amounts import spell_seconds
from runweaver.console.web.api.fleet import Period
from runweaver.console.web.views import Looking, Reading, page
from runweaver.query import ChangeKind, Direction, FleetOverview, Rate
from runweaver.shared.connection import redact
from runweaver.shared.run import RunStatus
from runweaver.shared.wording import spell_duration

router = APIRouter()

#: In the order in which they are drawn, one above the other, and how.
_COLOURS: Final = (
    (RunStatus.COMPLETED, "good"),
    (RunStatus.FAILED, "bad"),
    (RunStatus.STUCK, "wait"),
    (RunStatus.CANCELLED, "off"),
)
_MINUTE_S: Final = 60
#: From so many on, tenths tell nothing; and fewer than these are no tenth.
_MANY: Final = 10
_FEW: Final = 0.05

#: A line of a chart's table: the time, and each number with how it is told.
_Row = tuple[datetime, list[tuple[float, str]]]


@router.get("/")
def fleet(request: Request, sources: Reading, waiting: Looking, period: Period = Period.DAY) -> Response:
    """The fleet over a period. What changed is loaded after it: it takes longer than all the rest."""
    status = sources.status()
    overview = sources.fleet.over(period.length)
    context: dict[str, Any] = {
        "period": period,
        "periods": list(Period),
        "overview": overview,
        "worse": [each for each in overview.goals if each.direction is Direction.WORSE],
        "a_minute": _a_minute(overview),
        "step": spell_seconds(overview.step_s),
        "status": status,
        "colours": [(status.value, colour) for status, colour in _COLOURS],
        "is_empty": not status.summaries,
        "agents_url": redact(sources.settings.redis_url),
        "spell_seconds": spell_seconds,
        "change": _change,
        "waiting_rows": [
            (each.at, [(each.messages, f"{each.messages:,}"), (each.open_runs, f"{each.open_runs:,}")])
            for each in waiting.in_steps(overview)
        ],
        **_rows(overview),
    }
    return page(request, "fleet.html", context)


@router.get("/fleet/changes")
def changes(request: Request, sources: Reading, period: Period = Period.DAY) -> Response:
    """What got worse, or better, since the time before the period."""
    found = sources.fleet.changes(period.length)
    came = [each for each in found.changes if each.kind is ChangeKind.NEW_ERROR]
    gone = [each for each in found.changes if each.kind is ChangeKind.GONE_ERROR]
    return page(request, "fleet_changes.html", {"period": period, "found": found, "came": came, "gone": gone})


def _rows(overview: FleetOverview) -> dict[str, list[_Row]]:
    """What charts are drawn from: of each step in which runs ended, its begin, and each number as it is told."""
    steps = [step for step in overview.steps if step.runs]
    counts = [(step.since, [step.statuses.get(status, 0) for status, _ in _COLOURS]) for step in steps]
    return {
        "run_rows": [(since, [(count, f"{count:,}") for count in some]) for since, some in counts],
        "success_rows": [
            (step.since, [(round(step.success.rate, 4), str(step.success))]) for step in steps if step.success.total
        ],
        "token_rows": [(step.since, [(step.tokens, f"{step.tokens:,}")]) for step in steps],
        "time_rows": [
            (step.since, [(step.duration_p50_ms, spell_duration(step.duration_p50_ms))])
            for step in steps
            if step.duration_p50_ms is not None
        ],
    }


def _change(before: Rate, now: Rate, direction: Direction) -> str:
    """What a success rate is, against the time before."""
    if direction is Direction.UNKNOWN:
        return "nothing to compare with"
    points = round(100 * (now.rate - before.rate))
    if not points:
        return f"as before, {before.rate:.0%}"
    told = f"{'+' if points > 0 else '−'}{abs(points)} points, before {before.rate:.0%}"
    return told if direction is not Direction.STEADY else f"{told}: may be chance"


def _a_minute(overview: FleetOverview) -> str:
    """How many runs ended a minute."""
    rate = overview.runs / ((overview.until - overview.since).total_seconds() / _MINUTE_S)
    return f"{rate:,.0f}" if rate >= _MANY else f"{rate:,.1f}" if rate >= _FEW else "fewer than 0.1"
