"""Which parts of two texts differ, to be marked where they stand beside each other. Pure."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, NamedTuple

#: Between words of more than this, all that lies between what is equal at both ends counts as different: to find more
#: takes a time that grows with the square.
_MOST_WORDS: Final = 200
#: Two words that have less than this in common are two words, and not one with other letters.
_ALIKE: Final = 0.5
_LONGEST_WORD: Final = 100
#: Where less than this is in common, marks would only be noise: all of it is different. One word each is looked at by
#: its letters all the same.
_LITTLE: Final = 0.25

_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    """A part of a text."""

    text: str
    is_changed: bool


def marked(a: str, b: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, by words, and within words that are much alike by letters."""
    left, right = _WORD.findall(a), _WORD.findall(b)
    begin, end = _alike_at_the_ends(left, right)
    last_a, last_b = len(left) - end, len(right) - end
    between_a, between_b = _between(left[begin:last_a], right[begin:last_b])
    return (
        _joined([*_same(left[:begin]), *between_a, *_same(left[last_a:])]),
        _joined([*_same(right[:begin]), *between_b, *_same(right[last_b:])]),
    )


def _alike_at_the_ends(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    shorter = min(len(a), len(b))
    begin = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    end = next((i for i in range(shorter - begin) if a[-1 - i] != b[-1 - i]), shorter - begin)
    return begin, end


def _between(a: Sequence[str], b: Sequence[str]) -> tuple[list[Piece], list[Piece]]:
    if max(len(a), len(b)) > _MOST_WORDS:
        return _changed(a), _changed(b)
    found_a: list[Piece] = []
    found_b: list[Piece] = []
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if len(a) != 1 and _share_in_common(matcher, a, b) < _LITTLE:
        return _changed(a), _changed(b)
    for kind, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if kind == "replace" and a_to - a_from == b_to - b_from == 1:
            left, right = _letters(a[a_from], b[b_from])
        else:
            piece = _same if kind == "equal" else _changed
            left, right = piece(a[a_from:a_to]), piece(b[b_from:b_to])
        found_a += left
        found_b += right
    return found_a, found_b


def _share_in_common(matcher: SequenceMatcher[str], a: Sequence[str], b: Sequence[str]) -> float:
    """Of the letters of the longer text, 0 to 1. Blanks are no letters: all texts have them in common."""
    common = sum(_letter_count(a[match.a : match.a + match.size]) for match in matcher.get_matching_blocks())
    most = max(_letter_count(a), _letter_count(b))
    return common / most if most else 1.0


def _letter_count(words: Iterable[str]) -> int:
    return sum(len(word) for word in words if not word.isspace())


def _letters(a: str, b: str) -> tuple[list[Piece], list[Piece]]:
    """Two words: `HAT132` and `HAT172` differ in a digit, `economy` and `business` in all."""
    if max(len(a), len(b)) > _LONGEST_WORD:
        return _changed([a]), _changed([b])
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() <= _ALIKE:
        return _changed([a]), _changed([b])
    codes = matcher.get_opcodes()
    return (
        [Piece(a[begin:end], kind != "equal") for kind, begin, end, _, _ in codes],
        [Piece(b[begin:end], kind != "equal") for kind, _, _, begin, end in codes],
    )


def _same(words: Iterable[str]) -> list[Piece]:
    return [Piece(word, is_changed=False) for word in words]


def _changed(words: Iterable[str]) -> list[Piece]:
    return [Piece(word, is_changed=True) for word in words]


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces that follow each other and are of one kind, as one; put together they are still the text."""
    groups = groupby(pieces, lambda piece: piece.is_changed)
    found = [Piece("".join(piece.text for piece in group), is_changed) for is_changed, group in groups]
    return [piece for piece in found if piece.text]
