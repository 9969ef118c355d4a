"""What workers and finalizers say of their work: each event once, with what it is about."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


@pytest.fixture
def logged(own_pipeline: Pipeline, tmp_path: Path) -> Pipeline:
    """A pipeline that logs to a file, and says all that it can."""
    own_pipeline.log = tmp_path / "log"
    own_pipeline.environment["RUNWEAVER_LOG_LEVEL"] = "debug"
    return own_pipeline


def _run(run_id: str) -> list[str]:
    script = Script(run_id)
    return [script.started(), *script.steps(4), script.ended()]


def _events(pipeline: Pipeline) -> list[dict[str, Any]]:
    assert pipeline.log is not None
    return [json.loads(line) for line in pipeline.log.read_text().splitlines()]


def _stop_all(pipeline: Pipeline) -> None:
    for process in pipeline.processes:
        pipeline.stop(process)


def test_every_event_of_a_worker_says_which_and_at_which_batch(logged: Pipeline) -> None:
    """From all its threads; a batch has its number, an event outside of batches has none."""
    worker = logged.start("worker")
    logged.send(*_run("a"))
    logged.wait_until_merged()
    logged.send(*_run("b"), "garbage")
    logged.wait_until_merged()
    logged.redis.zadd(logged.keys.due(0), {"no { run": 0})
    wait_until(lambda: any(e["event"] == "removing what is no run" for e in _events(logged)), what="a sweep is logged")
    logged.stop(worker)

    events = [event for event in _events(logged) if event["logger"].startswith("runweaver.")]

    assert 1 == len({event.get("worker") for event in events})
    assert events[0]["worker"]
    merged = [event for event in events if event["event"] == "merged a batch"]
    assert list(range(1, len(merged) + 1)) == [event["batch"] for event in merged]
    assert 13 == sum(event["messages"] for event in merged)
    assert {"worker started", "removing what is no run", "merged", "worker stopped"} <= {
        event["event"] for event in events if "batch" not in event or event["event"] == "merged"
    }


def test_a_worker_gives_an_account_at_once_and_in_the_end(logged: Pipeline) -> None:
    """At the usual level: one line for many batches, and one more for what was set aside."""
    worker = logged.start("worker", RUNWEAVER_LOG_LEVEL="info")
    for number in range(3):
        logged.send(*_run(f"run-{number}"), "garbage", '{"type":"telepathy","run_id":"r"}')
        logged.wait_until_merged()
    logged.stop(worker)

    events = _events(logged)

    accounts = [event for event in events if event["event"] == "merged"]
    assert 2 == len(accounts)
    assert 24 == sum(account["messages"] for account in accounts)
    set_aside = [event for event in events if event["event"].startswith("messages were set aside")]
    assert {"not-json": 3, "unknown-type": 3} == sum((Counter(event["codes"]) for event in set_aside), Counter())
    assert {"warning"} == {event["level"] for event in set_aside}
    assert [] == [event for event in events if event["event"] == "merged a batch"]


def test_what_libraries_say_goes_the_same_way_and_once(logged: Pipeline) -> None:
    """RQ tells of a job that failed, and the redis driver of its connections: as JSON, with what it is about."""
    logged.start("worker")
    logged.start("finalizer")
    logged.send(*_run("good"))
    logged.summary("good")
    logged.redis.hset(logged.keys.run("broken"), "p#99", "no message")
    logged.send(*_run("broken"))
    wait_until(lambda: logged.jobs.queue.failed_job_registry.count, timeout_s=60, what="a job that failed")
    _stop_all(logged)

    events = _events(logged)

    finalizer = [event for event in events if "finalizer" in event]
    failures = [event for event in finalizer if event["event"] == "a job failed"]
    # The first try, and those that RQ makes again.
    assert 4 == len(failures)
    assert all(event["job"] and "InvalidMessageError" in event["exception"] for event in failures)
    assert "rq.queue" in {event["logger"] for event in finalizer}
    assert any(event["logger"].startswith("redis.") for event in events)
    # Each says when it was, to the microsecond.
    assert len(events) == len({json.dumps(event) for event in events})
    assert {True, False} == {event["succeeded"] for event in finalizer if event["event"] == "ran a job"}


def test_a_run_is_named_by_whoever_speaks_while_it_is_summarised(logged: Pipeline) -> None:
    """A narrator of somebody's own that fails: the event says of which run, and in which job."""
    logged.start("worker")
    logged.start("finalizer", RUNWEAVER_NARRATOR="tests.support.narrators:Haiku", RUNWEAVER_LOG_LEVEL="info")
    logged.send(*_run("fails"))
    logged.summary("fails")
    _stop_all(logged)

    [failed] = [event for event in _events(logged) if event["event"].startswith("the narrator failed")]

    assert ("fails", "error") == (failed["run_id"], failed["level"])
    assert failed["job"]
    assert failed["finalizer"]


def test_a_level_holds_for_libraries_too(logged: Pipeline) -> None:
    """Where only errors are asked for, no warning of RQ gets through."""
    logged.environment["RUNWEAVER_LOG_LEVEL"] = "error"
    logged.start("worker")
    logged.start("finalizer")
    logged.redis.hset(logged.keys.run("broken"), "p#99", "no message")
    logged.send(*_run("broken"), "garbage")
    wait_until(lambda: logged.jobs.queue.failed_job_registry.count, timeout_s=60, what="a job that failed")
    _stop_all(logged)

    assert {"error"} == {event["level"] for event in _events(logged)}
