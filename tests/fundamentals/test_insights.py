"""What the runs of a goal have in common is told seconds after the last of them has ended."""

from runweaver.producer import Producer
from runweaver.query import Insights
from runweaver.shared import RunSummary
from tests.support.processes import Pipeline

_OPTIONS = [{"id": "mail", "description": "Send a mail"}, {"id": "call", "description": "Call them"}]


def _ask(pipeline: Pipeline, producer: Producer, goal: str, way: str, error: str | None = None) -> RunSummary:
    """A run that asks a customer in one way, and completes if that works."""
    run = producer.start_run(goal, tags=["v2"])
    decision = run.decide("Ask for the budget", _OPTIONS, way, node_id="qualifier")
    run.record_outcome(decision, error is None, error=error, tokens_used=100, latency_ms=2_000)
    run.end("failed" if error else "completed")
    producer.flush(5)
    return pipeline.summary(run.run_id)


def test_a_goal_is_told_by_its_runs(pipeline: Pipeline, producer: Producer, run_id: str) -> None:
    """How many completed, what failed with which error, in which runs, and what to change first."""
    goal = f"goal-of-{run_id}"
    lost = [_ask(pipeline, producer, goal, "mail", f"Mailbox {number} is full").run_id for number in (1, 2)]
    _ask(pipeline, producer, goal, "call")
    pipeline.wait_until_idle()

    insights = Insights(pipeline.url, namespace=pipeline.namespace).get(goal, tag="v2")

    assert (1, 3) == (insights.success.count, insights.success.total)
    assert [("mail", "Mailbox <n> is full", 2)] == [(each.option, each.error, each.count) for each in insights.errors]
    assert lost[::-1] == insights.errors[0].run_ids
    assert "[qualifier] Ask for the budget: mend what “mail” fails with: Mailbox <n> is full" == (
        insights.suggestions[0].sentence
    )
    assert 2 == insights.suggestions[0].saves
    [node] = insights.nodes
    assert ("qualifier", 300, 2) == (node.node, node.tokens, node.failures.count)
    [intent] = insights.intents
    assert {"mail": 0, "call": 1} == {option.option: option.successes.count for option in intent.options}


def test_a_run_is_explained_and_compared_with_the_nearest_that_succeeded(
    pipeline: Pipeline, producer: Producer, run_id: str
) -> None:
    """By the same object."""
    goal = f"goal-of-{run_id}"
    lost = _ask(pipeline, producer, goal, "mail", "Mailbox is full")
    best = _ask(pipeline, producer, goal, "call")
    pipeline.wait_until_idle()
    insights = Insights(pipeline.url, namespace=pipeline.namespace)

    explanation = insights.explain(lost.run_id)
    run = pipeline.runs.get(lost.run_id)
    assert run is not None
    nearest = insights.nearest_success(run)

    assert explanation is not None
    assert [("error", "Mailbox is full")] == [(cause.source, cause.sentence) for cause in explanation.causes][:1]
    assert nearest is not None
    assert best.run_id == nearest.id
    assert insights.explain("nobody's") is None
