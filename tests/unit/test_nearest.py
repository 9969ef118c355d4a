"""Which runs are most like another one."""

from collections import Counter

import pytest

from runweaver.query.two_runs.nearest import Step, figures_of, nearest, similarity
from runweaver.shared.figures import RunFigures
from tests.support.messages import Script, finished_run


def _figures(run_id: str, *options: str, finished: int = 0, intent: str = "Book") -> RunFigures:
    """Those of a run that chose these options, in one node and for one thing."""
    counts = Counter(options)
    return RunFigures.model_validate(
        {
            "run_id": run_id,
            "goal_id": "goal",
            "status": "completed",
            "finished_at_ms": finished,
            "duration_ms": 0,
            "tokens": 0,
            "decisions": len(options),
            "choices": [("node", intent, option, "", times, 0, 0, 0, []) for option, times in counts.items()],
        }
    )


def _steps(*options: str, intent: str = "Book") -> Counter[Step]:
    return Counter(("node", intent, option) for option in options)


def test_the_most_similar_candidates_are_found() -> None:
    """How often something was done counts, too."""
    candidates = [_figures("far", "x", "y"), _figures("near", "a", "a", "b"), _figures("nearer", "a", "b", "c")]

    assert ["nearer", "near"] == nearest(_figures("run", "a", "b", "b", "c"), candidates, limit=2)


def test_of_equally_near_ones_it_is_the_newest_and_never_the_run_itself() -> None:
    """Whatever order they come in."""
    run = _figures("run", "a", finished=9)
    candidates = [_figures("old", "a", finished=1), _figures("new", "a", finished=2), run]

    assert [["new", "old"]] * 2 == [nearest(run, order, limit=9) for order in (candidates, candidates[::-1])]
    assert [] == nearest(run, [run], limit=9)


def test_what_differs_in_numbers_only_is_the_same_step() -> None:
    """Page 3 is read as page 14 is."""
    run = _figures("run", "a", intent="Read page 3")
    candidates = [_figures("other", "a", intent="Write"), _figures("same", "a", intent="Read page 14")]

    assert ["same"] == nearest(run, candidates, limit=1)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (_steps("a", "b"), 1.0),
        (_steps("a", "c"), (1 / 3 + 1) / 2),
        (_steps("c", "d"), 0.5),
        (_steps("a", "b", intent="Pay"), 0.0),
        (_steps(), 0.0),
    ],
)
def test_similarity_is_what_both_did_over_what_either_did(other: Counter[Step], expected: float) -> None:
    """Half of it by choices, half by node and intent; the same both ways."""
    steps = _steps("a", "b")

    assert pytest.approx(expected) == similarity(steps, other)
    assert similarity(steps, other) == similarity(other, steps)


def test_two_runs_that_did_nothing_are_alike() -> None:
    """There is nothing in which they differ."""
    assert 1.0 == similarity(_steps(), _steps())


def test_a_run_has_figures_before_it_is_summarised() -> None:
    """So one that still goes on can be compared."""
    script = Script("run")
    figures = figures_of(finished_run([script.started(), *script.steps(4), script.ended()]))

    assert (("run", 2), ["node-0", "node-2"]) == (
        (figures.run_id, figures.decisions),
        [choice.node for choice in figures.choices],
    )
