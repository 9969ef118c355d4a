"""What many runs tell together."""

from typing import Annotated

from fastapi import APIRouter, Query

from runweaver.console.web.period import read_period
from runweaver.console.web.views import Reading
from runweaver.query import GoalInsights

router = APIRouter(tags=["insights"])


@router.get("/insights")
def get_insights(  # noqa: PLR0917 - each is a filter
    sources: Reading,
    goal: str | None = None,
    tag: str | None = None,
    since: Annotated[
        str, Query(description="How long ago (24h, 7d), or a date or time in ISO 8601; absent: all.")
    ] = "",
    until: Annotated[str, Query(description="The same; absent: now.")] = "",
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many entries of each kind.")] = 10,
) -> GoalInsights:
    """What the finished runs of a goal, or of all goals, have in common. For 100,000 runs it takes seconds."""
    period = read_period(since, until)
    return sources.insights.get(goal or None, since=period.begin, until=period.end, tag=tag or None, limit=limit)
