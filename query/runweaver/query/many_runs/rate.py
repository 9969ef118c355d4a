"""A share of a whole, and how sure one can be of it."""

import math
from typing import Final

from pydantic import BaseModel, computed_field

#: The normal deviate between which and its negative 95 % lie.
_DEVIATE: Final = 1.959964


class Rate(BaseModel):
    """So many of so many, with the interval in which the true rate lies (Wilson's score interval, 95 %).

    Few observations make it wide: 2 of 2 is 34 % to 100 %.
    """

    count: int
    total: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rate(self) -> float:
        """0 to 1; 0 where there is nothing."""
        return self.count / self.total if self.total else 0.0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def low(self) -> float:
        """The lower end of the interval; 0 where there is nothing."""
        return max(0.0, self._center - self._margin) if self.count else 0.0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def high(self) -> float:
        """The upper end of the interval; 1 where there is nothing."""
        return min(1.0, self._center + self._margin) if self.count < self.total else 1.0

    def __str__(self) -> str:
        """In words: `3 of 4 (75%)`."""
        return f"{self.count:,} of {self.total:,} ({self.rate:.0%})"

    @property
    def rest(self) -> "Rate":
        """The others of the whole."""
        return Rate(count=self.total - self.count, total=self.total)

    def is_clearly_above(self, other: "Rate") -> bool:
        """Whether the intervals do not touch, and this one is the higher."""
        return self.low > other.high

    @property
    def _center(self) -> float:
        square = _DEVIATE**2
        return (self.count + square / 2) / (self.total + square) if self.total else 0.5

    @property
    def _margin(self) -> float:
        if not self.total:
            return 0.5
        square, rate = _DEVIATE**2, self.count / self.total
        spread = math.sqrt(rate * (1 - rate) / self.total + square / (4 * self.total**2))
        return _DEVIATE * spread / (1 + square / self.total)


def chance_of_none(seen: Rate, runs: int) -> float:
    """How likely it would be to see nothing of this in so many runs, if it were as frequent there."""
    return (1 - seen.rate) ** runs if runs else 1.0


def chance_of_sides(more: int, less: int) -> float:
    """How likely it would be that so many of so many fall, or more, to one side by chance alone (sign test)."""
    total, most = more + less, max(more, less)
    if not total:
        return 1.0
    tail: float = sum(math.comb(total, count) for count in range(most, total + 1)) / 2**total
    return min(1.0, 2 * tail)
