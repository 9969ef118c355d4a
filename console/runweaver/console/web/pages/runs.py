"""The list of runs, with all that they can be looked for by in the address."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from runweaver.console.live import running_summaries
from runweaver.console.sources import Sources
from runweaver.console.web.asked import AskedFilters, as_parameters
from runweaver.console.web.views import Reading, link, page
from runweaver.query import Filters, Page, Wanted
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.connection import redact
from runweaver.shared.fields import is_identifier
from runweaver.shared.run import RunStatus, Severity
from runweaver.shared.summary import RunSummary

router = APIRouter()

_A_PAGE: Final = 50
#: So many runs that go on are looked at.
_MOST_RUNNING: Final = 300
#: Filters that are folded away while they say nothing.
_FURTHER: Final = frozenset({"severity", "node", "tag", "since", "until", "min_tokens", "min_duration_ms"})


@router.get("/runs")
def runs(request: Request, sources: Reading, filters: AskedFilters, cursor: str | None = None) -> Response:
    """Some runs, the newest first; the link to the next ones is loaded when it comes into view."""
    if filters.get("status") is RunStatus.RUNNING:
        found = Page(list(islice(_running(sources, filters), _A_PAGE)), None)
    else:
        found = sources.summaries.list(limit=_A_PAGE, cursor=cursor, **filters)
    given = as_parameters(filters)
    context: dict[str, Any] = {
        "given": given,
        "is_narrow": not _FURTHER.isdisjoint(given),
        "items": found.items,
        "next": link("/runs", cursor=found.next_cursor, **given) if found.next_cursor else None,
        "statuses": list(RunStatus),
        "all_flags": list(AttentionFlag),
        "severities": get_args(Severity),
        "agents_url": redact(sources.settings.redis_url),
    }
    return page(request, "runs.html", context)


def _running(sources: Sources, filters: Filters) -> Iterator[RunSummary]:
    """Runs that go on have no index: of very many, those last heard of are looked at."""
    return running_summaries(islice(sources.runs.each_running(), _MOST_RUNNING), Wanted.of(**filters))


@router.get("/find")
def find(sources: Reading, q: str = "") -> Response:
    """Where what somebody typed leads: to the run of that id, or to the runs that have this text."""
    wanted = q.strip()
    if is_identifier(wanted) and (sources.summaries.get(wanted) is not None or sources.runs.get(wanted) is not None):
        return RedirectResponse(link(f"/runs/{wanted}"), 303)
    return RedirectResponse(link("/runs", grep=wanted), 303)
