"""Somebody looks at runs in a browser: what they follow, what they watch, and what they do about it."""

import re
from pathlib import Path

from playwright.sync_api import expect

from runweaver.console.web.views import link
from runweaver.producer import Producer
from tests.console.conftest import Visiting
from tests.support.consoles import serve_console
from tests.support.filling import Filled
from tests.support.processes import Pipeline
from tests.support.visiting import TOKEN


def test_a_sentence_leads_to_its_decision(visiting: Visiting, filled: Filled) -> None:
    """It opens in place, and stands in the address. `n` goes on to the next one, and back leads back."""
    with visiting() as visit:
        page = visit.open(link(f"/runs/{filled.failed}"))
        named = page.locator(".sentence .named[data-decision]").first
        number = named.inner_text().split()[-1]
        named.click()

        opened = page.locator("#decision")
        expect(opened.get_by_role("heading", level=2)).to_have_text(re.compile(rf"^{number}\. "))
        expect(opened).to_be_in_viewport()
        expect(page).to_have_url(re.compile(r"[?&]decision="))
        first = page.url
        page.keyboard.press("n" if opened.get_by_role("link", name="Next").count() else "p")
        expect(page).not_to_have_url(first)
        page.go_back()
        expect(opened.get_by_role("heading", level=2)).to_have_text(re.compile(rf"^{number}\. "))
        page.keyboard.press("x")
        expect(opened).to_be_hidden()
    assert [] == visit.troubles


def test_a_bar_of_the_timeline_opens_its_decision(visiting: Visiting, filled: Filled) -> None:
    """With the mouse, and with the arrows."""
    with visiting() as visit:
        page = visit.open(link(f"/runs/{filled.long}"))
        expect(page.locator("#timeline-hint")).to_be_visible()
        canvas = page.locator("#timeline canvas")
        box = canvas.bounding_box()
        assert box is not None
        canvas.click(position={"x": box["width"] - 12, "y": 11})
        canvas.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#decision h2")).to_be_visible()
        expect(page.locator("tr.is-open")).to_have_count(1)


def test_a_run_is_watched_to_its_end(visiting: Visiting, filled_pipeline: tuple[Pipeline, Filled]) -> None:
    """What it decides comes up while it is looked at, and so does what becomes of it."""
    pipeline, _ = filled_pipeline
    with Producer(settings=pipeline.producer_settings) as producer, visiting() as visit:
        run = producer.start_run("watched")
        run.quick_decision("Begin", "Go")
        assert producer.flush()
        page = visit.open(link(f"/runs/{run.run_id}"))
        expect(page.locator(".head .status").first).to_have_text("running")
        run.record_outcome(run.quick_decision("Go on", "Go"), success=True)
        expect(page.get_by_role("link", name="Go on")).to_be_visible()
        run.end()
        expect(page.locator(".head .status").first).to_have_text("completed")
    assert [] == visit.troubles


def test_new_runs_do_not_move_what_is_read(visiting: Visiting, filled_pipeline: tuple[Pipeline, Filled]) -> None:
    """They are counted above the list, and stand in front when that is wanted."""
    pipeline, _ = filled_pipeline
    with Producer(settings=pipeline.producer_settings) as producer, visiting() as visit:
        page = visit.open("/runs")
        first = page.locator("tr[data-run]").first.get_attribute("data-run")
        with producer.start_run("arrives") as run:
            pass
        arrivals = page.locator("#arrivals")
        expect(arrivals).to_have_text("1 more run has ended: show it")
        assert first == page.locator("tr[data-run]").first.get_attribute("data-run")
        arrivals.click()
        expect(page.locator("tr[data-run]").first).to_have_attribute("data-run", run.run_id)
        expect(arrivals).to_be_hidden()
    assert [] == visit.troubles


def test_the_nearest_success_is_a_click_away(visiting: Visiting, filled: Filled) -> None:
    """Both stand beside each other, and where they part is in view."""
    with visiting() as visit:
        page = visit.open(link(f"/runs/{filled.failed}"))
        page.get_by_role("link", name="Compare with the nearest success").click()
        page.wait_for_url("**/compare?a=**b=**")
        expect(page.locator("#divergence")).to_be_in_viewport()
    assert [] == visit.troubles


def test_dead_letters_are_replayed_and_dropped(visiting: Visiting, own_pipeline: Pipeline, tmp_path: Path) -> None:
    """What was mended becomes part of its run; what never will be is dropped, once that was confirmed."""
    asked: list[str] = []

    def note(text: str) -> None:
        asked.append(text)

    own_pipeline.start("worker", RUNWEAVER_MAX_MESSAGE_BYTES="1024")
    own_pipeline.start("finalizer")
    own_pipeline.send(
        f'{{"type":"run_started","run_id":"late","goal_id":"g","goal_description":"{"x" * 2_000}"}}', "no message"
    )
    own_pipeline.wait_until_merged()
    with visiting(serve_console(own_pipeline, tmp_path / "log")) as visit:
        visit.page.expose_function("asked", note)
        visit.page.add_init_script("window.confirm = (text) => { window.asked(text); return true; }")
        page = visit.open("/operations/dead-letters")
        letters = page.get_by_role("checkbox", name=re.compile("Choose [0-9]"))
        letters.first.check()
        page.get_by_role("button", name="Replay the chosen").click()
        expect(page.get_by_text("1 replayed.")).to_be_visible()
        expect(letters).to_have_count(1)
        letters.first.check()
        page.get_by_role("button", name="Drop the chosen").click()
        expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    own_pipeline.send('{"type":"run_ended","run_id":"late","status":"completed"}')

    assert ["Forget the chosen messages for good?"] == asked
    assert "x" * 2_000 == own_pipeline.summary("late").goal_description
    assert [] == visit.troubles


def test_who_shows_no_token_stays_outside(
    visiting: Visiting, filled_pipeline: tuple[Pipeline, Filled], tmp_path: Path
) -> None:
    """A wrong one is refused, with a word; the right one leads to where they were going. Logging out ends it."""
    pipeline, filled = filled_pipeline
    with visiting(serve_console(pipeline, tmp_path / "log", RUNWEAVER_CONSOLE_TOKEN=TOKEN)) as visit:
        page = visit.open(link("/runs", goal=filled.goal))
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        page.get_by_label("Token").fill("not the token at all")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile(rf"/runs\?goal={filled.goal}$"))
        page.get_by_role("button", name="Log out").click()
        page.goto(f"{visit.address}/runs")
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
