"""What is said of five recorded runs, word for word, as it was read and found right by a person.

Where a change of the words is meant: `python -m tests.unit.test_golden_answers` writes them anew; read them again.
"""

from functools import cache
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console, Group

from runweaver.console.render_compare import comparison_lines, comparison_table
from runweaver.console.render_why import explanation_view
from runweaver.query import compare, explain
from runweaver.query.two_runs.nearest import figures_of, nearest
from runweaver.shared import Run, RunStatus
from tests.support.recordings import needs_recordings, recorded_runs

GOLDEN: Final = Path(__file__).parents[1] / "golden"
WIDTH: Final = 120

#: The customer gave up, with no failure at all; the same payment failed three times; what was booked differs from what
#: the successful run booked; flights were dropped until it worked; and one that completed.
EXPLAINED: Final = ["task-1-trial-0", "task-8-trial-1", "task-11-trial-1", "task-13-trial-0", "task-26-trial-0"]
#: All but the one whose task no run did, and the one that completed.
COMPARED: Final = ["task-1-trial-0", "task-11-trial-1", "task-13-trial-0"]


@needs_recordings
@pytest.mark.parametrize("run_id", EXPLAINED)
def test_why(run_id: str) -> None:
    """What `runweaver why` says of it."""
    assert (GOLDEN / f"why-{run_id}.txt").read_text(encoding="utf-8") == why(run_id)


@needs_recordings
@pytest.mark.parametrize("run_id", COMPARED)
def test_compare_with_the_nearest_success(run_id: str) -> None:
    """What `runweaver compare --nearest` says of it."""
    assert (GOLDEN / f"compare-{run_id}.txt").read_text(encoding="utf-8") == compared(run_id)


@cache
def recordings() -> dict[str, Run]:
    """Read once."""
    return recorded_runs()


def why(run_id: str) -> str:
    """As on a terminal of 120 characters."""
    return shown(explanation_view(explain(recordings()[run_id]), width=WIDTH))


def compared(run_id: str) -> str:
    """The same for the comparison with the most similar run that did this task."""
    run = recordings()[run_id]
    same_goal = (other for other in recordings().values() if other.goal_id == run.goal_id)
    completed = (figures_of(other) for other in same_goal if other.status is RunStatus.COMPLETED)
    [found] = nearest(figures_of(run), completed, limit=1)
    comparison = compare(run, recordings()[found])
    return shown(Group(comparison_table(comparison), *comparison_lines(comparison, width=WIDTH)))


def shown(view: Group) -> str:
    """Its text, without the blanks that fill lines up."""
    file = StringIO()
    Console(file=file, width=WIDTH).print(view, highlight=False)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


if __name__ == "__main__":
    for each in EXPLAINED:
        (GOLDEN / f"why-{each}.txt").write_text(why(each), encoding="utf-8")
    for each in COMPARED:
        (GOLDEN / f"compare-{each}.txt").write_text(compared(each), encoding="utf-8")
