"""How all runs did."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query

from runweaver.console.web.views import Looking, Reading
from runweaver.console.web.waiting import Waited
from runweaver.query import FleetChanges, FleetOverview
from runweaver.query.fleet import DEFAULT_GOALS
from runweaver.shared.fields import utc_now

router = APIRouter(tags=["fleet"])


class Period(StrEnum):
    """What can be looked back over."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        hours = {Period.HOUR: 1, Period.SIX_HOURS: 6, Period.DAY: 24, Period.WEEK: 7 * 24}
        return timedelta(hours=hours[self])

    @property
    def told(self) -> str:
        """In words, after "the last"."""
        words = {Period.HOUR: "hour", Period.SIX_HOURS: "6 hours", Period.DAY: "24 hours", Period.WEEK: "7 days"}
        return words[self]


@router.get("/fleet")
def get_fleet(
    sources: Reading, period: Period = Period.DAY, goals: Annotated[int, Query(ge=0, le=200)] = DEFAULT_GOALS
) -> FleetOverview:
    """How the runs did that ended in a period up to now."""
    return sources.fleet.over(period.length, goals=goals)


@router.get("/fleet/waiting")
def get_waiting(waiting: Looking, period: Period = Period.DAY) -> list[Waited]:
    """How much waited, each half a minute, as far as this console has been running."""
    return waiting.since(utc_now() - period.length)


@router.get("/fleet/changes")
def get_changes(sources: Reading, period: Period = Period.DAY) -> FleetChanges:
    """Errors that came or went since the time of the same length before the period."""
    return sources.fleet.changes(period.length)
