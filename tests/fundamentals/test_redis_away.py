"""An agent does not notice that Redis is away: nothing raises, nothing waits, and what fits in memory is kept."""

import subprocess
import sys
import time

import pytest

from runweaver.producer import Producer
from runweaver.shared import InvalidArgumentError, ProducerSettings
from tests.support.processes import Pipeline
from tests.support.server import Server

_NOBODY = "redis://127.0.0.1:1/0"


def test_what_was_recorded_while_redis_was_away_arrives(namespace: str) -> None:
    """It waits in memory, and is sent when Redis is there."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        server.kill()
        with Producer(settings=pipeline.producer_settings) as producer:
            with producer.start_run("patience") as run:
                for number in range(500):
                    run.quick_decision(f"Step {number}", "Go on")
            assert not producer.flush(0.3)

            server.start()
            assert producer.flush(20)
        pipeline.start("worker")
        pipeline.start("finalizer")

        summary = pipeline.summary(run.run_id)
        assert (500, 0, 0) == (summary.decision_count, summary.completeness.missing, producer.dropped)


def test_a_full_buffer_drops_the_newest_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Counted, logged once, and declared: the summary will say what is missing. Outcomes have the last of the room."""
    settings = ProducerSettings(redis_url=_NOBODY, buffer_messages=10)
    producer = Producer(settings=settings)
    run = producer.start_run("too-much")

    decisions = [run.quick_decision(f"Step {number}", "Go on") for number in range(20)]
    assert 13 == producer.dropped
    for decision in decisions:
        run.record_outcome(decision, success=True)

    assert 13 + 18 == producer.dropped
    assert not producer.close(0.1)
    assert 1 == sum("the buffer is full" in record.message for record in caplog.records)
    assert 1 == sum("closed before everything was sent" in record.message for record in caplog.records)


def test_a_server_that_hangs_holds_nobody_up(namespace: str) -> None:
    """Calls return at once, and `flush` and `close` keep their time."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        producer = Producer(settings=pipeline.producer_settings)
        run = producer.start_run("hanging")
        assert producer.flush(5)
        slowest = 0.0

        def work() -> None:
            nonlocal slowest
            for number in range(200):
                begun = time.monotonic()
                run.quick_decision(f"Step {number}", "Go on")
                slowest = max(slowest, time.monotonic() - begun)

        server.hang()
        try:
            work()
            begun = time.monotonic()
            assert not producer.flush(0.3)
            assert not producer.close(0.3)
            waited = time.monotonic() - begun
        finally:
            server.go_on()

        # Far below any timeout of a socket; this is not a benchmark.
        assert slowest < 1.0
        assert waited < 2.0


def test_a_process_that_ends_without_closing_sends_what_it_has(pipeline: Pipeline, run_id: str) -> None:
    """Also where the producer has gone out of scope; and nothing is printed."""
    script = f"""
from runweaver.producer import Producer
def work():
    with Producer().start_run("short", run_id="{run_id}") as run:
        run.quick_decision("Begin", "Go")
work()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], env=pipeline.environment, capture_output=True, timeout=30, check=True
    )

    assert (b"", b"") == (ended.stdout, ended.stderr)
    summary = pipeline.summary(run_id)
    assert (1, 3, 3) == (summary.decision_count, summary.completeness.received, summary.completeness.declared)


def test_a_process_that_ends_while_redis_is_away_ends_soon(run_id: str) -> None:
    """It tries for three seconds, says on standard error what was lost, and exits as it would have."""
    script = f'from runweaver.producer import Producer; Producer("{_NOBODY}").start_run("g", run_id="{run_id}").end()'
    begun = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert time.monotonic() - begun < 8
    assert ended.stdout == ""
    assert "closed before everything was sent lost=2" in ended.stderr


def test_messages_after_close_are_dropped_and_counted(pipeline: Pipeline) -> None:
    """No exception reaches the agent."""
    producer = Producer(settings=pipeline.producer_settings)
    run = producer.start_run("closed")
    assert producer.close()

    run.quick_decision("Too late", "Go")

    assert 1 == producer.dropped


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda run: run.decide("x", [{"id": "a"}], "a"), "decision.options.0.description: Field required"),
        (lambda run: run.decide("x", [{"id": "a", "description": "A"}], "b"), "chosen: 'b' is not the id of one"),
        (lambda run: run.decide(None, [], None), "decision.intent: Input should be a valid string, got None"),
        (lambda run: run.record_outcome("d", "perhaps"), "outcome.success: Input should be a valid boolean"),
        (lambda run: run.record_outcome("d", True, tokens_used=-1), "outcome.tokens_used"),  # noqa: FBT003
        (lambda run: run.report_problem("dire", "x"), "problem.severity: Input should be 'critical', 'warning'"),
        (lambda run: run.end("done"), "status: Input should be 'completed', 'failed' or 'cancelled', got 'done'"),
        (lambda run: run.evaluate("d", outcome_quality=2), "evaluation.outcome_quality"),
        (lambda run: run.traverse("", "b"), "source: String should have at least 1 character"),
    ],
    ids=["option", "chosen", "intent", "success", "tokens", "severity", "status", "quality", "edge"],
)
def test_bad_arguments_raise_at_the_call(producer: Producer, call: object, says: str) -> None:
    """They are the one exception: the error names the argument, and nothing was recorded."""
    run = producer.start_run("arguments")

    with pytest.raises(InvalidArgumentError) as raised:
        call(run)  # type: ignore[operator]

    assert says in str(raised.value)
    assert 1 == run._channel._sent
    run.end("cancelled")


@pytest.mark.parametrize("bad", ["with blanks", "{braces}", "", "x" * 201, "Grüße"])
def test_ids_that_cannot_be_keys_are_refused(producer: Producer, bad: str) -> None:
    """For runs and for goals."""
    with pytest.raises(InvalidArgumentError):
        producer.join_run(bad)
    with pytest.raises(InvalidArgumentError, match="goal_id"):
        producer.start_run(bad)
