"""One run: what became of it, why, and every decision in it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from runweaver.console.web import run_view
from runweaver.console.web.views import Keeping, Reading, link, page
from runweaver.shared.errors import ArchiveExpiredError
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary

router = APIRouter()


@router.get("/runs/{run_id:path}")
def run(  # noqa: PLR0917 - each stands in the address
    request: Request,
    sources: Reading,
    kept: Keeping,
    run_id: str,
    decision: str | None = None,
    start: Annotated[int, Query(ge=0)] = 0,
    only: Literal["failed", ""] = "",
) -> Response:
    """A run, finished or not.

    Args:
        request, sources, kept: where it comes from.
        run_id: of the run.
        decision: the id of the decision to open.
        start: the list of decisions begins with this one.
        only: `failed`: the list has only those that failed.
    """
    summary = sources.summary(run_id)
    try:
        folded = kept.get(summary)
    except ArchiveExpiredError:
        folded = None
    context = {
        "summary": summary,
        "sentences": run_view.sentences(summary),
        "is_live": summary.status is RunStatus.RUNNING,
        "trace_url": _trace_url(request.app.state.trace_url, summary),
        "run": folded,
        "only": only,
        "numbers": {},
        **(_of_run(folded, run_id, decision, start, only) if folded is not None else {}),
    }
    return page(request, "run.html", context)


def _of_run(run: Run, run_id: str, decision_id: str | None, start: int, only: str) -> dict[str, Any]:
    found = run_view.piece(run, start, only_failed=only == "failed")
    return {
        "numbers": run_view.numbers(run),
        "nodes": run_view.nodes(run),
        "piece": found,
        "next": link(f"/runs/{run_id}", start=found.next_start, only=only) if found.next_start else None,
        "opened": run_view.opened(run, decision_id) if decision_id is not None else None,
        "wanted": decision_id,
    }


def _trace_url(pattern: str | None, summary: RunSummary) -> str | None:
    # Others than addresses of the web would be scripts.
    if pattern is None or summary.trace_id is None or not pattern.startswith(("http://", "https://")):
        return None
    return pattern.replace("{trace_id}", summary.trace_id).replace("{span_id}", summary.span_id or "")
