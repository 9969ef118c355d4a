"""An agent reports a run, and seconds later its summary is there."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from runweaver.producer import Producer
from runweaver.shared import InvalidArgumentError, RunStatus
from tests.support.processes import Pipeline


def test_a_run_is_summarised_when_it_ends(pipeline: Pipeline, producer: Producer) -> None:
    """The lines of the README give a summary."""
    with producer.start_run("qualify-leads", "Qualify sales leads", input_data={"lead": "L-1"}) as run:
        decision = run.decide(
            "Does the lead have budget?",
            options=[{"id": "ask", "description": "Ask"}, {"id": "infer", "description": "Infer from size"}],
            chosen="infer",
            reasoning="Data is at hand",
            node_id="qualifier",
        )
        run.record_outcome(decision, success=True, summary="Budget of $50k inferred", tokens_used=512, latency_ms=840)

    summary = pipeline.summary(run.run_id)

    assert "qualify-leads" == summary.goal_id
    assert RunStatus.COMPLETED == summary.status
    assert (1, 1.0, 512, 840) == (summary.decision_count, summary.success_rate, summary.tokens, summary.latency_ms)
    assert ["Budget of $50k inferred"] == summary.successes
    assert "Run completed successfully. Made 1 decisions: 1 succeeded, 0 failed." == summary.narrative
    assert (4, 4, 0) == (summary.completeness.received, summary.completeness.declared, summary.completeness.missing)


def test_the_full_run_can_be_read_too(pipeline: Pipeline, producer: Producer) -> None:
    """With every option and reason, and what went into the run and came out of it."""
    with producer.start_run("book", "Book a flight", input_data={"to": "Oslo"}, tags=["test"]) as run:
        decision = run.quick_decision("Which flight?", "The cheapest", "It was asked for", node_id="search")
        run.record_outcome(decision, success=True, result={"fare": 380})
        run.evaluate(decision, outcome_quality=0.9, explanation="Well done")
        run.traverse("search", "pay")
        run.heartbeat()
        run.end(output_data={"booked": True}, narrative="A flight was booked.")
    pipeline.summary(run.run_id)

    found = pipeline.runs.get(run.run_id)

    assert found is not None
    assert ({"to": "Oslo"}, {"booked": True}, ["test"]) == (found.input_data, found.output_data, found.tags)
    assert ["search->pay"] == found.metrics.edges_traversed
    assert "A flight was booked." == found.narrative
    assert decision == found.decisions[0].id
    assert "It was asked for" == found.decisions[0].reasoning
    assert "✓ [search] Which flight? → The cheapest [quality: 0.9]" == found.decisions[0].summary_for_builder()
    assert found.decisions[0].outcome is not None
    assert {"fare": 380} == found.decisions[0].outcome.result


def test_many_runs_at_once_keep_apart(pipeline: Pipeline, producer: Producer) -> None:
    """One producer serves them all; no decision ends up in another run."""
    runs = [producer.start_run("many") for _ in range(20)]
    for step in range(5):
        for number, run in enumerate(runs):
            decision = run.quick_decision(f"Step {step} of {number}", "Go on")
            run.record_outcome(decision, success=number % 2 == 0)
    for run in runs:
        run.end()

    for number, run in enumerate(runs):
        found = pipeline.summary(run.run_id)
        assert (5, 0 if number % 2 == 0 else 5) == (found.decision_count, found.failed_decisions)
        full = pipeline.runs.get(run.run_id)
        assert full is not None
        assert [f"Step {step} of {number}" for step in range(5)] == [each.intent for each in full.decisions]


def test_what_happened_before_can_be_told_with_its_time(pipeline: Pipeline, producer: Producer) -> None:
    """Each recording method takes the moment at which it was; aware, in any zone."""
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def after(seconds: int) -> datetime:
        return (began + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=2)))

    run = producer.start_run("told-later", at=began)
    decision = run.decide("Look", [{"id": "a", "description": "A"}], "a", at=after(1))
    run.traverse("one", "two", at=after(2))
    run.record_outcome(decision, success=False, at=after(3))
    run.evaluate(decision, outcome_quality=0.1, at=after(4))
    run.report_problem("minor", "It was late", at=after(5))
    run.end("failed", at=after(6))

    summary = pipeline.summary(run.run_id)
    folded = pipeline.runs.get(run.run_id)

    assert (began, after(6), 6_000) == (summary.started_at, summary.finished_at, summary.duration_ms)
    assert folded is not None
    (told,) = folded.decisions
    assert told.outcome is not None
    assert [after(1), after(3), after(5)] == [told.timestamp, told.outcome.timestamp, folded.problems[0].timestamp]


def test_a_time_without_a_zone_is_refused(producer: Producer) -> None:
    """Nobody could say which moment it was."""
    run = producer.start_run("told-later")

    with pytest.raises(InvalidArgumentError, match=r"at: 2026-03-01T12:00:00 has no time zone"):
        run.traverse("one", "two", at=datetime(2026, 3, 1, 12))  # noqa: DTZ001 - that is the point
    run.end("cancelled")
