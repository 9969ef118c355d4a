"""Moments and durations as people type them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.console.moments import read_duration, read_moment
from runweaver.shared import InvalidArgumentError

_NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    """Numbers with their units; as a moment, it is so long ago."""
    assert expected == read_duration(text, option="--min-duration")
    assert _NOW - expected == read_moment(text, option="--since", now=_NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30 08:15:00", datetime(2026, 1, 30, 8, 15, tzinfo=UTC)),
        ("2026-01-30T08:15Z", datetime(2026, 1, 30, 8, 15, tzinfo=UTC)),
        ("2026-01-30T08:15:00.25+02:00", datetime(2026, 1, 30, 6, 15, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    """ISO 8601; without an offset it is in UTC, as everything that Runweaver shows."""
    moment = read_moment(text, option="--since", now=_NOW)

    assert (expected, timedelta(0)) == (moment, moment.utcoffset())


@pytest.mark.parametrize("text", ["", "30", "-2h", "2 h", "h", "2y", "1h-", "٣h", "yesterday", "\udcff", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With the option, what was typed, and what could have been."""
    with pytest.raises(InvalidArgumentError, match=r"^--min-duration: '.*' is no duration, such as 500ms, 90s"):
        read_duration(text, option="--min-duration")


@pytest.mark.parametrize("text", ["", "-2h", "2y", "yesterday", "2026-13-01", "2026-01-31T25:00", "12:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """So are moments."""
    with pytest.raises(InvalidArgumentError, match=r"^--since: '.*' is no moment: say how long ago"):
        read_moment(text, option="--since", now=_NOW)


def test_times_before_all_times_are_refused() -> None:
    """They are told as what they are."""
    with pytest.raises(InvalidArgumentError, match="outside of the years 1 to 9999"):
        read_moment("9999999w", option="--since", now=_NOW)
    with pytest.raises(InvalidArgumentError, match="outside of the years 1 to 9999"):
        read_moment("0001-01-01T00:00+02:00", option="--since", now=_NOW)
    with pytest.raises(InvalidArgumentError, match="is longer than time goes back"):
        read_duration("999999999999999w", option="--min-duration")


@given(st.text(max_size=40) | st.from_regex(r"[0-9.]{1,20}(ms|s|m|h|d|w)"))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No other error comes of it."""
    with suppress(InvalidArgumentError):
        assert timedelta(0) <= read_duration(text, option="--min-duration")
    with suppress(InvalidArgumentError):
        assert timedelta(0) == read_moment(text, option="--since", now=_NOW).utcoffset()
