"""Messages that could not be accepted: to look at, to replay, to drop."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from runweaver.console.web.operations import Done
from runweaver.console.web.views import Operating, link, page, trouble
from runweaver.shared.errors import AccessRefusedError
from runweaver.worker import DeadLetter

router = APIRouter()

_A_PAGE: Final = 50
_LIST: Final = "/operations/dead-letters"

Chosen = Annotated[list[str] | None, Form()]
Cursor = Annotated[str, Form()]


@router.get(_LIST)
def dead_letters(request: Request, operating: Operating, cursor: str | None = None) -> Response:
    """Some of them, the oldest first."""
    return _list(request, operating, cursor)


@router.get(_LIST + "/{letter_id}")
def dead_letter(request: Request, operating: Operating, letter_id: str) -> Response:
    """One of them, whole, byte for byte as far as it is text."""
    letter = operating.letter(letter_id)
    if letter is None:
        return trouble(request, 404, f"No dead letter {letter_id} is there (any more).")
    return page(request, "dead_letter.html", {"letter": letter, "text": _text(letter)})


@router.post(_LIST + "/replay")
def replay(request: Request, operating: Operating, letter: Chosen = None, cursor: Cursor = "") -> Response:
    """Merge those that were chosen into their runs after all."""
    try:
        done = operating.replay(letter or [])
    except AccessRefusedError as error:
        return _list(request, operating, cursor, may_not=str(error))
    return _list(request, operating, cursor, what="replayed", done=done)


@router.post(_LIST + "/drop")
def drop(request: Request, operating: Operating, letter: Chosen = None, cursor: Cursor = "") -> Response:
    """Forget those that were chosen."""
    try:
        done = operating.drop(letter or [])
    except AccessRefusedError as error:
        return _list(request, operating, cursor, may_not=str(error))
    return _list(request, operating, cursor, what="dropped", done=done)


def _list(
    request: Request,
    operating: Operating,
    cursor: str | None,
    *,
    what: str = "",
    done: Done | None = None,
    may_not: str = "",
) -> Response:
    found = operating.letters(cursor or None, _A_PAGE + 1)
    letters = found[:_A_PAGE]
    context: dict[str, Any] = {
        "letters": letters,
        "cursor": cursor or "",
        "next": link(_LIST, cursor=letters[-1].id) if len(found) > _A_PAGE else None,
        "what": what,
        "done": done,
        "may_not": may_not,
    }
    return page(request, "dead_letters.html", context, status=403 if may_not else 200)


def _text(letter: DeadLetter) -> str:
    return letter.message.decode(errors="backslashreplace")
