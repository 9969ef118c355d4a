"""The keyboard is enough, and the console looks as its reader likes it."""

import re

from playwright.sync_api import expect

from runweaver.console.web.views import link
from tests.console.conftest import Visiting
from tests.support.filling import Filled


def test_rows_are_walked_and_opened(visiting: Visiting) -> None:
    """`j` goes down, `k` up, and not beyond the first; Enter opens."""
    with visiting() as visit:
        page = visit.open("/runs")
        rows = page.locator("[data-rows] > [data-href]")
        for key, row in [("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0), ("j", 1)]:
            page.keyboard.press(key)
            expect(rows.nth(row).locator("a").first).to_be_focused()

        wanted = rows.nth(1).get_attribute("data-href")
        page.keyboard.press("Enter")

        page.wait_for_url(f"**{wanted}")


def test_finding_is_a_key_away(visiting: Visiting, filled: Filled) -> None:
    """`/` goes where runs are found, which takes letters then; Enter finds, by the id or by a text."""
    with visiting() as visit:
        page = visit.open("/runs")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type(filled.failed)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{link(f'/runs/{filled.failed}')}")

        page.keyboard.press("/")
        page.keyboard.type("no way worked")
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs?grep=no+way+worked")


def test_leaving_a_field(visiting: Visiting) -> None:
    """Escape leaves what is being filled in, and letters are keys again."""
    with visiting() as visit:
        page = visit.open("/runs")
        page.keyboard.press("/")
        page.keyboard.type("jk?")
        expect(page.get_by_role("searchbox")).to_have_value("jk?")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        expect(page.locator("[data-rows] > [data-href] a").first).to_be_focused()


def test_the_keys_are_told(visiting: Visiting) -> None:
    """`?` tells them, and Escape or another `?` ends that; so does the button, for those with a mouse."""
    with visiting() as visit:
        page = visit.open("/runs")
        keys = page.get_by_role("dialog", name="Keys")
        for leave in ["?", "Escape"]:
            page.keyboard.press("?")
            expect(keys).to_be_visible()
            page.keyboard.press(leave)
            expect(keys).to_be_hidden()
        page.get_by_role("button", name="Keys").click()
        keys.get_by_role("button", name="Close").click()
        expect(keys).to_be_hidden()


def test_every_place_has_a_key(visiting: Visiting) -> None:
    """`g` and the letter that the help tells goes to each page of the navigation, from anywhere."""
    with visiting() as visit:
        page = visit.open("/no/such/page", status=404)
        places = page.locator("nav [data-go]")
        wanted = [(each.get_attribute("data-go"), each.get_attribute("href")) for each in places.all()]
        assert wanted
        for key, address in wanted:
            page.keyboard.press("g")
            page.keyboard.press(key or "")
            page.wait_for_url(f"{visit.address}{address}")
            expect(page.locator("nav [aria-current=page]")).to_have_attribute("href", address or "")


def test_the_theme_stays(visiting: Visiting, filled: Filled) -> None:
    """What was chosen holds on all pages from then on, whatever the system says."""
    with visiting(dark=False) as visit:
        page = visit.open("/runs")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name=re.compile("dark", re.IGNORECASE)).click()
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light != dark

        page = visit.open(f"/runs/{filled.failed}")
        assert dark == page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_content_can_be_reached_first(visiting: Visiting) -> None:
    """The first Tab offers to skip what all pages have."""
    with visiting() as visit:
        page = visit.open("/runs")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
