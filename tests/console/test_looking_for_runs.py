"""Somebody looks for runs in the list of all."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from runweaver.console.web.views import link
from tests.console.conftest import Visiting
from tests.support.browsing import ZONE
from tests.support.filling import Filled
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


def test_a_list_can_be_shared(visiting: Visiting, filled: Filled) -> None:
    """What is filled in stands in the address, and whoever opens that address sees the same list and what made it."""
    with visiting() as visit:
        page = visit.open("/runs")
        page.get_by_label("Goal", exact=True).fill(filled.goal)
        page.get_by_label("Status").select_option("failed")
        page.get_by_role("button", name="Find", exact=True).click()
        page.wait_for_url("**status=failed**")
        found, shared = _runs(page), page.url.removeprefix(visit.address)

    assert filled.failed in found
    assert filled.completed not in found
    with visiting() as other:
        page = other.open(shared)
        assert found == _runs(page)
        expect(page.get_by_label("Goal", exact=True)).to_have_value(filled.goal)
        expect(page.get_by_label("Status")).to_have_value("failed")


def test_a_moment_is_one_of_the_readers_zone(visiting: Visiting, filled_pipeline: tuple[Pipeline, Filled]) -> None:
    """A time that is filled in is the reader's; the address says which moment that is, for readers elsewhere."""
    pipeline, filled = filled_pipeline
    ended = pipeline.summary(filled.failed).finished_at
    local = (ended.astimezone(ZoneInfo(ZONE)) + timedelta(seconds=1)).replace(tzinfo=None, microsecond=0)
    with visiting() as visit:
        page = visit.open("/runs")
        page.get_by_text("More filters").click()
        page.get_by_label("Ended before").fill(local.isoformat())
        page.get_by_role("button", name="Find", exact=True).click()
        page.wait_for_url("**until=**")
        found, shared = _runs(page), page.url.removeprefix(visit.address)

    assert filled.failed == found[0]
    with visiting(timezone_id="America/New_York") as other:
        assert found == _runs(other.open(shared))


def test_times_are_the_readers(visiting: Visiting, filled_pipeline: tuple[Pipeline, Filled]) -> None:
    """A time is shown in the reader's zone; the exact one, in UTC, is in its title."""
    pipeline, filled = filled_pipeline
    ended = pipeline.summary(filled.failed).finished_at
    with visiting() as visit:
        page = visit.open("/runs")
        shown = page.locator(f'[data-run="{filled.failed}"] time').first

        expect(shown).to_contain_text(f"{ended.astimezone(ZoneInfo(ZONE)):%H:%M:%S}")
        expect(shown).to_have_attribute("title", f"{ended:%Y-%m-%d %H:%M:%S}.{ended.microsecond // 1000:03d} UTC")


def test_the_list_goes_on(visiting: Visiting, filled_pipeline: tuple[Pipeline, Filled]) -> None:
    """More is loaded when the end comes into view, until there is no more; each run is there once, as in the API."""
    pipeline, _ = filled_pipeline
    wanted = [each.run_id for each in pipeline.summaries.list(limit=500, tag="demo").items]
    assert len(wanted) > 50
    with visiting() as visit:
        page = visit.open("/runs?tag=demo")
        assert 50 <= len(_runs(page)) <= len(wanted)

        def reach_the_end() -> bool:
            page.keyboard.press("End")
            return page.locator("[data-run]").count() == len(wanted)

        wait_until(reach_the_end, what="all runs listed")
        assert wanted == _runs(page)
        expect(page.locator("a[data-more]")).to_have_count(0)
        assert [] == visit.troubles


def test_it_works_without_scripts(visiting: Visiting, filled: Filled) -> None:
    """Filters, the next page and a run are forms and links; times are in UTC then."""
    with visiting(java_script_enabled=False) as visit:
        page = visit.open("/runs?tag=demo")
        first = _runs(page)
        page.get_by_role("link", name="More").click()
        page.wait_for_url("**cursor=**")
        assert set(first).isdisjoint(_runs(page))

        page.get_by_label("Status").select_option("failed")
        page.get_by_role("button", name="Find", exact=True).click()
        page.wait_for_url("**status=failed**")
        page.get_by_role("link", name=filled.failed).click()
        page.wait_for_url(f"**{link(f'/runs/{filled.failed}')}")
        expect(page.locator("main")).to_contain_text("no way worked")


def _runs(page: Page) -> list[str]:
    """The runs that are listed."""
    return [each.get_attribute("data-run") or "" for each in page.locator("[data-run]").all()]
