"""The figures of many runs come to what counting the runs comes to, in whatever order they are added."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runweaver.query.many_runs.aggregate import Aggregate
from runweaver.query.many_runs.tallies import MAX_EXAMPLES
from runweaver.shared import Run, RunStatus, RunSummary
from runweaver.shared.archive import Archive, StoredRun
from runweaver.shared.figures import RunFigures
from tests.support.counting import count, counted_in
from tests.unit.making import RUN_ID, stored
from tests.unit.strategies import messages

carefully = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _runs(sent: list[list[dict[str, Any]]]) -> list[Run]:
    """A finished run of each of these, read from its archive, under a name of its own."""
    runs = []
    for number, each in enumerate(sent):
        archive = Archive(stored(*map(json.dumps, each)), revision=1).pack()
        run = StoredRun.read(RUN_ID, {}, archive).fold()
        run = run.as_stuck() if run.status is RunStatus.RUNNING else run
        runs.append(run.model_copy(update={"id": f"run-{number}"}))
    return runs


def _stored(run: Run) -> RunFigures:
    """A run's figures, as they come back from where they are kept."""
    figures = RunFigures.from_run(run, RunSummary.from_run(run))
    return RunFigures.read(run.id, figures.pack())


@carefully
@given(st.lists(messages(max_size=12), max_size=5))
def test_aggregates_are_what_can_be_counted(sent: list[list[dict[str, Any]]]) -> None:
    """Statuses, goals, nodes, latencies, choices and errors: as counted from the archives."""
    runs = _runs(sent)

    assert count(runs) == counted_in(Aggregate(map(_stored, runs)))


@carefully
@given(st.lists(messages(max_size=12), max_size=5), st.randoms())
def test_the_order_of_runs_makes_no_difference(sent: list[list[dict[str, Any]]], shuffled: Any) -> None:
    """All of it is the same, examples too."""
    figures = [_stored(run) for run in _runs(sent)]
    expected = Aggregate(figures)

    shuffled.shuffle(figures)
    actual = Aggregate(figures)

    assert sorted(expected.ends) == sorted(actual.ends)
    assert {**vars(expected), "ends": None} == {**vars(actual), "ends": None}


def test_the_newest_runs_are_kept_as_examples() -> None:
    """A few of them, the newest first; and when the first and the last run came is kept as well."""
    figures = RunFigures.model_validate(
        {
            "run_id": "run",
            "goal_id": "goal",
            "status": "failed",
            "finished_at_ms": 0,
            "duration_ms": 0,
            "tokens": 0,
            "decisions": 1,
            "choices": [["node", "Look", "a", "", 0, 1, 0, 0, []]],
            "failures": [[0, "Not found", 1, 0]],
        }
    )
    many = [figures.model_copy(update={"run_id": f"run-{n}", "finished_at_ms": n}) for n in range(100, 120)]

    [tally] = Aggregate(many).errors.values()

    assert [f"run-{n}" for n in range(119, 119 - MAX_EXAMPLES, -1)] == tally.examples.run_ids
    assert (20, 100, 119) == (tally.examples.runs, tally.examples.first_ms, tally.examples.last_ms)
