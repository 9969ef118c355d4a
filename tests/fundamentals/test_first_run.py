"""An agent reports a run, and seconds later its summary is there."""

from runweaver.producer import Producer
from runweaver.shared import ProducerSettings, RunStatus
from tests.support.processes import Pipeline


def test_a_run_is_summarised_when_it_ends(pipeline: Pipeline) -> None:
    """The five lines of the README give a summary."""
    producer = Producer(settings=ProducerSettings(redis_url=pipeline.url, namespace=pipeline.namespace))
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
    assert 1 == summary.decision_count
    assert 1.0 == summary.success_rate
    assert ["Budget of $50k inferred"] == summary.successes
    assert "Run completed successfully. Made 1 decisions: 1 succeeded, 0 failed." == summary.narrative
    assert (4, 4, 0) == (
        summary.completeness.received,
        summary.completeness.declared,
        summary.completeness.missing,
    )
    producer.close()
