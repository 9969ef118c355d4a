"""What a row of the benchmarks is, and what its rounds come to."""

import statistics
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

#: From here on, digits after the point tell nothing.
_LARGE: Final = 100


@dataclass(frozen=True)
class Target:
    """What is to be reached: by the ratio where there is one, otherwise by the figure itself."""

    bound: float
    is_least: bool
    #: Another figure of the row that settles it as well, where that one is reached.
    or_figure: str | None = None

    def __str__(self) -> str:
        """How it stands in the table."""
        also = f", or {self.or_figure}" if self.or_figure else ""
        return f"{'≥' if self.is_least else '≤'} {self.bound:g}{also}"

    def is_met_by(self, value: float) -> bool:
        """Whether this is enough, or little enough."""
        return value >= self.bound if self.is_least else value <= self.bound


def at_least(bound: float, *, or_figure: str | None = None) -> Target:
    """So much, or more."""
    return Target(bound, is_least=True, or_figure=or_figure)


def at_most(bound: float) -> Target:
    """So much, or less."""
    return Target(bound, is_least=False)


class Pair(NamedTuple):
    """What one round measured: ours, and what it is compared with."""

    ours: float
    compared: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.compared if self.compared else None


#: By the figures' names. Text says why a figure could not be measured.
Round = Mapping[str, Pair | str]
#: One after the other, as long as more are asked for; closed when it is enough.
Rounds = Generator[Round, None, None]


@dataclass(frozen=True)
class Kind:
    """One figure of a row."""

    name: str
    unit: str
    compared_with: str = ""
    target: Target | None = None


@dataclass(frozen=True)
class Row:
    """One measurement, and the figures it yields."""

    name: str
    how: str
    kinds: Sequence[Kind]
    #: For a scale of the sizes. Each round interleaves ours and what it is compared with.
    measure: Callable[[float], Rounds]

    def figures(self, rounds: int, scale: float) -> "list[Figure]":
        """Measure, and take the medians."""
        with closing(self.measure(scale)) as measured:
            # The range comes first: it must not be asked for a round more than is used.
            each = [found for _, found in zip(range(rounds), measured, strict=False)]
        figures = [_figure(self.name, kind, [found.get(kind.name, "") for found in each]) for kind in self.kinds]
        reached = {figure.name for figure in figures if figure.reached}
        return [figure.settled(reached) for figure in figures]


@dataclass(frozen=True)
class Figure:
    """Medians over the rounds; each ratio is one round's."""

    row: str
    name: str
    unit: str
    compared_with: str
    target: Target | None
    ours: float | None = None
    compared: float | None = None
    ratio: float | None = None
    reached: bool | None = None
    rounds: Sequence[Pair] = ()
    #: Why there is none.
    missing: str = ""

    def settled(self, reached: set[str]) -> "Figure":
        """With the target counted as reached where another figure settles it."""
        if self.target is None or self.target.or_figure not in reached:
            return self
        return replace(self, reached=True)

    def __str__(self) -> str:
        """A line of the table."""
        if self.ours is None:
            return f"    {self.name:34} not measured: {self.missing}"
        compared = f"{self.compared_with} {told(self.compared)}" if self.compared is not None else self.compared_with
        ratio = f"{self.ratio:.2f} ×" if self.ratio is not None else ""
        target = f"{self.target}: {'reached' if self.reached else 'MISSED'}" if self.target else ""
        return f"    {self.name:34}{told(self.ours):>12} {self.unit:12}{compared:34}{ratio:>9}  {target}".rstrip()


def told(figure: float) -> str:
    """A number with as many digits as tell something."""
    return f"{figure:,.0f}" if abs(figure) >= _LARGE else f"{figure:,.3g}"


def _figure(row: str, kind: Kind, found: Sequence[Pair | str]) -> Figure:
    figure = Figure(row, kind.name, kind.unit, kind.compared_with, kind.target)
    pairs = [each for each in found if isinstance(each, Pair)]
    if not pairs:
        return replace(figure, missing=next(filter(None, map(str, found)), "nothing came of it"))
    ours = statistics.median(pair.ours for pair in pairs)
    compared = [pair.compared for pair in pairs if pair.compared is not None]
    ratios = [pair.ratio for pair in pairs if pair.ratio is not None]
    ratio = statistics.median(ratios) if ratios else None
    return replace(
        figure,
        ours=ours,
        compared=statistics.median(compared) if compared else None,
        ratio=ratio,
        reached=kind.target.is_met_by(ours if ratio is None else ratio) if kind.target else None,
        rounds=pairs,
    )
