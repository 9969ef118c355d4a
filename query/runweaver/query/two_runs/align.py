"""Aligns the steps of two runs: what one did, and where the other did the same.

Deterministic and symmetric: with the runs exchanged, the pairs are the same, exchanged.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple

#: Up to so many pairs of steps, the best alignment is found; beyond that, steps that occur once in each run are paired
#: first, and what lies between them is aligned by itself, where need be some steps at a time.
_MOST_CELLS: Final = 250_000
_WINDOW: Final = 256


class StepKey(NamedTuple):
    """What a step is compared by."""

    #: Only steps that were after the same thing are paired.
    pursuit: Hashable
    #: Of several ways to pair them, the one with the most equal choices is taken.
    choice: Hashable


class _Span(NamedTuple):
    """A part of each run."""

    a: range
    b: range


def align(a: Sequence[StepKey], b: Sequence[StepKey]) -> list[tuple[int, int]]:
    """Pairs of places of steps with the same pursuit, in order in both runs, as many as can be.

    The most there are for runs of up to about 500 steps, apart from what is equal at the begin and at the end; very
    many for longer ones, in a time that grows with the length and not with its square.
    """
    left, right = _numbered(a, b)
    # Where two alignments are as good, the one that is found depends on which run comes first.
    if left <= right:
        return sorted(_aligned(left, right))
    return sorted((i, j) for j, i in _aligned(right, left))


def _numbered(a: Sequence[StepKey], b: Sequence[StepKey]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Numbers in place of the keys, which can be compared quickly; the same ones whichever run comes first."""
    known = sorted({repr(part) for key in (*a, *b) for part in key})
    number = {part: index for index, part in enumerate(known)}
    left, right = ([(number[repr(key.pursuit)], number[repr(key.choice)]) for key in keys] for keys in (a, b))
    return left, right


def _aligned(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    spans = [_Span(range(len(a)), range(len(b)))]
    while spans:
        span = spans.pop()
        begin, end = _alike_at_the_ends(a, b, span)
        yield from ((span.a[index], span.b[index]) for index in range(begin))
        yield from ((span.a[-1 - index], span.b[-1 - index]) for index in range(end))
        rest = _Span(span.a[begin : len(span.a) - end], span.b[begin : len(span.b) - end])
        if not rest.a or not rest.b:
            continue
        if len(rest.a) * len(rest.b) <= _MOST_CELLS:
            yield from _best(a, b, rest)
            continue
        anchors = _anchors(a, b, rest)
        if anchors:
            yield from anchors
            spans += _between(rest, anchors)
        else:
            yield from _window_by_window(a, b, rest)


def _alike_at_the_ends(a: list[tuple[int, int]], b: list[tuple[int, int]], span: _Span) -> tuple[int, int]:
    """How many steps are wholly equal at the beginning, and of the rest at the end: they belong together."""
    shorter = min(len(span.a), len(span.b))
    begin = next((i for i in range(shorter) if a[span.a[i]] != b[span.b[i]]), shorter)
    left = shorter - begin
    end = next((i for i in range(left) if a[span.a[-1 - i]] != b[span.b[-1 - i]]), left)
    return begin, end


def _best(a: list[tuple[int, int]], b: list[tuple[int, int]], span: _Span) -> list[tuple[int, int]]:
    """The most pairs, and of those the most with equal choices: dynamic programming over all places."""
    rows, columns = len(span.a), len(span.b)
    # A pair counts more than all equal choices together.
    pair = min(rows, columns) + 1
    keys = [b[column] for column in span.b]
    # best[row][column]: what the steps from there on come to.
    best = [[0] * (columns + 1)]
    for row in reversed(span.a):
        pursuit, choice = a[row]
        below, here, current = best[-1], 0, [0] * (columns + 1)
        for column in range(columns - 1, -1, -1):
            other_pursuit, other_choice = keys[column]
            here = max(here, below[column])
            if pursuit == other_pursuit:
                here = max(here, below[column + 1] + pair + (choice == other_choice))
            current[column] = here
        best.append(current)
    best.reverse()
    return _followed(a, keys, span, best, pair)


def _followed(
    a: list[tuple[int, int]], keys: list[tuple[int, int]], span: _Span, best: list[list[int]], pair: int
) -> list[tuple[int, int]]:
    pairs, row, column = [], 0, 0
    while row < len(span.a) and column < len(keys):
        (pursuit, choice), (other_pursuit, other_choice) = a[span.a[row]], keys[column]
        together = best[row + 1][column + 1] + pair + (choice == other_choice)
        if pursuit == other_pursuit and best[row][column] == together:
            pairs.append((span.a[row], span.b[column]))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return pairs


def _anchors(a: list[tuple[int, int]], b: list[tuple[int, int]], span: _Span) -> list[tuple[int, int]]:
    """Steps that occur once in each run (patience): the longest row of them that is in order in both."""
    for part in (slice(None), slice(1)):
        left, right = [a[row][part] for row in span.a], [b[column][part] for column in span.b]
        once_left, once_right = Counter(left), Counter(right)
        place = {key: index for index, key in enumerate(right) if once_right[key] == 1}
        both = [(index, place[key]) for index, key in enumerate(left) if once_left[key] == 1 and key in place]
        if both:
            return [(span.a[row], span.b[column]) for row, column in _longest_in_order(both)]
    return []


def _longest_in_order(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest row of pairs, which come in the order of the first, that rises in the second, too."""
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for index, (_, column) in enumerate(pairs):
        length = bisect_left(ends, column)
        # Takes the place of the one that is there, or comes at the end.
        ends[length : length + 1] = [column]
        places[length : length + 1] = [index]
        before.append(places[length - 1] if length else -1)
    row, index = [], places[-1]
    while index >= 0:
        row.append(pairs[index])
        index = before[index]
    return row[::-1]


def _between(span: _Span, anchors: list[tuple[int, int]]) -> Iterator[_Span]:
    row, column = span.a.start, span.b.start
    for next_row, next_column in [*anchors, (span.a.stop, span.b.stop)]:
        yield _Span(range(row, next_row), range(column, next_column))
        row, column = next_row + 1, next_column + 1


def _window_by_window(a: list[tuple[int, int]], b: list[tuple[int, int]], span: _Span) -> Iterator[tuple[int, int]]:
    """Some steps at a time. Of each window the first half is kept: the rest may go better with what follows."""
    row, column = span.a.start, span.b.start
    while row < span.a.stop and column < span.b.stop:
        window = _Span(
            range(row, min(row + _WINDOW, span.a.stop)),
            range(column, min(column + _WINDOW, span.b.stop)),
        )
        is_last = window.a.stop == span.a.stop and window.b.stop == span.b.stop
        found = _best(a, b, window)
        kept = found if is_last else found[: (len(found) + 1) // 2]
        yield from kept
        if is_last:
            return
        # Nothing in common here: both go on.
        row, column = (kept[-1][0] + 1, kept[-1][1] + 1) if kept else (window.a.stop, window.b.stop)
