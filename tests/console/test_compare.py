"""Two runs beside each other: what became of them, and where they part."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient

from examples.recorded_insights import messages_of
from examples.replay_conversations import read_conversations
from runweaver.console.web.app import create_app
from runweaver.console.web.comparing import MOST_STRETCHES
from runweaver.producer import Producer
from runweaver.query import Comparison, Stretch
from runweaver.shared.settings import ConsoleSettings
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.recordings import RECORDINGS, needs_recordings

_HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe"


class _Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def console(pipeline: Pipeline) -> Iterator[TestClient]:
    """The console of the pipeline that is always running."""
    settings = ConsoleSettings(redis_url=pipeline.url, namespace=pipeline.namespace)
    with TestClient(create_app(settings), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def _booked(producer: Producer, goal: str, flight: str, *, works: bool = True, text: str = "") -> str:
    """A run that looks for a flight, and books one."""
    run = producer.start_run(goal)
    run.record_outcome(run.quick_decision("Look for a flight", "All of them"), success=True)
    options: list[dict[str, Any]] = [
        {"id": "book", "description": "Book it", "action_params": {"flight": flight, "seats": 2, "note": text}}
    ]
    decision = run.decide("Book a flight", options, "book", node_id="flights")
    run.record_outcome(decision, success=works, error=None if works else f"No seats on {flight} {text}")
    if works:
        run.record_outcome(run.quick_decision("Thank them", "Thank them"), success=True)
    run.end("completed" if works else "failed")
    return run.run_id


def _summarised(pipeline: Pipeline, producer: Producer, *run_ids: str) -> None:
    producer.flush(5)
    for run_id in run_ids:
        pipeline.summary(run_id)


def _text(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_two_runs_are_told_step_by_step(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Facts of both, what they have in common, folded, and each place where they part, with what differs marked."""
    lost, best = _booked(producer, "trip", "HAT132", works=False), _booked(producer, "trip", "HAT172")
    _summarised(pipeline, producer, lost, best)

    answer = console.get("/compare", params={"a": lost, "b": best})

    assert 200 == answer.status_code
    told = _text(answer.text)
    for part in (
        "2 places where they part",
        "2, 1 failed",
        "2 steps in common, 1 of them the very same choice; 0 only in A, 1 only in B.",
        "First divergence: the same choice, with other parameters",
        "Divergence 2: the steps differ",
        "No such step: it had ended.",
    ):
        assert part in told
    assert "&#34;HAT1<mark>3</mark>2&#34;" in answer.text
    assert "&#34;HAT1<mark>7</mark>2&#34;" in answer.text
    assert 1 == answer.text.count('id="divergence"')
    assert 'href="#divergence-2"' in answer.text
    assert re.search(rf'href="/runs/{lost}\?decision=[^"]+#decision"', answer.text)


def test_the_nearest_success_is_one_click(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Its address names both runs, so that it can be shared. What else the form holds does not count."""
    goal = "trips/nearest@1"
    lost, best = _booked(producer, goal, "HAT1", works=False), _booked(producer, goal, "HAT2")
    _summarised(pipeline, producer, lost, best)

    answer = console.get("/compare", params={"a": lost, "b": lost, "nearest": 1})

    assert (303, f"/compare?a={lost}&b={best}#divergence") == (answer.status_code, answer.headers["location"])


def test_without_a_success_there_is_none_and_others_are_offered(
    console: TestClient, pipeline: Pipeline, producer: Producer
) -> None:
    """Runs of the same goal, to choose from."""
    one, other = (_booked(producer, "trip-lost", flight, works=False) for flight in ("HAT1", "HAT2"))
    _summarised(pipeline, producer, one, other)

    answer = console.get("/compare", params={"a": one, "nearest": 1})

    assert 404 == answer.status_code
    assert "no other run of the goal 'trip-lost' has completed" in _text(answer.text)
    assert f'href="/compare?a={one}&amp;b={other}#divergence"' in answer.text


def test_it_asks_which_runs(console: TestClient) -> None:
    """Where the address says none."""
    answer = console.get("/compare")

    assert 200 == answer.status_code
    assert "Which runs?" in answer.text
    assert 'name="a"' in answer.text


@pytest.mark.parametrize("which", ["a", "b"])
def test_an_unknown_run_is_told_and_can_be_corrected(
    console: TestClient, pipeline: Pipeline, producer: Producer, which: str
) -> None:
    """The form holds what was asked for."""
    known = _booked(producer, "trip", "HAT1")
    _summarised(pipeline, producer, known)

    answer = console.get("/compare", params={"a": known, "b": known, which: "nobody's/run"})

    assert 404 == answer.status_code
    assert 'no run "nobody\'s/run" is known (any more)' in _text(answer.text)
    assert f'name="{which}" value="nobody&#39;s/run"' in answer.text


def test_a_run_is_no_other_than_itself(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """There is no divergence, and that is said."""
    run = _booked(producer, "trip", "HAT1")
    _summarised(pipeline, producer, run)

    assert "This is one and the same run." in console.get("/compare", params={"a": run, "b": run}).text


def test_a_running_run_can_be_compared(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """As far as it has come."""
    ended = _booked(producer, "trip", "HAT1")
    run = producer.start_run("trip")
    run.quick_decision("Look for a flight", "All of them")
    _summarised(pipeline, producer, ended)
    pipeline.wait_until_merged()

    told = _text(console.get("/compare", params={"a": run.run_id, "b": ended}).text)
    run.end("cancelled")

    assert "First divergence: the same choice, with another result" in told
    assert "1, 1 pending" in told


def test_of_a_run_whose_decisions_are_kept_no_more_there_is_the_summary(
    own_pipeline: Pipeline,
) -> None:
    """The page says so, and leads there."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    scripts = [Script("old"), Script("new")]
    for script in scripts:
        script.started("trip")
        script.steps(2)
        script.ended()
        own_pipeline.send(*script.written)
        own_pipeline.summary(script.run_id)
    own_pipeline.wait_until_idle()
    own_pipeline.redis.delete(own_pipeline.keys.archive("old"))
    settings = ConsoleSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace)

    with TestClient(create_app(settings), base_url="http://localhost") as client:
        answer = client.get("/compare", params={"a": "new", "b": "old"})
        as_json = client.get("/api/comparison", params={"a": "new", "b": "old"})

    assert (410, 410) == (answer.status_code, as_json.status_code)
    assert "the decisions of old are kept no more, its summary still is" in _text(answer.text)
    assert 'href="/runs/old"' in answer.text


def test_what_agents_wrote_is_shown_as_text(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Also in pieces between marks."""
    one = _booked(producer, "trip", f"{_HOSTILE} one", works=False, text=f"{_HOSTILE} two")
    other = _booked(producer, "trip", f"{_HOSTILE} three", text=f"{_HOSTILE} four and five")
    _summarised(pipeline, producer, one, other)

    page = console.get("/compare", params={"a": one, "b": other}).text

    elements = _Elements(page).found
    assert not [tag for tag, _ in elements if tag == "img"]
    assert all((attributes.get("src") or "").startswith("/static/") for tag, attributes in elements if tag == "script")
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on") or name == "style"]
    assert "<script>alert(1)</script>" in html.unescape(re.sub("</?mark>", "", page))


def test_of_long_runs_the_first_places_are_told(console: TestClient, pipeline: Pipeline) -> None:
    """And how many there are in all."""
    places = MOST_STRETCHES
    for run_id, success in (("long-a", True), ("long-b", False)):
        script = Script(run_id)
        script.started("long")
        for number in range(2 * places):
            script.decision(f"d{number}", f"Step {number}")
            script.outcome(f"d{number}", success=success or number % 2 == 0)
        script.ended()
        pipeline.send(*script.written)
        pipeline.summary(run_id)

    told = _text(console.get("/compare", params={"a": "long-a", "b": "long-b"}).text)

    assert f"Here are the first {places // 2:,} of {places:,} places where they part." in told


def test_programs_get_it_typed(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """In short, and step by step."""
    lost, best = _booked(producer, "trip-json", "HAT132", works=False), _booked(producer, "trip-json", "HAT172")
    _summarised(pipeline, producer, lost, best)

    short = console.get("/api/comparison", params={"a": lost, "b": best})
    nearest = console.get("/api/comparison", params={"a": lost, "nearest": True})
    whole = console.get("/api/side-by-side", params={"a": lost, "b": best}).json()

    assert (2, 2) == (Comparison.model_validate_json(short.text).divergences, short.json()["divergences"])
    assert short.json() == nearest.json()
    assert [None, "parameters", "path"] == [Stretch.model_validate(each).kind for each in whole]


@pytest.mark.parametrize(
    ("asked", "status", "detail"),
    [
        ({"a": "nobody's", "b": "x"}, 404, 'no run "nobody\'s" is known (any more)'),
        ({"a": "KNOWN"}, 400, "say with which run to compare it (b), or nearest=true"),
        ({"a": "KNOWN", "b": "x", "nearest": "true"}, 400, "say with which run to compare it (b), or nearest=true"),
        ({"a": "KNOWN", "b": "x"}, 404, "no run 'x' is known (any more)"),
    ],
)
def test_programs_are_told_what_is_wrong(  # noqa: PLR0917 - each is a fixture or a parameter
    console: TestClient, pipeline: Pipeline, producer: Producer, asked: dict[str, str], status: int, detail: str
) -> None:
    """With a status that says whose fault it is."""
    known = _booked(producer, "trip", "HAT1")
    _summarised(pipeline, producer, known)

    answer = console.get("/api/comparison", params={**asked, "a": asked["a"].replace("KNOWN", known)})

    assert (status, {"detail": detail}) == (answer.status_code, answer.json())


@needs_recordings
def test_recorded_runs_part_where_the_agent_booked_another_flight(console: TestClient, pipeline: Pipeline) -> None:
    """Those that a real agent left behind: they are found, aligned, and the digit that differs is marked."""
    for conversation in read_conversations(RECORDINGS):
        if conversation.task_id == 6:
            messages = messages_of(conversation, datetime(2026, 1, 1, tzinfo=UTC))
            pipeline.send(*map(json.dumps, messages))
            pipeline.summary(str(messages[0]["run_id"]))

    answer = console.get("/compare", params={"a": "task-6-trial-1", "nearest": 1}, follow_redirects=True)

    assert "&b=task-6-trial-0" in str(answer.url)
    assert "&#34;HAT1<mark>3</mark>2&#34;" in answer.text
    assert "10 steps in common, 3 of them the very same choice, 6 in other words" in _text(answer.text)
