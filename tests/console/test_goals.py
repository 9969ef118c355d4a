"""What the runs of a goal, or of all goals, tell together."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from examples.recorded_insights import messages_of
from examples.replay_conversations import read_conversations
from runweaver.console.web.app import create_app
from runweaver.console.web.pages import goals as goals_page
from runweaver.producer import Producer
from runweaver.query import GoalInsights
from runweaver.shared.settings import ConsoleSettings
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.recordings import RECORDINGS, needs_recordings

_OPTIONS = [{"id": "mail", "description": "Send a mail"}, {"id": "call", "description": "Call them"}]


@pytest.fixture
def console(pipeline: Pipeline) -> Iterator[TestClient]:
    """The console of the pipeline that is always running."""
    settings = ConsoleSettings(redis_url=pipeline.url, namespace=pipeline.namespace)
    with TestClient(create_app(settings), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def _asked(
    pipeline: Pipeline, producer: Producer, goal: str, way: str, error: str | None = None, *, tag: str = "v2"
) -> str:
    """A run that asks a customer in one way, and completes if that works."""
    run = producer.start_run(goal, tags=[tag])
    decision = run.decide("Ask for the budget", _OPTIONS, way, node_id="qualifier")
    run.record_outcome(decision, error is None, error=error, tokens_used=100, latency_ms=2_000)
    run.end("failed" if error else "completed")
    producer.flush(5)
    pipeline.summary(run.run_id)
    return run.run_id


def _page(console: TestClient, address: str, status: int = 200) -> str:
    answer = console.get(address)
    assert status == answer.status_code, answer.text
    return answer.text


def _text(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_a_goal_is_told_by_its_runs(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Rate, what to change first, where runs were lost, errors, nodes and ways; each with links to its runs."""
    goal = "sales/ask@1"
    lost = [_asked(pipeline, producer, goal, "mail", f"Mailbox {number} is full") for number in (1, 2)]
    _asked(pipeline, producer, goal, "call")

    page = _page(console, f"/goals/{goal}")

    told = _text(page)
    for part in (
        "sales/ask@1",
        "1 of 3; 95 % sure to be 6% to 79%",
        "1 completed , 2 failed",
        "[qualifier] Ask for the budget: mend what “mail” fails with: Mailbox <n> is full saves up to 2 runs",
        "2 × qualifier Ask for the budget, with “mail”: Mailbox <n> is full",
        "2 ×, of which 0 made up for; of the runs that met it 0 of 2 completed.",
        "2 of 3 (67%)",
        "Ways to the same thing",
        "0 of 2 (0%)",
    ):
        assert part in told
    for run_id in lost:
        assert f'href="/runs/{run_id}"' in page
    assert f'href="/compare?a={lost[1]}&amp;nearest=1"' in page
    assert re.search(r'href="/runs\?status=failed&amp;goal=sales%2Fask%401&amp;since=[^"]+">2 failed', page)


def test_goals_are_listed_with_their_rates(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """Those that lost most runs first."""
    for number in range(3):
        _asked(pipeline, producer, "listed-much", "mail", f"Mailbox {number} is full", tag="listed")
    _asked(pipeline, producer, "listed/little", "call", tag="listed")

    page = _page(console, "/goals?tag=listed")

    assert ["/goals/listed-much", "/goals/listed/little"] == re.findall(r'<tr data-href="([^"?]+)\?', page)
    assert "0 of 3 (0%)" in _text(page)
    assert 'aria-current="page">Goals</a>' in page


def test_a_goal_opens_by_its_id(console: TestClient) -> None:
    """With what else is chosen."""
    answer = console.get("/goals", params={"goal": " sales/ask@1 ", "since": "24h", "tag": "v2"})

    assert (303, "/goals/sales/ask%401?since=24h&tag=v2") == (answer.status_code, answer.headers["location"])


def test_a_goal_without_runs_is_unknown(console: TestClient) -> None:
    """It says what to do."""
    told = _text(_page(console, "/goals/nobody/wants-it", 404))

    assert "No run of this goal has ended" in told
    assert "Nothing is known of nobody/wants-it" in told


def test_a_period_without_runs_leads_to_the_others(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """So does a tag that no run has."""
    _asked(pipeline, producer, "asked-once", "call")

    page = _page(console, "/goals/asked-once?until=2020-01-01&since=2019-01-01&tag=other")

    assert "No run of this goal ended in this time with this tag" in _text(page)
    assert "1 is known in all." in _text(page)
    assert 'href="/goals/asked-once?since=all"' in page


def test_on_an_empty_server_it_says_how_to_begin(own_pipeline: Pipeline) -> None:
    """The lines to paste."""
    settings = ConsoleSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace)

    with TestClient(create_app(settings), base_url="http://localhost") as client:
        assert "from runweaver.producer import Producer" in client.get("/goals").text


def test_a_period_is_chosen_by_a_link(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """It keeps the tag; a period that is none is told."""
    _asked(pipeline, producer, "asked-lately", "call")

    page = _page(console, "/goals/asked-lately?since=24h&tag=v2")

    assert '<a href="/goals/asked-lately?since=24h&amp;tag=v2" aria-current="true">24 hours</a>' in page
    assert '<a href="/goals/asked-lately?since=30d&amp;tag=v2">30 days</a>' in page
    assert "since: 'soon' is no moment" in _text(_page(console, "/goals/asked-lately?since=soon", 400))


def test_of_many_runs_the_frame_is_there_at_once(
    console: TestClient, pipeline: Pipeline, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they tell is loaded by a script, or by a link where there is none."""
    goal = "asked-often"
    for way in ("call", "mail"):
        _asked(pipeline, producer, goal, way)
    monkeypatch.setattr(goals_page, "_MOST_AT_ONCE", 1)

    frame = _page(console, f"/goals/{goal}?since=24h")
    [later] = re.findall(r'href="([^"]+)" data-load', frame)

    assert "Reading what 2 runs tell." in _text(frame)
    assert "goal.js" in frame
    assert "2 of 2; 95 % sure" not in _text(frame)
    assert f"/goals/{goal}?since=24h&wait=1" == html.unescape(later)
    assert "2 of 2; 95 % sure to be 34% to 100%" in _text(_page(console, html.unescape(later)))


def test_what_is_worse_than_before_is_told(console: TestClient, pipeline: Pipeline) -> None:
    """New errors, and a rate that fell."""
    for number in range(24):
        script = Script(f"worse-{number}", begin=datetime(2026, 1, 1, number, tzinfo=UTC))
        script.started("worse")
        script.decision("d", "Ask", "asking")
        script.outcome("d", success=number < 12, error="The line is dead")
        script.ended("completed" if number < 12 else "failed")
        pipeline.send(*script.written)
    pipeline.wait_until_summarised()

    told = _text(_page(console, "/goals/worse?since=all"))

    assert "worse than the older half: 100% of 12" in told
    assert "worse: new error asking a: The line is dead" in told
    assert "12 of 12 runs met it, before 0 of 12." in told


def test_what_agents_wrote_is_shown_as_text(console: TestClient, pipeline: Pipeline) -> None:
    """In each kind of finding."""
    hostile = "<script>alert(1)</script><img src=x>"
    for number in range(6):
        script = Script(f"hostile-{number}")
        script.started("hostile")
        options = [{"id": f"{hostile} {way}", "description": hostile} for way in "ab"]
        chosen = options[number % 2]["id"]
        script.decision("d", f"{hostile} intent", f"{hostile} node", options=options, chosen_option_id=chosen)
        script.outcome("d", success=number % 2 == 0, error=f"{hostile} error")
        script.problem("p", "critical", f"{hostile} problem", suggested_fix=f"{hostile} fix")
        script.ended("completed" if number % 2 == 0 else "failed")
        pipeline.send(*script.written)
        pipeline.summary(script.run_id)

    page = _page(console, "/goals/hostile?since=all")

    assert "<img" not in page
    assert all('src="/static/' in tag for tag in re.findall(r"<script[^>]*>", page))
    assert page.count("&lt;script&gt;") > 5
    assert not re.search(r'<[^>]* (style|on\w+)="', page)


def test_programs_get_it_typed(console: TestClient, pipeline: Pipeline, producer: Producer) -> None:
    """By goal, tag and period, and as many entries of each kind as they want."""
    _asked(pipeline, producer, "asked-json", "mail", "Mailbox is full", tag="json")
    _asked(pipeline, producer, "asked-json", "call", tag="other")

    whole = GoalInsights.model_validate_json(console.get("/api/insights?goal=asked-json&limit=1").text)
    tagged = GoalInsights.model_validate_json(console.get("/api/insights?tag=json&since=24h").text)
    before = GoalInsights.model_validate_json(console.get("/api/insights?goal=asked-json&until=1h").text)

    assert (2, 1, 0) == (whole.runs, tagged.runs, before.runs)
    assert 1 == len(whole.suggestions)
    for wrong in ("since=soon", "limit=0", "since=1h&until=2h"):
        assert 400 == console.get(f"/api/insights?{wrong}").status_code


@needs_recordings
def test_recorded_runs_tell_what_the_agent_fails_with(console: TestClient, pipeline: Pipeline) -> None:
    """Those that a real agent left behind."""
    for conversation in read_conversations(RECORDINGS):
        if conversation.task_id in (8, 13):
            pipeline.send(*map(json.dumps, messages_of(conversation, datetime(2026, 1, 1, tzinfo=UTC))))
    pipeline.wait_until_summarised()

    told = _text(_page(console, "/goals/task-13?since=all"))

    for part in (
        "1 of 2; 95 % sure to be 9% to 91%",
        "[tools] Look at “update_reservation_flights”: it fails far more often than the rest.",
        "tools update_reservation_flights: Error: flight HAT<n> not available on date <time>",
        "7 of 8 (88%)",
    ):
        assert part in told
    assert 'href="/goals/task-13?since=all&amp;tag=airline"' in _page(console, "/goals?since=all&tag=airline")
