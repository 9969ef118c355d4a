"""Answers for LLMs are bounded, whatever is in them."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.console.mcp.answers import InsightsAnswer
from runweaver.console.mcp.bounding import as_json, fit, how_many_fit, rounded, shorten, shorten_value
from runweaver.console.mcp.many_runs import Section
from runweaver.query import GoalInsights
from runweaver.shared import InvalidArgumentError
from tests.unit.strategies import json_objects, json_values

_MOST = 5_000

#: Texts and lists that are far too long, among others.
_large: Any = st.recursive(
    st.one_of(json_values, st.builds(lambda text, times: text * times, st.text(max_size=3), st.integers(0, 2_000))),
    lambda inner: st.one_of(
        st.builds(lambda each, times: [each] * times, inner, st.integers(0, 8)),
        st.dictionaries(st.text(max_size=4), inner, max_size=4),
    ),
    max_leaves=6,
)


@given(document=st.dictionaries(st.text(max_size=5), _large, max_size=5))
def test_what_fits_is_bounded_or_refused(document: dict[str, Any]) -> None:
    """The answer and what is said of its cuts have the room that there is, or it is an error of ours."""
    try:
        fitted, cuts = fit(document, _MOST)
    except InvalidArgumentError:
        assert len(as_json(document)) > _MOST
        return

    assert len(as_json({**fitted, "cut": cuts} if cuts else fitted)) <= _MOST
    assert bool(cuts) == (fitted != document)


@given(document=json_objects)
def test_what_is_small_stays_as_it_is(document: dict[str, Any]) -> None:
    """To the last character."""
    assert (document, []) == fit(document)


@given(rows=st.lists(st.text(max_size=400), max_size=30), more=st.text(max_size=20_000))
def test_rows_are_all_kept(rows: list[str], more: str) -> None:
    """Where the next page begins is said elsewhere: none of this one may go."""
    count = how_many_fit(rows, 2_000)

    fitted, _ = fit({"rows": rows[:count], "more": [more] * 3}, _MOST, rows="rows")

    assert count == len(fitted["rows"])


@given(rows=st.lists(st.text(max_size=100), min_size=1), most=st.integers(1, 500))
def test_as_many_rows_are_taken_as_there_is_room_for(rows: list[str], most: int) -> None:
    """At least one, so that it goes on; otherwise never more than have room, and never fewer."""
    count = how_many_fit(rows, most)
    used = [sum(len(as_json(row)) + 1 for row in rows[:end]) for end in range(len(rows) + 1)]

    assert 1 <= count <= len(rows)
    assert count == 1 or used[count] <= most
    assert count == len(rows) or used[count + 1] > most


def test_cuts_are_told() -> None:
    """Where something was cut, how much is left, and of how much; of many, the first."""
    fitted, cuts = fit({"a": {"b": ["x" * 10_000, "y"]}, "c": list(range(10_000))}, _MOST)

    assert ["a.b[0]: the first 4,000 of 10,000 characters", "c: the first 200 of 10,000 entries"] == cuts
    assert fitted["a"]["b"][0].endswith("… [cut, 10,000 characters in all]")
    assert list(range(200)) == fitted["c"]
    _, many = fit({str(number): "x" * 1_000 for number in range(12)}, _MOST)
    assert "and 4 more" == many[-1]


def test_what_cannot_be_made_small_is_refused() -> None:
    """In a sentence that says what to do."""
    with pytest.raises(InvalidArgumentError, match="more than 5,000 characters: ask for less at once"):
        fit({"rows": ["x" * 100] * 1_000}, _MOST, rows="rows")


def test_texts_and_values_are_shortened() -> None:
    """What is short is as it was; of what is long, the beginning, and how long it was."""
    assert "abc" == shorten("abc", 3)
    assert "ab… [cut, 3 characters in all]" == shorten("abc", 2)
    assert {"a": 1} == shorten_value({"a": 1}, 7)
    assert '{"a":1… [cut, 7 characters in all]' == shorten_value({"a": 1}, 6)


def test_numbers_are_rounded() -> None:
    """Everywhere; whole ones stay."""
    assert {"a": [0.1235, 7], "b": "0.12345"} == rounded({"a": [0.123456, 7], "b": "0.12345"})


def test_all_that_insights_tell_can_be_asked_for() -> None:
    """Each field is a fact that is always told, or a section that can be chosen."""
    answered = InsightsAnswer.model_fields.keys() - {"cut", "note"}

    assert GoalInsights.model_fields.keys() == answered
    assert set(get_args(Section)) <= answered
