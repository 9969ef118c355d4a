"""The alignment of two runs' steps."""

import itertools
import random
import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.query.two_runs import align as module
from runweaver.query.two_runs.align import StepKey, align

_keys = st.lists(st.builds(StepKey, st.sampled_from("abc"), st.sampled_from("xy")), max_size=9)


def score(a: list[StepKey], b: list[StepKey], pairs: list[tuple[int, int]]) -> tuple[int, int]:
    """How many pairs there are, and how many of them with equal choices."""
    return len(pairs), sum(a[i].choice == b[j].choice for i, j in pairs)


def best_score(a: list[StepKey], b: list[StepKey]) -> tuple[int, int]:
    """The best that there is, by trying everything."""

    @cache
    def best(i: int, j: int) -> tuple[int, int]:
        if i == len(a) or j == len(b):
            return (0, 0)
        found = max(best(i + 1, j), best(i, j + 1))
        if a[i].pursuit == b[j].pursuit:
            pairs, equal = best(i + 1, j + 1)
            found = max(found, (pairs + 1, equal + (a[i].choice == b[j].choice)))
        return found

    return best(0, 0)


def is_in_order(a: list[StepKey], b: list[StepKey], pairs: list[tuple[int, int]]) -> bool:
    """Rising in both, and only steps after the same thing."""
    rising = all(i < k and j < m for (i, j), (k, m) in itertools.pairwise(pairs))
    return rising and all(a[i].pursuit == b[j].pursuit for i, j in pairs)


@given(_keys, _keys)
def test_it_is_the_best_there_is(a: list[StepKey], b: list[StepKey]) -> None:
    """As many pairs as can be, and of those with the most equal choices."""
    pairs = align(a, b)

    assert is_in_order(a, b, pairs)
    assert best_score(a, b) == score(a, b, pairs)


@pytest.mark.parametrize("most_cells", [250_000, 4, 0])
@given(a=_keys, b=_keys)
def test_it_mirrors(most_cells: int, a: list[StepKey], b: list[StepKey]) -> None:
    """With the runs exchanged, the pairs are exchanged; also where it is done piece by piece."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST_CELLS", most_cells)
        patch.setattr(module, "_WINDOW", 3)
        pairs, mirrored = align(a, b), align(b, a)

    assert is_in_order(a, b, pairs)
    assert [(j, i) for i, j in pairs] == mirrored


@pytest.mark.parametrize("most_cells", [250_000, 0])
@given(a=_keys)
def test_a_run_is_aligned_with_itself_step_by_step(most_cells: int, a: list[StepKey]) -> None:
    """Nothing is left over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST_CELLS", most_cells)
        assert [(place, place) for place in range(len(a))] == align(a, a)


@pytest.mark.parametrize("kinds", [5, 1_000, 100_000])
def test_ten_thousand_steps_each_are_aligned_in_seconds(kinds: int) -> None:
    """Whether steps are all alike or all different; what was not changed is found."""
    chance = random.Random(7)
    a = [StepKey(chance.randrange(kinds), chance.randrange(3)) for _ in range(10_000)]
    changed = set(chance.sample(range(10_000), 1_000))
    b = [StepKey(("new", place), 0) if place in changed else key for place, key in enumerate(a) if place % 50]
    begin = time.process_time()

    pairs = align(a, b)

    # Unchanged are at least 8,800.
    assert len(pairs) > 8_000
    assert is_in_order(a, b, pairs)
    # All pairs of places looked at would take a minute.
    assert time.process_time() - begin < 10
