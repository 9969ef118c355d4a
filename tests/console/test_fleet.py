"""The first page: how the fleet did over a period."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient

from runweaver.console.web.app import create_app
from runweaver.query import FleetChanges, FleetOverview
from runweaver.shared import RunStatus, RunSummary
from runweaver.shared.figures import RunFigures
from runweaver.shared.settings import ConsoleSettings
from tests.support.kept_summaries import keep, made
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_EVIL = "<script>alert(document.cookie)</script>"


@pytest.fixture
def console(own_pipeline: Pipeline) -> TestClient:
    """The console of a namespace in which nothing has happened yet."""
    settings = ConsoleSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace)
    return TestClient(create_app(settings), base_url="http://localhost")


def _page(console: TestClient, address: str = "/") -> str:
    answer = console.get(address)
    assert 200 == answer.status_code, answer.text
    return answer.text


def _ago(**duration: float) -> datetime:
    return datetime.now(UTC) - timedelta(**duration)


def _told(page: str) -> str:
    """The text of a page, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _numbers(page: str, title: str) -> list[list[str]]:
    """What a chart is drawn from, step by step."""
    _, _, rest = page.partition(f'id="numbers-{title}"')
    body = rest.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall(r'data-value="([^"]*)"', row) for row in body.split("<tr ")[1:]]


def _lost(run_id: str, finished_at: datetime, error: str) -> tuple[RunSummary, RunFigures]:
    """A run of one step that met an error."""
    summary = made(run_id, finished_at, status=RunStatus.FAILED)
    choice: tuple[Any, ...] = ("node", "Do it", "a", "The way a", 0, 1, 0, 0, [])
    facts = RunFigures.from_summary(summary).model_dump()
    return summary, RunFigures.model_validate({**facts, "choices": [choice], "failures": [(0, error, 1, 0)]})


def test_before_the_first_run_it_says_what_to_do(console: TestClient) -> None:
    """The lines to paste, with the address of the server."""
    page = _page(console)

    assert "No run has ended yet" in page
    assert "producer.start_run(" in page
    assert '<a href="/" data-go="f" aria-current="page">Fleet</a>' in page


def test_it_tells_the_last_day_unless_another_period_is_asked_for(console: TestClient, own_pipeline: Pipeline) -> None:
    """The period stands in the address."""
    keep(own_pipeline, [made("run-0", _ago(minutes=2)), made("run-1", _ago(hours=3)), made("run-2", _ago(days=3))])

    for address, runs in (("/", 2), ("/?period=1h", 1), ("/?period=6h", 2), ("/?period=24h", 2), ("/?period=7d", 3)):
        assert f"Runs ended {runs} " in _told(_page(console, address)), address
    assert 400 == console.get("/?period=1y").status_code


def test_charts_have_their_numbers_on_the_page(console: TestClient, own_pipeline: Pipeline) -> None:
    """For who cannot see them, and for the script that draws them. Steps in which no run ended are left out."""
    then = _ago(hours=3)
    keep(
        own_pipeline,
        [
            made("run-0", then, tokens=10, duration_ms=500),
            made("run-1", then, tokens=20, duration_ms=700, status=RunStatus.FAILED),
            made("run-2", then, tokens=30, duration_ms=900, status=RunStatus.CANCELLED),
        ],
    )

    page = _page(console)

    assert [["1", "1", "0", "1"]] == _numbers(page, "runs")
    assert [["0.5"]] == _numbers(page, "success")
    assert [["60"]] == _numbers(page, "tokens")
    assert [["700"]] == _numbers(page, "time")
    assert 5 == page.count("<figcaption>") == page.count("<summary>The numbers</summary>")


def test_goals_are_told_with_their_last_lost_run(console: TestClient, own_pipeline: Pipeline) -> None:
    """Those that got worse, at the top as well. Names of goals may have signs that mean something in addresses."""
    goal = "plan/trip:to@Rome+2"
    keep(
        own_pipeline,
        [
            *(made(f"before-{number}", _ago(hours=30), goal_id=goal) for number in range(20)),
            *(made(f"now-{number}", _ago(hours=2), goal_id=goal, status=RunStatus.FAILED) for number in range(10)),
            made("the/last one+1", _ago(hours=1), goal_id=goal, status=RunStatus.STUCK),
            made("fine", goal_id="fine", finished_at=_ago(hours=1)),
        ],
    )

    page = _page(console)
    worse = page.partition('id="worse-goals"')[2].partition("</ul>")[0]

    assert f"{goal} : 0 of 11 completed (0%), before 100%" in _told(worse)
    assert 'href="/goals/plan/trip%3Ato%40Rome%2B2"' in worse
    assert 'href="/runs/the/last%20one%2B1"' in worse
    assert "fine" not in worse
    assert f"{goal} 11 0% −100 points, before 100%" in _told(page)
    assert 'aria-label="Runs over the period: 0, 0, ' in page


def test_a_period_without_runs_leads_to_where_there_are_some(console: TestClient, own_pipeline: Pipeline) -> None:
    """Not to the lines to paste: there were runs before."""
    keep(own_pipeline, [made("run-0", _ago(days=2))])

    page = _page(console, "/?period=1h")

    assert "No run ended in the last hour" in page
    assert 'href="/?period=7d"' in page
    assert "producer.start_run(" not in page


def test_what_changed_is_loaded_after_the_page(console: TestClient, own_pipeline: Pipeline) -> None:
    """It takes longer than all the rest; what an agent wrote stays text."""
    runs = [
        *(_lost(f"old-{number}", _ago(hours=30), "Time out") for number in range(9)),
        *(_lost(f"new-{number}", _ago(hours=2), _EVIL) for number in range(9)),
    ]
    keep(own_pipeline, [summary for summary, _ in runs], [figures for _, figures in runs])

    page = _page(console)
    changes = _page(console, "/fleet/changes?period=24h")

    assert 'data-load="/fleet/changes?period=24h"' in page
    assert "Time out" not in page
    assert _EVIL not in changes
    assert f"new error [node] a: {_EVIL} – 9 of 9 runs, before 0 of 9" in _told(changes)
    assert "gone [node] a: Time out" in _told(changes)


def test_programs_get_the_same_as_json(console: TestClient, own_pipeline: Pipeline) -> None:
    """Typed by the models of the query package."""
    keep(own_pipeline, [made("run-0", _ago(minutes=2)), made("run-1", _ago(minutes=3), goal_id="b")])

    overview = FleetOverview.model_validate(console.get("/api/fleet?period=1h&goals=1").json())
    changes = FleetChanges.model_validate(console.get("/api/fleet/changes?period=1h").json())

    assert (2, 60, 1, 2) == (overview.runs, len(overview.steps), len(overview.goals), overview.goals_found)
    assert [] == changes.changes
    assert "FleetOverview" in console.get("/api/openapi.json").json()["components"]["schemas"]


def test_scripts_and_styles_are_there_and_nothing_is_inline(console: TestClient, own_pipeline: Pipeline) -> None:
    """The policy forbids what is inline. What a script imports stands beside it."""
    keep(own_pipeline, [made("run-0", _ago(minutes=2))])
    page = _page(console)

    assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    imported = [
        re.sub(r"[^/]+$", name, asset)
        for asset in assets
        for name in re.findall(r'from "\./([^"]+)"', _page(console, asset))
    ]

    assert {"charts.js", "events.js", "console.js"} <= {asset.rpartition("/")[2] for asset in imported}
    assert {200} == {console.get(asset).status_code for asset in imported}
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", page)


def test_where_the_server_does_not_answer_it_says_so(own_pipeline: Pipeline) -> None:
    """In words, with a status that programs understand."""
    settings = ConsoleSettings(redis_url="redis://127.0.0.1:1/0", namespace=own_pipeline.namespace)
    console = TestClient(create_app(settings), base_url="http://localhost")

    answer = console.get("/")

    assert 503 == answer.status_code
    assert "The server does not answer" in answer.text


def test_what_waited_is_told_as_far_as_somebody_looked(own_pipeline: Pipeline) -> None:
    """The server knows only how much waits now: the console looks while it runs."""
    own_pipeline.send('{"type":"run_started","run_id":"waits","goal_id":"g"}')
    keep(own_pipeline, [made("run", _ago(minutes=5))])
    settings = ConsoleSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace)

    with TestClient(create_app(settings), base_url="http://localhost") as running:
        wait_until(lambda: running.get("/api/fleet/waiting").json(), what="somebody has looked")
        (seen,) = running.get("/api/fleet/waiting?period=1h").json()
        (row,) = _numbers(_page(running), "waiting")

    assert (1, 0) == (seen["messages"], seen["open_runs"])
    assert ["1", "0"] == row
