"""Cursors: what no page handed out is refused before the server is asked."""

from base64 import urlsafe_b64encode

import pytest

from runweaver.query import Summaries
from runweaver.shared import InvalidCursorError


@pytest.mark.parametrize(
    "inside",
    [
        '[NaN, "r"]',
        '[Infinity, "r"]',
        '[-1e999, "r"]',
        f'[1{"0" * 400}, "r"]',
        f'[1{"0" * 5_000}, "r"]',
        "[" * 100_000,
        '[[1], "r"]',
        "[1, {}]",
        '["1", "r"]',
        '[1, "r", 2]',
        "{}",
    ],
    ids=lambda inside: inside[:20],
)
def test_what_no_page_handed_out_is_refused(inside: str) -> None:
    """Numbers that are none, that are too large, nesting without end: always with the same error."""
    cursor = urlsafe_b64encode(inside.encode()).decode()

    with pytest.raises(InvalidCursorError, match="is not a cursor: take `next_cursor` of an earlier page"):
        Summaries("redis://127.0.0.1:1/0").list(cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "abc", "\x00", "\ud800", "ä", "=", "\udcff" * 1_000])
def test_any_other_text_is_refused(cursor: str) -> None:
    """Also what can be no base64."""
    with pytest.raises(InvalidCursorError):
        Summaries("redis://127.0.0.1:1/0").list(cursor=cursor)
