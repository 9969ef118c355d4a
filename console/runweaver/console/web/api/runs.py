"""Summaries, and the runs behind them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from runweaver.console.web.asked import AskedFilters
from runweaver.console.web.run_view import bars
from runweaver.console.web.views import Keeping, Reading
from runweaver.query import Explanation, explain
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary

router = APIRouter(tags=["runs"])


class SummaryPage(BaseModel):
    """Some summaries, newest first."""

    items: list[RunSummary]
    #: Hand it to the next request, with the same filters; none where there are no more.
    next_cursor: str | None


@router.get("/summaries")
def list_summaries(
    sources: Reading,
    filters: AskedFilters,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    cursor: str | None = None,
) -> SummaryPage:
    """The newest summaries of finished runs that match all filters."""
    found = sources.summaries.list(limit=limit, cursor=cursor, **filters)
    return SummaryPage(items=found.items, next_cursor=found.next_cursor)


@router.get("/summaries/{run_id:path}")
def get_summary(sources: Reading, run_id: str) -> RunSummary:
    """The summary of a run; of one that goes on, as it stands (revision 0)."""
    return sources.summary(run_id)


@router.get("/runs/{run_id:path}")
def get_run(sources: Reading, run_id: str) -> Run:
    """A run with all its decisions, finished or not."""
    return sources.run(run_id)


class Timeline(BaseModel):
    """When each decision of a run was taken, and how long it took."""

    #: The nodes, in order of first use.
    nodes: list[str]
    #: Of each decision, in order of time: the place of its node, when it began (milliseconds after the run did), how
    #: long it took (ms), `completed`, `failed` or `pending`, its id, and the beginning of its intent.
    bars: list[tuple[int, int, int, str, str, str]]
    #: How long the run took so far, in milliseconds.
    duration_ms: int


@router.get("/timelines/{run_id:path}")
def get_timeline(sources: Reading, kept: Keeping, run_id: str) -> Timeline:
    """The decisions of a run, to be drawn."""
    summary = sources.summary(run_id)
    run = kept.get(summary)
    names = list(dict.fromkeys(decision.node_id for decision in run.decisions))
    return Timeline(nodes=names, bars=list(bars(run)), duration_ms=summary.duration_ms)


@router.get("/explanations/{run_id:path}")
def get_explanation(sources: Reading, run_id: str) -> Explanation:
    """Why a run ended as it did."""
    return explain(sources.run(run_id))
