"""Which run is most like another one."""

import pytest

from runweaver.query.nearest import RunProfile, nearest, similarity
from tests.unit.making import moment


def profile(run_id: str, *options: str, finished: float = 0, intent: str = "Book") -> RunProfile:
    """A run that chose these options, in one node and for one thing."""
    return RunProfile(run_id, moment(finished), {("node", intent, option): options.count(option) for option in options})


def test_the_most_similar_candidate_is_found() -> None:
    """How often something was done counts, too."""
    candidates = [profile("far", "x", "y"), profile("near", "a", "a", "b"), profile("nearer", "a", "b", "c")]

    found = nearest(profile("run", "a", "b", "b", "c"), candidates)

    assert found is not None
    assert "nearer" == found.run_id


def test_of_equally_near_ones_it_is_the_newest_and_never_the_run_itself() -> None:
    """Whatever order they come in."""
    run = profile("run", "a", finished=9)
    candidates = [profile("old", "a", finished=1), profile("new", "a", finished=2), run]

    assert ["new", "new"] == [
        found.run_id for order in (candidates, candidates[::-1]) if (found := nearest(run, order)) is not None
    ]
    assert nearest(run, [run]) is None


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (profile("b", "a", "b"), 1.0),
        (profile("b", "a", "c"), (1 / 3 + 1) / 2),
        (profile("b", "c", "d"), 0.5),
        (profile("b", "a", "b", intent="Pay"), 0.0),
        (profile("b"), 0.0),
    ],
)
def test_similarity_is_what_both_did_over_what_either_did(other: RunProfile, expected: float) -> None:
    """Half of it by choices, half by node and intent; the same both ways."""
    run = profile("a", "a", "b")

    assert pytest.approx(expected) == similarity(run, other)
    assert similarity(run, other) == similarity(other, run)


def test_two_runs_that_did_nothing_are_alike() -> None:
    """There is nothing in which they differ."""
    assert 1.0 == similarity(profile("a"), profile("b"))
