"""What holds for every page: nothing is wrong on it, it fits, and everybody can use it."""

from importlib.resources import files
from typing import Any, Final

import pytest
from playwright.sync_api import Page

from tests.console.addresses import PLACES, Place
from tests.console.conftest import Visiting
from tests.support.browsing import Visit
from tests.support.filling import Filled

_AXE: Final = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_RULES: Final[dict[str, Any]] = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}

#: What else there is differs only in its colours.
_COLOURS: Final[dict[str, Any]] = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}

every_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)


@every_place
def test_everybody_can_use_it(visiting: Visiting, filled: Filled, place: Place) -> None:
    """No script fails, nothing is forbidden or missing, nothing is wider than the window, and axe finds nothing."""
    with visiting() as visit:
        page = visit.open(place.of(filled), status=place.status)

        assert _fits(page)
        assert [] == _found_by_axe(page, _RULES)
        page.emulate_media(color_scheme="dark")
        assert [] == _found_by_axe(page, _COLOURS)
        assert [] == _troubles(visit, place)


@every_place
def test_it_fits_on_a_phone(visiting: Visiting, filled: Filled, place: Place) -> None:
    """Only what has to be wide, like a table, scrolls sideways: not the page. What is only there then is no worse."""
    with visiting(phone=True) as visit:
        page = visit.open(place.of(filled), status=place.status)

        assert _fits(page)
        assert [] == _found_by_axe(page, {**_RULES, "rules": {"color-contrast": {"enabled": False}}})
        assert [] == _troubles(visit, place)


def _troubles(visit: Visit, place: Place) -> list[str]:
    """What went wrong, but for what the browser says of a page that is not there."""
    return [each for each in visit.troubles if not (place.status != 200 and f"status of {place.status}" in each)]


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def _found_by_axe(page: Page, rules: dict[str, Any]) -> list[str]:
    page.evaluate(_AXE)
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", rules)
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]
