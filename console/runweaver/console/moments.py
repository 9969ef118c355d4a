"""Moments and durations as people type them: `2h`, `7d`, `2026-01-31T12:00Z`.

Options take them as text, and commands read them with these functions: a parser of typer's would put its own words in
place of ours.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from runweaver.shared.errors import InvalidArgumentError

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART: Final = r"(\d{1,15}(?:\.\d{1,15})?)(ms|[smhdw])"
_DURATION: Final = re.compile(rf"(?:{_PART})+", re.ASCII)


def read_duration(text: str, *, option: str) -> timedelta:
    """A duration: numbers, each with its unit (ms, s, m, h, d or w): `90s`, `1.5h`, `1h30m`.

    Args:
        text: what was typed.
        option: where, for the error.

    Raises:
        InvalidArgumentError: it is none.
    """
    try:
        duration = _duration(text)
    except OverflowError:
        raise InvalidArgumentError(f"{option}: {text!r:.100} is longer than time goes back") from None
    if duration is None:
        raise InvalidArgumentError(f"{option}: {text!r:.100} is no duration, such as 500ms, 90s, 30m, 2h, 7d or 1h30m")
    return duration


def read_moment(text: str, *, option: str, now: datetime) -> datetime:
    """A moment: how long ago (a duration), or a date or time in ISO 8601; one without an offset is in UTC.

    All times that Runweaver shows are in UTC, so they can be given back as they are shown.

    Args:
        text: what was typed.
        option: where, for the error.
        now: from when to count back.

    Raises:
        InvalidArgumentError: it is none.
    """
    try:
        ago = _duration(text)
        return now - ago if ago is not None else _absolute(text)
    except OverflowError:
        raise InvalidArgumentError(f"{option}: {text!r:.100} is outside of the years 1 to 9999") from None
    except ValueError:
        raise InvalidArgumentError(
            f"{option}: {text!r:.100} is no moment: say how long ago (30m, 2h, 7d), or a date or time in ISO 8601 "
            "(2026-01-31, 2026-01-31T12:00Z)"
        ) from None


def _duration(text: str) -> timedelta | None:
    if _DURATION.fullmatch(text) is None:
        return None
    parts = re.findall(_PART, text, re.ASCII)
    return sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())


def _absolute(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
