"""The pipeline: what is wrong first, then what waits where and who works."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from runweaver.console.troubles import troubles_of
from runweaver.console.web.views import Operating, page

router = APIRouter()

_SHOWN_JOBS: Final = 20
#: More partitions than that are folded away.
_FEW_PARTITIONS: Final = 16


@router.get("/operations")
def operations(request: Request, operating: Operating) -> Response:
    """All that `runweaver status` tells. A script loads it again every few seconds."""
    facts = operating.look()
    context = {
        "facts": facts,
        "troubles": troubles_of(facts),
        "failed_jobs": operating.failed_jobs(_SHOWN_JOBS) if facts.jobs.failed else [],
        "few_partitions": len(facts.pipeline.partitions) <= _FEW_PARTITIONS,
    }
    return page(request, "operations.html", context)
