"""Places in an index, and the cursors that name them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple

from pydantic import FiniteFloat, TypeAdapter

from runweaver.shared.errors import InvalidCursorError


class Place(NamedTuple):
    """A run in an index. All indexes have the same order, so a place in one is a place in each."""

    score_ms: FiniteFloat
    run_id: str


_PLACE: Final = TypeAdapter(Place)


def as_cursor(place: Place) -> str:
    """The cursor that continues after this place."""
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


def from_cursor(cursor: str) -> Place:
    """The place after which a cursor continues.

    Raises:
        InvalidCursorError: `as_cursor` did not make it.
    """
    try:
        return _PLACE.validate_json(urlsafe_b64decode(cursor.encode()), strict=True)
    except ValueError:
        raise InvalidCursorError(f"{cursor!r} is not a cursor: take `next_cursor` of an earlier page") from None
