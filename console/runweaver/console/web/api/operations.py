"""How the pipeline is doing, and what it has set aside."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from runweaver.console.status_document import StatusDocument
from runweaver.console.troubles import troubles_of
from runweaver.console.web.views import Operating
from runweaver.worker import DeadLetter

router = APIRouter(tags=["operations"])

#: Of a message in a list, so many bytes are told: one may have a megabyte.
_GIST: Final = 500


class Letter(BaseModel):
    r"""A message that was set aside. Bytes that are no text are shown as `\x…`."""

    id: str
    at: datetime
    #: One short word, see docs/protocol.md.
    code: str
    reason: str
    #: The entry that brought it, and its place in that.
    entry_id: str
    position: int
    bytes: int
    #: In a list, only its beginning.
    message: str


class LetterPage(BaseModel):
    """Some dead letters, the oldest first."""

    items: list[Letter]
    #: Hand it to the next request; none where there are no more.
    next_cursor: str | None


@router.get("/status")
def get_status(operations: Operating) -> StatusDocument:
    """What waits where, who works, and what is wrong."""
    facts = operations.look()
    return StatusDocument.of(facts, troubles_of(facts))


@router.get("/dead-letters")
def list_dead_letters(
    operations: Operating, limit: Annotated[int, Query(ge=1, le=1_000)] = 50, cursor: str | None = None
) -> LetterPage:
    """Messages that could not be accepted, and why: the oldest first."""
    found = operations.letters(cursor, limit + 1)
    items = [_letter(letter, _GIST) for letter in found[:limit]]
    return LetterPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


@router.get("/dead-letters/{letter_id}")
def get_dead_letter(operations: Operating, letter_id: str) -> Letter:
    """One of them, whole."""
    letter = operations.letter(letter_id)
    if letter is None:
        raise HTTPException(404, "no such dead letter is there (any more)")
    return _letter(letter, len(letter.message))


def _letter(letter: DeadLetter, most_bytes: int) -> Letter:
    return Letter(
        id=letter.id,
        at=letter.at,
        code=letter.code,
        reason=letter.reason,
        entry_id=letter.entry_id,
        position=letter.position,
        bytes=len(letter.message),
        message=letter.message[:most_bytes].decode(errors="backslashreplace"),
    )
