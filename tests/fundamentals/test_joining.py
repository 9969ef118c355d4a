"""Several processes take part in one run."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from runweaver.producer import Producer
from runweaver.shared import InvalidArgumentError
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


_SERVICE = """
import os
from runweaver.producer import Producer
with Producer() as producer, producer.join_run(os.environ) as run:
    run.quick_decision("Help", "Do it", node_id="service")
"""


def test_a_run_is_carried_to_a_process(pipeline: Pipeline, producer: Producer) -> None:
    """In its environment, among all that is there."""
    with producer.start_run("carried") as run:
        helper = pipeline.spawn([sys.executable, "-c", _SERVICE], **run.environment())
        assert 0 == helper.wait(30)

    assert pipeline.summary(run.run_id)
    full = pipeline.runs.get(run.run_id)
    assert full is not None
    assert ["service"] == [decision.node_id for decision in full.decisions]


@pytest.mark.parametrize(
    "put",
    [
        lambda carrier: carrier,
        lambda carrier: {"Accept": "*/*", "Runweaver-Run": carrier["runweaver-run"]},
        lambda carrier: {"REMOTE_ADDR": "::1", "HTTP_RUNWEAVER_RUN": carrier["runweaver-run"], "wsgi.version": (1, 0)},
        lambda carrier: carrier["runweaver-run"],
        lambda carrier: carrier["runweaver-run"] + "; later=9",
        lambda carrier: carrier["runweaver-run"].split(";")[0],
    ],
    ids=["as it is", "headers", "WSGI", "value", "of a later version", "run id"],
)
def test_a_run_is_carried_in_headers(producer: Producer, put: Callable[[dict[str, str]], Any]) -> None:
    """However the framework at the other end names and gives them."""
    with producer.start_run("carried") as run, producer.join_run(put(run.carrier())) as joined:
        assert (run.run_id, True) == (joined.run_id, joined.is_sampled)


@pytest.mark.parametrize(
    ("carrier", "says"),
    [
        ({}, "neither a header runweaver-run nor a variable RUNWEAVER_RUN"),
        ({"runweaver-run": 7}, "neither a header runweaver-run nor a variable RUNWEAVER_RUN"),
        ({"runweaver-run": "no run;sampled=1"}, "run_id: 'no run' may have up to 200"),
        ("", "run_id: '' may have up to 200"),
        (7, "run_id: 7 is neither a run id nor a mapping"),
    ],
)
def test_a_carrier_without_a_run_is_refused(producer: Producer, carrier: Any, says: str) -> None:
    """And says what it should have had."""
    with pytest.raises(InvalidArgumentError) as raised:
        producer.join_run(carrier)

    assert says in str(raised.value)
