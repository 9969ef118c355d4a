"""Rates, and how sure one can be of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.query import Rate
from runweaver.query.many_runs.rate import chance_of_none, chance_of_sides


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    """Values as tables have them, to four places."""
    rate = Rate(count=count, total=total)

    assert [low, high] == pytest.approx([rate.low, rate.high], abs=1e-4)


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_the_interval_holds_the_rate(some: int, others: int) -> None:
    """It lies within 0 and 1, and what is left of the whole has the mirrored one."""
    rate = Rate(count=some, total=some + others)

    assert 0 <= rate.low <= rate.rate + 1e-12
    assert rate.high <= 1
    if rate.total:
        assert rate.rate <= rate.high + 1e-12
        assert [1 - rate.high, 1 - rate.low] == pytest.approx([rate.rest.low, rate.rest.high])


def test_clearly_above_needs_enough() -> None:
    """The same rates: of few they may be chance, of many they are not."""
    assert not Rate(count=3, total=4).is_clearly_above(Rate(count=1, total=4))
    assert Rate(count=300, total=400).is_clearly_above(Rate(count=100, total=400))
    assert not Rate(count=100, total=400).is_clearly_above(Rate(count=300, total=400))


def test_chances() -> None:
    """Of not seeing in ten runs what every second one has; and of nine heads in ten throws, or nine tails."""
    assert pytest.approx(1 / 1024) == chance_of_none(Rate(count=1, total=2), 10)
    assert pytest.approx(22 / 1024) == chance_of_sides(9, 1) == chance_of_sides(1, 9)
    assert (1.0, 1.0, 1.0) == (chance_of_none(Rate(count=1, total=2), 0), chance_of_sides(0, 0), chance_of_sides(5, 5))
