"""The addresses that every test of all pages opens: a new page gets a line here, and all of them cover it."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

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
    Place("fleet", "/", is_shown=True),
    Place("runs", "/runs", is_shown=True),
    Place("runs-filtered", "/runs?status=failed&goal={goal}"),
    Place("runs-none", "/runs?goal=nobody-has-this"),
    Place("run-failed", "/runs/{failed}", is_shown=True),
    Place("run-completed", "/runs/{completed}"),
    Place("run-cancelled", "/runs/{cancelled}"),
    Place("run-stuck", "/runs/{stuck}"),
    Place("run-running", "/runs/{running}"),
    Place("run-long", "/runs/{long}"),
    Place("run-decision", "/runs/{failed}?decision=hotels-1"),
    Place("compare", "/compare?a={failed}&b={completed}", is_shown=True),
    Place("compare-nearest", "/compare?a={failed}&nearest=1"),
    Place("compare-nothing", "/compare"),
    Place("goals", "/goals"),
    Place("goal", "/goals/{goal}", is_shown=True),
    Place("operations", "/operations", is_shown=True),
    Place("dead-letters", "/operations/dead-letters"),
    Place("login", "/login"),
    Place("unknown-run", "/runs/nobody-knows-it", status=404),
    Place("unknown-page", "/no/such/page", status=404),
)

#: In a namespace in which every field holds hostile text.
HOSTILE: Final = (
    "/",
    "/runs",
    "/goals",
    "/goals/hostile",
    *(f"/runs/{run_id}" for run_id in TEXTS),
    *(f"/runs/{run_id}?{urlencode({'decision': f'{text}1'})}" for run_id, text in TEXTS.items() if len(text) < 1_000),
    *(f"/compare?a={run_id}&b={run_id}-completed" for run_id in TEXTS),
    f"/runs/{LARGE}",
    f"/runs/{LARGE}?decision=reasoning",
    f"/compare?a={LARGE}&b=script",
)
