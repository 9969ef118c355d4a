"""Two runs beside each other, step by step."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from runweaver.console.sources import Sources, UnknownRunError
from runweaver.console.web.comparing import MOST_STRETCHES, anchor_of, nearest_success, shown_stretches
from runweaver.console.web.views import Keeping, Reading, link, page
from runweaver.query import compare
from runweaver.shared.errors import ArchiveExpiredError
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary

router = APIRouter()

#: So many runs of the same goal are offered to compare with.
_MOST_OFFERED: Final = 12


@router.get("/compare")
def comparison(
    request: Request, sources: Reading, kept: Keeping, a: str = "", b: str = "", *, nearest: bool = False
) -> Response:
    """Two runs; or, where it is not said which, what there is to choose from."""
    a, b = a.strip(), b.strip()
    context: dict[str, Any] = {"a": a, "b": b, "trouble": None, "comparison": None, "offered": []}
    asked = a
    try:
        run = kept.get(sources.summary(a)) if a else None
        if run is not None:
            context["offered"] = _offered(sources, run)
        if run is not None and nearest:
            other = nearest_success(sources, run)
            return RedirectResponse(f"{link('/compare', a=a, b=other.id)}#{anchor_of(1)}", 303)
        if run is not None and b:
            asked = b
            context |= _compared(run, kept.get(sources.summary(b)))
    except (UnknownRunError, ArchiveExpiredError) as error:
        is_expired = isinstance(error, ArchiveExpiredError)
        context |= {"trouble": str(error), "trouble_of": asked, "is_expired": is_expired}
        return page(request, "compare.html", context, status=410 if is_expired else 404)
    return page(request, "compare.html", context)


def _compared(run: Run, other: Run) -> dict[str, Any]:
    shown = shown_stretches(run, other)
    found = compare(run, other)
    on_page = sum(each.number is not None for each in shown)
    return {
        "comparison": found,
        "runs": (run, other),
        "shown": shown,
        "on_page": on_page,
        "is_cut": len(shown) == MOST_STRETCHES and found.divergences > on_page,
        "anchor_of": anchor_of,
    }


def _offered(sources: Sources, run: Run) -> list[RunSummary]:
    """The newest of the same goal, this one not."""
    found = sources.summaries.list(goal=run.goal_id, limit=_MOST_OFFERED + 1).items
    return [each for each in found if each.run_id != run.id][:_MOST_OFFERED]
