"""`runweaver why`, `trace` and `compare`, against a real pipeline."""

import json
from collections.abc import Iterator

import pytest

from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.server import Server

_COMMANDS = [["why"], ["why", "--json"], ["trace"], ["trace", "--full"], ["trace", "--json"]]


@pytest.fixture(scope="module")
def full(server: Server) -> Iterator[Pipeline]:
    """A failed run, two completed ones of its goal of which one is like it, one of another goal, and an open one."""
    with Pipeline(server.url, "one-run") as running:
        running.start("worker")
        running.start("finalizer")
        for run_id, intents, status in (
            ("run-far", ["Look"], "completed"),
            ("run-near", ["Look", "Book"], "completed"),
            ("run-failed", ["Look", "Book"], "failed"),
        ):
            running.send(*_written(run_id, intents, status))
            running.summary(run_id)
        running.send(*_written("run-alone", ["Look"], "failed", goal="other"))
        running.summary("run-alone")
        running.send(*_written("run-running", ["Look"], None))
        running.wait_until_merged()
        yield running


def _written(run_id: str, intents: list[str], status: str | None, goal: str = "goal") -> list[str]:
    script = Script(run_id)
    script.started(goal)
    for intent in intents:
        decision_id, is_success = f"{run_id}-{intent}", status != "failed" or intent == "Look"
        options = [{"id": "a", "description": "[bold]So[/bold]", "action_params": {"seats": 1 if is_success else 2}}]
        script.decision(decision_id, intent, options=options, reasoning="It was there")
        script.outcome(decision_id, success=is_success, error=None if is_success else "No \x1b[31mseats")
    if status is not None:
        script.ended(status)
    return script.written


def test_why_points_to_the_failure_with_its_evidence(full: Pipeline) -> None:
    """For people with the ids, what an agent wrote as it is; as JSON, one document."""
    told = full.run("why", "run-failed")
    explanation = json.loads(full.run("why", "run-failed", "--json").stdout)

    assert (0, "") == (told.returncode, told.stderr)
    assert "Failed; [node] Book, with “[bold]So[/bold]”, failed and was never made up for: No ␛[31mseats" in told.stdout
    assert "run-failed-Book" in told.stdout
    assert ("failed_decision", "run-failed-Book") == (explanation["kind"], explanation["point"]["decision_id"])
    assert ["error"] == [cause["source"] for cause in explanation["causes"]]


def test_trace_shows_the_timeline(full: Pipeline) -> None:
    """In short, in full, and as one JSON document."""
    told, in_full = full.run("trace", "run-failed").stdout, full.run("trace", "run-failed", "--full").stdout
    document = json.loads(full.run("trace", "run-failed", "--json").stdout)

    assert "├─ +00:01.0 ✓ Look → [bold]So[/bold]  1.0 s · run-failed-Look" in told
    assert "because: It was there" not in told
    assert "because: It was there" in in_full
    assert ("run-failed", ["run-failed-Look", "run-failed-Book"]) == (
        document["run_id"],
        [entry["id"] for entry in document["entries"]],
    )


def test_runs_that_go_on_can_be_looked_at(full: Pipeline) -> None:
    """As they stand."""
    assert "Still going on; nothing went wrong so far." in full.run("why", "run-running").stdout
    assert "run-running-Look" in full.run("trace", "run-running").stdout
    assert 0 == full.run("compare", "run-running", "run-near").returncode


def test_compare_shows_where_two_runs_part(full: Pipeline) -> None:
    """With what each chose there, and with what result."""
    told = full.run("compare", "run-failed", "run-near")
    comparison = json.loads(full.run("compare", "run-failed", "run-near", "--json").stdout)

    assert (0, "") == (told.returncode, told.stderr)
    assert "First divergence: the same choice, with other parameters" in told.stdout
    assert "A → B: seats (2 → 1)" in told.stdout
    assert ("parameters", "run-failed-Book", "run-near-Book") == (
        comparison["first_divergence"]["kind"],
        comparison["first_divergence"]["a"][0]["decision_id"],
        comparison["first_divergence"]["b"][0]["decision_id"],
    )


def test_the_nearest_success_of_the_goal_is_found(full: Pipeline) -> None:
    """The most similar one, although another one is as new; never the run itself."""
    for run_id, expected in (("run-failed", "run-near"), ("run-near", "run-far")):
        comparison = json.loads(full.run("compare", run_id, "--nearest", "--json").stdout)
        assert (run_id, expected) == (comparison["a"]["run_id"], comparison["b"]["run_id"])


def test_where_no_run_of_the_goal_succeeded_that_is_said(full: Pipeline) -> None:
    """In one line, and exit code 1."""
    result = full.run("compare", "run-alone", "--nearest")

    assert (1, "", 1) == (result.returncode, result.stdout, len(result.stderr.splitlines()))
    assert "no other run of the goal 'other' has completed" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["run-near", "--nearest"]], ids=["neither", "both"])
def test_a_second_run_is_named_or_found(full: Pipeline, arguments: list[str]) -> None:
    """Not both, and not neither."""
    result = full.run("compare", "run-failed", *arguments)

    assert (2, True) == (result.returncode, "name a second run, or say --nearest" in result.stderr)


@pytest.mark.parametrize("command", [*_COMMANDS, ["compare", "run-near"], ["compare", "--nearest"]], ids=" ".join)
def test_an_unknown_run_is_exit_1_and_one_line(full: Pipeline, command: list[str]) -> None:
    """On standard error; standard output stays empty."""
    result = full.run(*command, "run-unknown")

    assert (1, "", 1) == (result.returncode, result.stdout, len(result.stderr.splitlines()))
    assert "no run 'run-unknown' is known" in result.stderr


@pytest.mark.parametrize("command", [["why"], ["trace"], ["compare", "run-near"]], ids=" ".join)
def test_a_run_whose_messages_are_gone_says_so(full: Pipeline, command: list[str]) -> None:
    """Its summary is still there: that is where it points to."""
    full.send(*_written("run-expired", ["Look"], "failed"))
    full.summary("run-expired")
    full.wait_until_idle()
    full.redis.delete(full.keys.archive("run-expired"))

    result = full.run(*command, "run-expired")

    assert (2, "", 1) == (result.returncode, result.stdout, len(result.stderr.splitlines()))
    assert "see `runweaver show run-expired`" in result.stderr


@pytest.mark.parametrize("command", [["why", "r"], ["trace", "r"], ["compare", "r", "s"]], ids=" ".join)
def test_nobody_at_the_address_is_one_sentence_and_exit_2(full: Pipeline, command: list[str]) -> None:
    """No traceback."""
    result = full.run(*command, RUNWEAVER_REDIS_URL="redis://127.0.0.1:1/0")

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
