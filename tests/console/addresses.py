"""The addresses that every test of all pages opens: a new page gets a line here, and all of them cover it."""

from dataclasses import dataclass
from typing import Final

from tests.support.filling import Filled
from tests.support.hostile import LARGE, TEXTS


@dataclass(frozen=True)
class Place:
    """A page, in some state."""

    #: Also how its screenshot's file is called.
    name: str
    #: With the fields of `Filled` in braces.
    address: str
    status: int = 200
    #: Whether there is a screenshot of it.
    is_shown: bool = False

    def of(self, filled: Filled) -> str:
        """Its address in the filled namespace."""
        return self.address.format_map(vars(filled))


PLACES: Final = (
    Place("runs", "/runs", is_shown=True),
    Place("runs-filtered", "/runs?status=failed&goal={goal}"),
    Place("runs-none", "/runs?goal=nobody-has-this"),
    Place("run-failed", "/runs/{failed}", is_shown=True),
    Place("run-completed", "/runs/{completed}"),
    Place("run-cancelled", "/runs/{cancelled}"),
    Place("run-stuck", "/runs/{stuck}"),
    Place("run-running", "/runs/{running}"),
    Place("run-long", "/runs/{long}"),
    Place("unknown-run", "/runs/nobody-knows-it", status=404),
    Place("unknown-page", "/no/such/page", status=404),
)

#: In a namespace in which every field holds hostile text.
HOSTILE: Final = (
    "/runs",
    *(f"/runs/{run_id}" for run_id in TEXTS),
    f"/runs/{LARGE}",
)
