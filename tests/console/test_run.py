"""The page of a run: what happened, what each sentence rests on, and every decision."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from runweaver.console.web.app import create_app
from runweaver.console.web.run_view import A_PIECE
from runweaver.producer import ActiveRun, Producer
from runweaver.shared.settings import ConsoleSettings
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


@pytest.fixture
def console(pipeline: Pipeline) -> Iterator[TestClient]:
    """The console of the pipeline that is always running."""
    settings = ConsoleSettings(redis_url=pipeline.url, namespace=pipeline.namespace)
    with TestClient(create_app(settings), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def _told(producer: Producer) -> ActiveRun:
    run = producer.start_run("plan/trips", "A trip", input_data={"to": "Oslo"}, tags=["nightly"])
    options: list[dict[str, Any]] = [
        {"id": "direct", "description": "Fly directly", "pros": ["It is fast"], "cons": ["It costs more"]},
        {"id": "stop", "description": "With a stop", "action_params": {"stops": 1}},
    ]
    first = run.decide("Book a flight", options, "direct", "Time matters", node_id="flights", decision_id="first/1?")
    run.record_outcome(first, success=False, error="Sold out", tokens_used=100)
    second = run.decide("Book a flight", options, "stop", node_id="flights", input_context={"budget": 400})
    run.record_outcome(second, success=True, result={"seat": "12A"}, summary="Booked", tokens_used=300)
    run.evaluate(second, outcome_quality=0.8, explanation="It was the cheapest")
    run.report_problem("warning", "It is late", decision_id=first, suggested_fix="Begin earlier")
    return run


def _page(console: TestClient, address: str) -> str:
    answer = console.get(address)
    assert 200 == answer.status_code, answer.text
    return html.unescape(answer.text)


def test_a_run_is_told(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Status, narrative, facts, problems, nodes, decisions, input and output."""
    run = _told(producer)
    run.end("completed", output_data={"flight": "OS 1"})
    pipeline.summary(run.run_id)

    page = _page(console, f"/runs/{run.run_id}")

    for told in (
        'class="status completed">completed<',
        "Run completed successfully.",
        'of which <span class="bad">1 failed',
        'href="/goals/plan/trips"',
        'href="/runs?tag=nightly"',
        "Begin earlier",
        '"to": "Oslo"',
        '"flight": "OS 1"',
        "Sold out",
        'data-source="/api/timelines/',
    ):
        assert told in page


def test_each_sentence_leads_to_its_decisions(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """By their numbers in the run. A decision opens with its options, reasoning, context and what came of it."""
    run = _told(producer)
    run.end("completed")
    pipeline.summary(run.run_id)

    page = _page(console, f"/runs/{run.run_id}")
    failure = next(line for line in page.split("<p ") if "First failure" in line)
    (address,) = re.findall(r'href="([^"#]+)#decision"[^>]*><span[^>]*>decision </span>1</a>', failure)
    opened = _page(console, address)

    assert f"/runs/{run.run_id}?decision=first%2F1%3F" == address
    told_first = ("1. Book a flight", "Time matters", "Fly directly", "+ It is fast", "− It costs more", "It is late")
    for told in told_first:
        assert told in opened
    second = _page(console, re.findall(r'href="([^"#]+)#decision"[^>]*data-key="n"', opened)[0])
    for told in ("2. Book a flight", '"budget": 400', '"seat": "12A"', "Booked", "80%", "It was the cheapest"):
        assert told in second


def test_a_decision_that_is_not_there_is_said(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """And the rest of the page is there."""
    run = _told(producer)
    run.end("completed")
    pipeline.summary(run.run_id)

    assert "This run has no decision" in _page(console, f"/runs/{run.run_id}?decision=nope")


def test_many_decisions_come_in_pieces(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """And those that failed can be looked at alone. What is drawn has all of them."""
    with producer.start_run("many-steps") as run:
        for number in range(A_PIECE + 10):
            run.record_outcome(run.quick_decision(f"Step {number}", "Go"), success=number % 50 != 7)
    pipeline.summary(run.run_id)

    first = _page(console, f"/runs/{run.run_id}")
    (more,) = re.findall(r'data-more href="([^"]+)"', first)
    second = _page(console, more)
    failed = _page(console, f"/runs/{run.run_id}?only=failed")
    timeline = console.get(f"/api/timelines/{run.run_id}").json()

    rows = [re.findall(r'<tr data-href="[^"]+" data-id="([^"]+)"', each) for each in (first, second, failed)]
    assert [A_PIECE, 10, 5] == [len(each) for each in rows]
    assert [bar[4] for bar in timeline["bars"]] == rows[0] + rows[1]
    assert (["agent"], 5) == (timeline["nodes"], sum(bar[3] == "failed" for bar in timeline["bars"]))


def test_a_run_that_goes_on_is_shown_as_it_stands(console: TestClient, producer: Producer) -> None:
    """And its page says to its script that there will be more."""
    run = _told(producer)
    assert producer.flush()

    wait_until(lambda: "It is late" in console.get(f"/runs/{run.run_id}").text, what="the run is there")
    page = _page(console, f"/runs/{run.run_id}")
    run.end()

    assert 'class="status running">running<' in page
    assert "data-live" in page


def test_a_run_whose_messages_are_gone_has_its_summary(
    console: TestClient, pipeline: Pipeline, producer: Producer
) -> None:
    """And the page says why there is no more."""
    run = _told(producer)
    run.end("completed")
    pipeline.summary(run.run_id)
    pipeline.redis.delete(pipeline.keys.archive(run.run_id))

    page = _page(console, f"/runs/{run.run_id}")

    assert "kept no more" in page
    assert "Run completed successfully." in page


def test_a_run_that_nobody_knows_is_not_found(console: TestClient) -> None:
    """On a page for people, and as JSON for programs."""
    page, answer = console.get("/runs/no/such?x"), console.get("/api/runs/no/such")

    assert (404, 404) == (page.status_code, answer.status_code)
    assert "no run 'no/such' is known" in html.unescape(page.text)
    assert {"detail": "no run 'no/such' is known (any more)"} == answer.json()


@pytest.mark.parametrize(
    "pattern", ["https://traces.example/{trace_id}?s={span_id}", "javascript:alert(1)//{trace_id}", None]
)
def test_a_trace_is_linked_to(pipeline: Pipeline, producer: Producer, pattern: str | None) -> None:
    """Where somebody said how, and with an address of the web only."""
    settings = ConsoleSettings(redis_url=pipeline.url, namespace=pipeline.namespace)
    console = TestClient(create_app(settings, trace_url=pattern), base_url="http://localhost")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with producer.start_run("traced", trace_context=f"00-{trace}-00f067aa0ba902b7-01") as run:
        pass
    pipeline.summary(run.run_id)

    page = _page(console, f"/runs/{run.run_id}")

    is_linked = pattern is not None and pattern.startswith("https")
    assert is_linked == (f'href="https://traces.example/{trace}?s=00f067aa0ba902b7"' in page)
    assert "javascript:" not in page
    assert trace in page
