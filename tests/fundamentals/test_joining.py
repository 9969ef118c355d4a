"""Several processes take part in one run."""

import sys

from runweaver.producer import Producer
from tests.support.processes import Pipeline

_HELPER = """
import sys
from runweaver.producer import Producer
with Producer() as producer, producer.join_run(sys.argv[1]) as run:
    for number in range(25):
        decision = run.quick_decision(f"Part {number}", "Do it", node_id="helper")
        run.record_outcome(decision, success=number % 5 != 0)
"""


def test_another_process_joins_and_leaves(pipeline: Pipeline, producer: Producer) -> None:
    """What it did is part of the run, and its leaving says how much that was: the summary knows it is complete."""
    run = producer.start_run("together")
    helpers = [pipeline.spawn([sys.executable, "-c", _HELPER, run.run_id]) for _ in range(2)]
    assert [0, 0] == [helper.wait(30) for helper in helpers]
    run.end()

    summary = pipeline.summary(run.run_id)

    assert (50, 10) == (summary.decision_count, summary.failed_decisions)
    assert (104, 104, 0, 0) == (
        summary.completeness.received,
        summary.completeness.declared,
        summary.completeness.missing,
        summary.completeness.late,
    )
    assert [2, 51, 51] == sorted(each.declared for each in summary.completeness.producers.values())


def test_an_outcome_may_come_from_another_process_than_its_decision(pipeline: Pipeline, producer: Producer) -> None:
    """And may be there before it."""
    run = producer.start_run("apart")
    with Producer(settings=pipeline.producer_settings) as other, other.join_run(run.run_id) as joined:
        joined.record_outcome("the-decision", success=False, error="It did not work")
        assert other.flush()
    run.decide("Try", [{"id": "a", "description": "The way"}], "a", decision_id="the-decision", node_id="n")
    run.end()

    assert ["✗ [n] Try → The way"] == pipeline.summary(run.run_id).key_decisions


def test_a_producer_that_is_closed_says_what_it_sent(pipeline: Pipeline, producer: Producer) -> None:
    """Also for runs that it neither ended nor left."""
    with Producer(settings=pipeline.producer_settings) as other:
        run = other.start_run("handed-over")
        run.quick_decision("Begin", "Go")
    with producer.join_run(run.run_id) as joined:
        joined.end()

    summary = pipeline.summary(run.run_id)

    assert (4, 4, 0) == (summary.completeness.received, summary.completeness.declared, summary.completeness.missing)


def test_a_run_may_be_joined_again_in_the_same_process(pipeline: Pipeline, producer: Producer) -> None:
    """By whoever has it in hand: what each of them says counts, and none takes the place of another's."""
    run = producer.start_run("task-after-task")
    run.quick_decision("First", "Go")
    for intent in ("Second", "Third"):
        with producer.join_run(run.run_id) as joined:
            joined.quick_decision(intent, "Go")
    run.end()
    again = producer.start_run("task-after-task", run_id=run.run_id)
    again.quick_decision("Fourth", "Go")
    again.end()
    assert producer.flush()

    summary = pipeline.summary(run.run_id)

    assert 4 == summary.decision_count
    assert (10, 10, 0) == (summary.completeness.received, summary.completeness.declared, summary.completeness.missing)
