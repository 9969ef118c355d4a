"""Texts that differ only in ids, numbers, paths and times have one gist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.shared.gist import MAX_GIST, gist


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user mia_li_3668 not found", "user <id> not found"),
        ("timed out after 30.2 s", "timed out after <n> s"),
        ("timed out after 30s", "timed out after <n>s"),
        ("/srv/a81f/x.csv: no such file", "<path>: no such file"),
        (r"C:\data\in.csv is gone", r"C:\data\in.csv is gone"),
        ("HTTP 503 from https://api.example.com/v1/x?id=1", "HTTP 503 from https://api.example.com/…"),
        ("HTTP/1.1 404", "HTTP/1.1 404"),
        ("Status code: 429, 12 tries", "Status code: 429, <n> tries"),
        ("Error: flight HAT069 not available on date 2024-05-20", "Error: flight HAT<n> not available on date <time>"),
        ("reservation NO6JO3 not found", "reservation <id> not found"),
        ("get_user_details_v2 failed", "get_user_details_v<n> failed"),
        ("123e4567-e89b-12d3-a456-426614174000 is gone", "<id> is gone"),
        ("write to ann.b+c@mail.example.org", "write to <email>"),
        ("10.0.0.1:6379 refused", "<address> refused"),
        ("at 2026-01-31T12:30:01.5Z or at 12:30 PM", "at <time> or at <time>"),
        ("costs $1,204.50", "costs $<n>"),
        ("KeyError: 'foo'", "KeyError: 'foo'"),
        ("  two\n lines ", "two lines"),
        ("", ""),
    ],
)
def test_what_is_particular_is_folded(text: str, expected: str) -> None:
    """What says which error it is stays: words, names of tools, HTTP statuses, servers."""
    assert expected == gist(text)


def test_a_traceback_is_told_by_its_exception() -> None:
    """That is its last line."""
    text = 'Traceback (most recent call last):\n  File "/srv/agent.py", line 14, in look\nValueError: no row 17\n'

    assert "ValueError: no row <n>" == gist(text)


@given(st.text(max_size=400) | st.text(alphabet="aZ09_-./:@<>n… ", max_size=400))
def test_the_gist_of_a_gist_is_itself(text: str) -> None:
    """And no gist is long."""
    found = gist(text)

    assert found == gist(found)
    assert len(found) <= MAX_GIST


@given(st.integers(100, 10**12), st.integers(100, 10**12))
def test_numbers_make_no_difference(one: int, other: int) -> None:
    """Nor do ids that carry three digits or more."""
    assert gist(f"row {one} of order_{one}_x9 is bad") == gist(f"row {other} of order_{other}_x9 is bad")


@pytest.mark.parametrize("unit", ["1", "a1", "a.", "/a", "a-1", "1,", "1.1.1.1.", "_", "12:34:", "@a", "http://", "1-"])
def test_no_text_takes_long(unit: str) -> None:
    """Of a very long one, only the beginning is looked at."""
    assert gist(unit * 1_000) == gist(unit * 100_000)
