"""The list of runs, with all that they can be looked for by in the address."""

from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from runweaver.console.web.asked import AskedFilters, as_parameters
from runweaver.console.web.views import Reading, link, page
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.connection import redact
from runweaver.shared.fields import is_identifier
from runweaver.shared.run import RunStatus, Severity

router = APIRouter()

_A_PAGE: Final = 50
#: Filters that are folded away while they say nothing.
_FURTHER: Final = frozenset({"severity", "node", "tag", "since", "until", "min_tokens", "min_duration_ms"})


@router.get("/runs")
def runs(request: Request, sources: Reading, filters: AskedFilters, cursor: str | None = None) -> Response:
    """Some runs, the newest first; the link to the next ones is loaded when it comes into view."""
    found = sources.summaries.list(limit=_A_PAGE, cursor=cursor, **filters)
    given = as_parameters(filters)
    context: dict[str, Any] = {
        "given": given,
        "is_narrow": not _FURTHER.isdisjoint(given),
        "items": found.items,
        "next": link("/runs", cursor=found.next_cursor, **given) if found.next_cursor else None,
        "statuses": [status for status in RunStatus if status is not RunStatus.RUNNING],
        "all_flags": list(AttentionFlag),
        "severities": get_args(Severity),
        "agents_url": redact(sources.settings.redis_url),
    }
    return page(request, "runs.html", context)


@router.get("/find")
def find(sources: Reading, q: str = "") -> Response:
    """Where what somebody typed leads: to the run of that id, or to the runs that have this text."""
    wanted = q.strip()
    if is_identifier(wanted) and (sources.summaries.get(wanted) is not None or sources.runs.get(wanted) is not None):
        return RedirectResponse(link(f"/runs/{wanted}"), 303)
    return RedirectResponse(link("/runs", grep=wanted), 303)
