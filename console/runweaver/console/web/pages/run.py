"""One run: what became of it, why, and every decision in it."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from runweaver.console.web.views import Reading, page

router = APIRouter()


@router.get("/runs/{run_id:path}")
def run(request: Request, sources: Reading, run_id: str) -> Response:
    """A run, finished or not."""
    return page(request, "run.html", {"summary": sources.summary(run_id)})
