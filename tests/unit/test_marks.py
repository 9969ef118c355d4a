"""Which parts of two texts are marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.console.web.marks import Piece, marked


def _shown(pieces: list[Piece]) -> str:
    return "".join(f"[{piece.text}]" if piece.is_changed else piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("a", "b", "marked_a", "marked_b"),
    [
        ("No seats left", "No rooms left", "No [seats] left", "No [rooms] left"),
        ('"HAT132"', '"HAT172"', '"HAT1[3]2"', '"HAT1[7]2"'),
        ("economy", "business", "[economy]", "[business]"),
        ("a b c", "a b x c", "a b c", "a b [x ]c"),
        ("", "new", "", "[new]"),
        ("Fare is no longer available", "Booked for $380", "[Fare is no longer available]", "[Booked for $380]"),
        ("the same", "the same", "the same", "the same"),
    ],
)
def test_words_that_differ_are_marked_and_in_words_that_are_alike_the_letters(
    a: str, b: str, marked_a: str, marked_b: str
) -> None:
    """Where nearly all differs it is marked as a whole."""
    left, right = marked(a, b)

    assert (marked_a, marked_b) == (_shown(left), _shown(right))


@given(st.text(alphabet="ab <>&\n-", max_size=60), st.text(alphabet="ab <>&\n-", max_size=60))
def test_pieces_put_together_are_the_text(a: str, b: str) -> None:
    """Nothing is lost, and what is not marked is the same on both sides."""
    left, right = marked(a, b)

    assert (a, b) == ("".join(piece.text for piece in left), "".join(piece.text for piece in right))
    same = ["".join(piece.text for piece in pieces if not piece.is_changed) for pieces in (left, right)]
    assert same[0] == same[1]


def test_long_texts_take_no_time() -> None:
    """What lies between their ends is marked as a whole: 20,000 words would take minutes otherwise."""
    left, right = marked(f"begin {'a b ' * 10_000}end", f"begin {'b c ' * 10_000}end")

    assert ["begin ", f"{'a b ' * 10_000}".rstrip(), " end"] == [piece.text for piece in left]
    assert 3 == len(right)
