"""Two runs from begin to end: where they go together, and where they part.

Pure and symmetric, as `compare` is, which tells of the same places in short.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from pydantic import Field

from runweaver.query.one_run.telling import Step, step_of
from runweaver.query.two_runs.align import align
from runweaver.query.two_runs.comparison import DivergenceKind
from runweaver.query.two_runs.parameters import ChangedParameter, changed_parameters
from runweaver.query.two_runs.steps import is_reworded, key_of, kind_of
from runweaver.shared.decision import Decision
from runweaver.shared.fields import Schema
from runweaver.shared.run import Run

_MOST_STEPS: Final = 100
_MOST_CHANGES: Final = 50
#: Longer than in a comparison: here they are read beside each other.
_LONGEST_VALUE: Final = 1_000


class Stretch(Schema):
    """Steps of two runs that belong together: those in which they are alike, or a place where they differ."""

    #: How they differ; none where they are alike.
    kind: DivergenceKind | None
    #: The steps of each. Where they are alike they stand in pairs; where the paths differ, each took its own, or none;
    #: else it is one of each. Of long stretches the first ones.
    a: list[Step] = Field(default_factory=list)
    b: list[Step] = Field(default_factory=list)
    #: How many steps that were.
    a_count: int
    b_count: int
    #: How many steps each run took before.
    a_begin: int
    b_begin: int
    #: Where both chose the same: the parameters that differ, with values of up to 1,000 characters; at most 50.
    changed: list[ChangedParameter] = Field(default_factory=list)
    #: Where they are alike: the places of the pairs, of those that are told, that differ in the wording of a text.
    reworded: list[int] = Field(default_factory=list)


def side_by_side(a: Run, b: Run, *, most_steps: int = _MOST_STEPS) -> Iterator[Stretch]:
    """All steps of two runs, aligned as by `compare`, in order.

    Each step of each run is in one stretch. Two stretches that are alike never follow each other.

    Args:
        a: any run.
        b: another one.
        most_steps: of a stretch, so many steps of each run are told.
    """
    pairs = align([key_of(decision) for decision in a.decisions], [key_of(decision) for decision in b.decisions])
    for part in _joined(_parts(a.decisions, b.decisions, pairs)):
        yield _told(part, a.decisions, b.decisions, most_steps)


class _Part(NamedTuple):
    """Places of steps in both runs."""

    kind: DivergenceKind | None
    a: range
    b: range


def _parts(a: Sequence[Decision], b: Sequence[Decision], pairs: Sequence[tuple[int, int]]) -> Iterator[_Part]:
    """All places: each pair by itself, and what lies between two pairs."""
    row = column = 0
    for next_row, next_column in [*pairs, (len(a), len(b))]:
        if next_row > row or next_column > column:
            yield _Part(DivergenceKind.PATH, range(row, next_row), range(column, next_column))
        row, column = next_row + 1, next_column + 1
        if next_row < len(a) and next_column < len(b):
            yield _Part(kind_of(a[next_row], b[next_column]), range(next_row, row), range(next_column, column))


def _joined(parts: Iterable[_Part]) -> Iterator[_Part]:
    """The same, with pairs that are alike and follow each other as one part."""
    alike: _Part | None = None
    for part in parts:
        if part.kind is None:
            begin = alike if alike is not None else part
            alike = _Part(None, range(begin.a.start, part.a.stop), range(begin.b.start, part.b.stop))
            continue
        if alike is not None:
            yield alike
            alike = None
        yield part
    if alike is not None:
        yield alike


def _told(part: _Part, a: Sequence[Decision], b: Sequence[Decision], most_steps: int) -> Stretch:
    left = [a[place] for place in part.a[:most_steps]]
    right = [b[place] for place in part.b[:most_steps]]
    is_pair = part.kind in (DivergenceKind.PARAMETERS, DivergenceKind.RESULT)
    return Stretch(
        kind=part.kind,
        a=[step_of(decision) for decision in left],
        b=[step_of(decision) for decision in right],
        a_count=len(part.a),
        b_count=len(part.b),
        a_begin=part.a.start,
        b_begin=part.b.start,
        changed=_changed(left[0], right[0]) if is_pair else [],
        reworded=[place for place, pair in enumerate(zip(left, right, strict=True)) if is_reworded(*pair)]
        if part.kind is None
        else [],
    )


def _changed(a: Decision, b: Decision) -> list[ChangedParameter]:
    left, right = a.chosen_option, b.chosen_option
    if left is None or right is None:
        return []
    return changed_parameters(left.action_params, right.action_params, most=_MOST_CHANGES, longest=_LONGEST_VALUE)
