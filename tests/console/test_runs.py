"""The list of runs: all that can be looked for stands in the address."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from runweaver.console.web.app import create_app
from runweaver.producer import Producer
from runweaver.shared.settings import ConsoleSettings
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


@pytest.fixture
def console(pipeline: Pipeline) -> Iterator[TestClient]:
    """The console of the pipeline that is always running."""
    settings = ConsoleSettings(redis_url=pipeline.url, namespace=pipeline.namespace)
    with TestClient(create_app(settings), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def _listed(console: TestClient, address: str) -> list[str]:
    answer = console.get(address)
    assert 200 == answer.status_code, answer.text
    return re.findall(r'data-run="([^"]+)"', answer.text)


def _make(pipeline: Pipeline, producer: Producer, goal: str, count: int = 1, **end: str) -> list[str]:
    made = []
    for number in range(count):
        run = producer.start_run(goal, tags=[f"tag-{goal}"])
        decision = run.quick_decision(f"Step of {goal}", "Go", node_id=f"node/{goal}")
        run.record_outcome(decision, success=True, tokens_used=100 * (number + 1))
        run.end(end.get("status", "completed"))  # type: ignore[arg-type]
        pipeline.summary(run.run_id)
        made.append(run.run_id)
    return made


def test_filters_stand_in_the_address(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Each by itself and all together. What a form leaves empty says nothing; who gets the address sees the same."""
    mine = _make(pipeline, producer, "listed-here", 2)
    failed = _make(pipeline, producer, "listed-here", status="failed")

    assert [*failed, *mine[::-1]] == _listed(console, "/runs?goal=listed-here&status=&since=&min_tokens=")
    assert failed == _listed(console, "/runs?goal=listed-here&status=failed")
    assert mine[1:] == _listed(console, "/runs?goal=listed-here&min_tokens=150")
    assert set(mine + failed) == set(
        _listed(console, "/runs?tag=tag-listed-here&node=node/listed-here&grep=step+of+LISTED-HERE")
    )
    page = console.get("/runs?goal=listed-here&status=failed").text
    assert 'value="listed-here"' in page
    assert "<option selected>failed</option>" in page


def test_times_without_a_zone_are_utc(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """As a form gives them where no script is there to tell the zone."""
    (run_id,) = _make(pipeline, producer, "timed-here")
    ended = pipeline.summary(run_id).finished_at
    before, after = (f"{ended + timedelta(seconds=by):%Y-%m-%dT%H:%M:%S}" for by in (-2, 2))

    assert [run_id] == _listed(console, f"/runs?goal=timed-here&since={before}&until={after}")
    assert [] == _listed(console, f"/runs?goal=timed-here&since={after}")


def test_the_list_goes_on_where_it_was_left(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """The link at its end has all filters; runs that end meanwhile do not shift it."""
    made = _make(pipeline, producer, "long-list", 52)
    first = console.get("/runs?goal=long-list").text
    (more,) = re.findall(r'data-more href="([^"]+)"', first)
    _make(pipeline, producer, "long-list")

    assert made[:1:-1] == re.findall(r'data-run="([^"]+)"', first)
    assert made[1::-1] == _listed(console, more.replace("&amp;", "&"))


def test_runs_that_go_on_are_listed(console: TestClient, producer: Producer) -> None:
    """With the status `running`, as they stand."""
    run = producer.start_run("goes-on")
    run.quick_decision("Begin", "Go")
    assert producer.flush()

    wait_until(lambda: _listed(console, "/runs?status=running&goal=goes-on") == [run.run_id], what="it is listed")
    run.end()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/runs?status=dozing", "status"),
        ("/runs?min_tokens=-1", "min_tokens"),
        ("/runs?since=soon", "since"),
        ("/runs?cursor=abc", "next_cursor"),
    ],
)
def test_what_makes_no_sense_is_said(console: TestClient, address: str, says: str) -> None:
    """On a page for people, and as JSON for programs."""
    page, answer = console.get(address), console.get(address.replace("/runs", "/api/summaries"))

    assert [True, True] == [400 <= each.status_code < 500 for each in (page, answer)]
    assert page.headers["content-type"].startswith("text/html")
    assert says in html.unescape(page.text)
    assert says in answer.json()["detail"]


def test_where_nothing_is_found_it_is_said_what_to_do(console: TestClient, own_pipeline: Pipeline) -> None:
    """Filters that match nothing can be cleared. On an empty server stand the lines to paste."""
    empty = ConsoleSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace)
    with TestClient(create_app(empty), base_url="http://localhost") as nobody:
        lines = nobody.get("/runs").text

    assert "No run matches" in console.get("/runs?goal=there-is-none").text
    assert "from runweaver.producer import Producer" in lines
    assert own_pipeline.url in lines


def test_what_is_typed_leads_to_a_run_or_to_texts(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """A run id, also of a run that goes on; anything else is looked for."""
    (run_id,) = _make(pipeline, producer, "found")

    assert f"/runs/{run_id}" == console.get(f"/find?q=+{run_id}+").headers["location"]
    assert "/runs?grep=out+of+memory" == console.get("/find?q=out of memory").headers["location"]
    assert "/runs?grep=run-x" == console.get("/find?q=run-x").headers["location"]


def test_programs_get_what_pages_show(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """As JSON, by the models of the library, with a schema."""
    (run_id,) = _make(pipeline, producer, "asked-by-program")

    found = console.get("/api/summaries?goal=asked-by-program").json()
    schema = console.get("/api/openapi.json").json()

    assert [run_id] == [each["run_id"] for each in found["items"]]
    assert None is found["next_cursor"]
    assert pipeline.summary(run_id).model_dump(mode="json") == console.get(f"/api/summaries/{run_id}").json()
    assert {"/api/summaries", "/api/summaries/{run_id}", "/api/runs/{run_id}"} <= set(schema["paths"])
    assert "narrative" in schema["components"]["schemas"]["RunSummary"]["properties"]
