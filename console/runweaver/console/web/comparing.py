"""How a page shows two runs beside each other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from runweaver.console.render_compare import TITLES
from runweaver.console.sources import Sources, UnknownRunError
from runweaver.console.web.marks import Piece, marked
from runweaver.query import DivergenceKind, Stretch, side_by_side
from runweaver.shared.run import Run

#: So many stretches stand on a page, and of the parameters that differ at one place so many are marked.
MOST_STRETCHES: Final = 400
_MOST_CHANGES: Final = 20


@dataclass(frozen=True)
class Change:
    """A parameter that differs. A side on which it is not there has no pieces."""

    path: str
    a: list[Piece]
    b: list[Piece]


@dataclass(frozen=True)
class Shown:
    """A stretch, as it stands on the page."""

    stretch: Stretch
    #: 1 for the first place where the runs part; none where they are alike.
    number: int | None
    title: str
    changes: list[Change]
    #: What both outcomes tell, where it differs and nothing else does.
    told: tuple[list[Piece], list[Piece]] | None

    @property
    def anchor(self) -> str:
        """Where links to it lead."""
        return anchor_of(self.number) if self.number is not None else ""


def anchor_of(number: int) -> str:
    """Of the place where two runs part for the so manieth time."""
    return "divergence" if number == 1 else f"divergence-{number}"


def shown_stretches(a: Run, b: Run) -> list[Shown]:
    """What stands on the page, from the first step on."""
    return list(_numbered(islice(side_by_side(a, b), MOST_STRETCHES)))


def nearest_success(sources: Sources, run: Run) -> Run:
    """The completed run of the same goal that is most like this one.

    Raises:
        UnknownRunError: there is none.
    """
    found = sources.insights.nearest_success(run)
    if found is None:
        raise UnknownRunError(
            f"no other run of the goal {run.goal_id!r:.220} has completed: there is nothing to compare {run.id} with"
        )
    return found


def _numbered(stretches: Iterable[Stretch]) -> Iterator[Shown]:
    number = 0
    for stretch in stretches:
        if stretch.kind is None:
            yield Shown(stretch, None, "", [], None)
            continue
        number += 1
        yield Shown(stretch, number, TITLES[stretch.kind], _changes(stretch), _told(stretch))


def _changes(stretch: Stretch) -> list[Change]:
    found = []
    for changed in stretch.changed[:_MOST_CHANGES]:
        a, b = marked(changed.a or "", changed.b or "")
        found.append(Change(changed.path, a, b))
    return found


def _told(stretch: Stretch) -> tuple[list[Piece], list[Piece]] | None:
    """Where runs did the same, what came of it is what matters."""
    if stretch.kind not in (DivergenceKind.RESULT, DivergenceKind.PARAMETERS):
        return None
    a, b = marked(stretch.a[0].told, stretch.b[0].told)
    # Marks are there to find what differs: where all of it does, they help nobody.
    return (a, b) if any(not piece.is_changed for piece in a) else None
