"""What the runs of a goal, or of all goals, tell together."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from runweaver.console.sources import Sources
from runweaver.console.web.period import ALL, OFFERED, read_period
from runweaver.console.web.views import Reading, link, page
from runweaver.shared.connection import redact

router = APIRouter()

#: So many entries of each kind are on the page, most of them folded.
_MOST: Final = 50
_MOST_GOALS: Final = 500
_FIRST_GOALS: Final = 20
#: Of no more runs than this, what they tell is there at once. Of more it is loaded when the frame stands.
_MOST_AT_ONCE: Final = 2_000

_DEFAULT: Final = "7d"


@router.get("/goals")
def goals(  # noqa: PLR0917 - each is a field of the form
    request: Request,
    sources: Reading,
    since: str = _DEFAULT,
    until: str = "",
    tag: str = "",
    goal: str = "",
    *,
    wait: Annotated[bool, Query(description="Answer only when all is there.")] = False,
) -> Response:
    """All goals, those that lost most runs first, and what their runs have in common."""
    if goal.strip():
        return RedirectResponse(link(f"/goals/{goal.strip()}", since=since, until=until, tag=tag), 303)
    return _page(request, sources, None, {"since": since, "until": until, "tag": tag.strip()}, wait=wait)


@router.get("/goals/{goal_id:path}")
def one_goal(  # noqa: PLR0917 - each is a field of the form
    request: Request,
    sources: Reading,
    goal_id: str,
    since: str = _DEFAULT,
    until: str = "",
    tag: str = "",
    *,
    wait: bool = False,
) -> Response:
    """A goal: how its runs fare, what to change first, and what that rests on."""
    return _page(request, sources, goal_id, {"since": since, "until": until, "tag": tag.strip()}, wait=wait)


def _page(request: Request, sources: Sources, goal: str | None, given: dict[str, str], *, wait: bool) -> Response:
    address = f"/goals/{goal}" if goal is not None else "/goals"
    period = read_period(given["since"], given["until"])
    known = sources.summaries.count_at_most(goal=goal)
    context: dict[str, Any] = {
        "goal": goal,
        "address": address,
        "given": given,
        "offered": OFFERED,
        "most_goals": _MOST_GOALS,
        "first_goals": _FIRST_GOALS,
        "everything": link(address, since=ALL),
        "known": known,
        "insights": None,
        "later": None,
        # The same runs in the list of runs.
        "within": {"goal": goal, "tag": given["tag"], **period.as_parameters()},
        "agents_url": redact(sources.settings.redis_url),
    }
    if not known:
        return page(request, "goals.html", context, status=404 if goal is not None else 200)
    if known > _MOST_AT_ONCE and not wait:
        return page(request, "goals.html", context | {"later": link(address, **given, wait=1)})
    found = sources.insights.get(
        goal,
        since=period.begin,
        until=period.end,
        tag=given["tag"] or None,
        limit=_MOST if goal is not None else _MOST_GOALS,
    )
    context["several_ways"] = [intent for intent in found.intents if len(intent.options) > 1]
    return page(request, "goals.html", context | {"insights": found})
