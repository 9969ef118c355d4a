"""Runs and their metrics: the schema's rules."""

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from runweaver.shared.run import Completeness, ProducerCompleteness, Run, RunMetrics, RunStatus
from tests.support.messages import Script
from tests.unit.making import RUN_ID, at, fold_of, moment


def _run(**fields: Any) -> Run:
    return Run.model_validate({"id": RUN_ID, "goal_id": "g", "started_at": at(0), "last_activity_at": at(9), **fields})


def test_the_statuses_of_runs() -> None:
    """The five of the seed."""
    assert ["running", "completed", "failed", "stuck", "cancelled"] == list(RunStatus)


def test_every_field_of_the_seed_is_there() -> None:
    """Under the name that it has there, computed fields included."""
    assert {
        "id",
        "goal_id",
        "started_at",
        "status",
        "completed_at",
        "decisions",
        "problems",
        "metrics",
        "narrative",
        "goal_description",
        "input_data",
        "output_data",
        "duration_ms",
    } <= json.loads(_run().model_dump_json()).keys()
    assert {
        "total_decisions",
        "successful_decisions",
        "failed_decisions",
        "total_tokens",
        "total_latency_ms",
        "nodes_executed",
        "edges_traversed",
        "success_rate",
    } == json.loads(RunMetrics().model_dump_json()).keys()


@pytest.mark.parametrize(
    ("completed_at", "expected"), [(None, 0), (at(1.5), 1500), (at(0), 0), (at(-5), 0), (at(0.0019), 1)]
)
def test_the_duration_of_a_run(completed_at: str | None, expected: int) -> None:
    """Whole milliseconds from start to end; 0 while there is no end, and never less."""
    assert expected == _run(completed_at=completed_at).duration_ms


@pytest.mark.parametrize(
    ("total", "successful", "failed", "rate", "pending"),
    [(0, 0, 0, 0.0, 0), (4, 1, 1, 0.25, 2), (2, 2, 0, 1.0, 0), (3, 0, 3, 0.0, 0)],
)
def test_the_success_rate(total: int, successful: int, failed: int, rate: float, pending: int) -> None:
    """Over all decisions, as in the seed; pending ones are what is left."""
    metrics = RunMetrics(total_decisions=total, successful_decisions=successful, failed_decisions=failed)

    assert (rate, pending) == (metrics.success_rate, metrics.pending_decisions)


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_has_ended_when_an_end_was_reported(status: RunStatus) -> None:
    """Neither while it is running nor while it is stuck."""
    expected = status in {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}

    assert expected == _run(status=status).has_ended


def test_a_run_is_finished_when_it_ended_or_was_last_heard_of() -> None:
    """So every run has a place in the order of time."""
    assert moment(4) == _run(completed_at=at(4)).finished_at
    assert moment(9) == _run().finished_at


def test_times_without_an_offset_are_refused() -> None:
    """Whose midnight it is cannot be known."""
    with pytest.raises(ValidationError) as caught:
        _run(started_at=datetime(2026, 1, 1), completed_at="2026-01-01T00:00:00")  # noqa: DTZ001

    assert ["started_at", "completed_at"] == [error["loc"][0] for error in caught.value.errors()]


def test_a_run_survives_json_exactly() -> None:
    """Also with fields that the schema does not know, at every level; computed fields stand there once."""
    script = Script(RUN_ID)
    run = fold_of(
        script.started(input_data={"a": [1, None, 1e-7, "ü"]}),
        script.decision("d", evaluation={"outcome_quality": 0.9, "judge": "me"}, model="large"),
        script.outcome("d", result={"b": [{}]}, cost=0.25),
        script.problem("x", owner="somebody"),
        script.ended("failed"),
    )
    run = Run.model_validate({**run.model_dump(), "of_the_agent": [1]})
    written = run.model_dump_json()

    read = Run.model_validate_json(written)

    assert run == read
    assert {"of_the_agent": [1]} == read.model_extra
    assert {} == read.metrics.model_extra
    assert written == read.model_dump_json()
    for computed in ("duration_ms", "success_rate"):
        assert 1 == written.count(f'"{computed}"')


def test_a_computed_field_that_was_written_is_not_believed() -> None:
    """It is computed again from what the run holds."""
    assert 2000 == _run(completed_at=at(2), duration_ms=7).duration_ms
    assert (
        0.5
        == RunMetrics.model_validate({"total_decisions": 2, "successful_decisions": 1, "success_rate": 1}).success_rate
    )


@pytest.mark.parametrize(
    ("producers", "expected"),
    [
        ([(3, 0)], True),
        ([(3, 0), (1, 0)], True),
        ([(3, 1)], False),
        ([(0, 0)], False),
        ([(3, 0), (0, 0)], False),
    ],
)
def test_a_run_is_known_complete_when_all_producers_are(
    producers: list[tuple[int, int]],
    expected: bool,  # noqa: FBT001
) -> None:
    """Each has declared its number, and none lacks a message."""
    completeness = Completeness(
        producers={
            f"p{index}": ProducerCompleteness(declared=declared, missing=missing)
            for index, (declared, missing) in enumerate(producers)
        }
    )

    assert expected == completeness.is_known_complete
