"""Numbers and decisions as people say them."""

import pytest

from runweaver.shared.decision import Decision, Option
from runweaver.shared.wording import quote, spell_choice, spell_count, spell_duration, spell_place


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (12_340, "12.3 s"),
        (59_900, "59.9 s"),
        (60_000, "1 min 0 s"),
        (250_000, "4 min 10 s"),
        (3_599_400, "59 min 59 s"),
        (3_599_600, "1 h 0 min"),
        (7_500_000, "2 h 5 min"),
        (3_600_000_000, "1,000 h 0 min"),
        (59_960, "1 min 0 s"),
        (3_600_000 * 10**399, f"1{',000' * 133} h 0 min"),
    ],
)
def test_a_duration(milliseconds: int, expected: str) -> None:
    """In the two units that matter at its size."""
    assert expected == spell_duration(milliseconds)


@pytest.mark.parametrize(("count", "expected"), [(0, "0 steps"), (1, "1 step"), (12_000, "12,000 steps")])
def test_a_count(count: int, expected: str) -> None:
    """With the word for one or for many."""
    assert expected == spell_count(count, "step")


def test_a_decision() -> None:
    """Where and what for, on one line; and what was chosen, if that is known."""
    options = [Option(id="a", description="Go\nthere")]
    decision = Decision(id="d", node_id="n", intent="Look \n around", options=options, chosen_option_id="a")

    assert ("[n] Look around", "“Go there”") == (spell_place(decision), spell_choice(decision))
    assert "unknown action" == spell_choice(decision.model_copy(update={"chosen_option_id": "b"}))


def test_a_quote_is_one_line_of_bounded_length() -> None:
    """120 characters at most, the last of which says that there is more."""
    assert ("x" * 120, "x" * 119 + "…") == (quote("x" * 120), quote("x" * 121))
