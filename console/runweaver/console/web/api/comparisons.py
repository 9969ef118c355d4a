"""Two runs beside each other."""

from fastapi import APIRouter

from runweaver.console.web.comparing import nearest_success
from runweaver.console.web.views import Reading
from runweaver.query import Comparison, Stretch, compare, side_by_side
from runweaver.shared.errors import InvalidArgumentError

router = APIRouter(tags=["comparisons"])


@router.get("/comparison")
def get_comparison(sources: Reading, a: str, b: str | None = None, *, nearest: bool = False) -> Comparison:
    """What became of two runs, what they cost, and where they part.

    In place of `b`, `nearest=true` takes the completed run of the same goal that is most like `a`.
    """
    run = sources.run(a)
    if (b is not None) == nearest:
        raise InvalidArgumentError("say with which run to compare it (b), or nearest=true")
    return compare(run, sources.run(b) if b is not None else nearest_success(sources, run))


@router.get("/side-by-side")
def get_side_by_side(sources: Reading, a: str, b: str) -> list[Stretch]:
    """All steps of two runs, aligned: where they go together, and where they part."""
    return list(side_by_side(sources.run(a), sources.run(b)))
