"""Two runs from begin to end, aligned."""

from itertools import pairwise

from hypothesis import given

from runweaver.query import DivergenceKind, Stretch, compare, side_by_side
from runweaver.shared import Run
from tests.unit.run_strategies import runs
from tests.unit.test_compare import run_of


def told(stretches: list[Stretch]) -> list[tuple[str, list[str], list[str]]]:
    """How they differ, and the intents on both sides."""
    return [
        (each.kind or "alike", [step.intent for step in each.a], [step.intent for step in each.b]) for each in stretches
    ]


def test_steps_that_are_alike_stand_together_between_the_places_where_runs_part() -> None:
    """In order; each place where they part stands by itself."""
    one = run_of("Ask", "Look", "Book", "Pay", "Thank")
    other = run_of("Look", "Book", "Wait", "Pay", "Thank", Book={"option": "b"})

    stretches = list(side_by_side(one, other))

    assert [
        ("path", ["Ask"], []),
        ("alike", ["Look"], ["Look"]),
        ("choice", ["Book"], ["Book"]),
        ("path", [], ["Wait"]),
        ("alike", ["Pay", "Thank"], ["Pay", "Thank"]),
    ] == told(stretches)
    assert [(0, 0), (1, 0), (2, 1), (3, 2), (3, 3)] == [(each.a_begin, each.b_begin) for each in stretches]


def test_parameters_that_differ_are_told_at_length() -> None:
    """In a comparison they are cut at 80 characters; here they are to be read beside each other."""
    before, after = {"note": "x" * 500}, {"note": f"{'x' * 499}y"}

    [stretch] = side_by_side(run_of("Book", Book={"parameters": before}), run_of("Book", Book={"parameters": after}))

    assert DivergenceKind.PARAMETERS is stretch.kind
    assert [("note", f'"{"x" * 500}"', f'"{"x" * 499}y"')] == [(each.path, each.a, each.b) for each in stretch.changed]


def test_other_words_for_the_same_are_marked_as_such() -> None:
    """They are no divergence."""
    one = {"parameters": {"text": "May I have your name, please?"}}
    other = {"parameters": {"text": "Could you tell me who you are?"}}

    [stretch] = side_by_side(run_of("Look", "Ask", Ask=one), run_of("Look", "Ask", Ask=other))

    assert (None, 2, [1]) == (stretch.kind, stretch.a_count, stretch.reworded)


def test_of_long_stretches_the_first_steps_are_told() -> None:
    """And how many there are."""
    steps = [f"Step {number}" for number in range(30)]

    [stretch] = side_by_side(run_of(*steps), run_of(*steps), most_steps=10)

    assert (10, 10, 30, 30) == (len(stretch.a), len(stretch.b), stretch.a_count, stretch.b_count)


def test_runs_without_steps_have_no_stretch() -> None:
    """There is nothing to tell."""
    assert [] == list(side_by_side(run_of(), run_of()))


@given(runs("d"), runs("e"))
def test_each_step_is_in_one_stretch_and_places_are_those_of_the_comparison(a: Run, b: Run) -> None:
    """Whatever the runs are."""
    stretches = list(side_by_side(a, b))
    comparison = compare(a, b)

    assert [step.decision_id for each in stretches for step in each.a] == [decision.id for decision in a.decisions]
    assert [step.decision_id for each in stretches for step in each.b] == [decision.id for decision in b.decisions]
    assert comparison.divergences == sum(each.kind is not None for each in stretches)
    assert comparison.reworded >= sum(len(each.reworded) for each in stretches)
    parted = [(each.kind, each.a_count, each.b_count) for each in stretches if each.kind is not None]
    first = comparison.first_divergence
    assert parted[:1] == ([(first.kind, first.a_count, first.b_count)] if first is not None else [])
    for one, following in pairwise(stretches):
        assert one.kind is not None or following.kind is not None


@given(runs("d"), runs("e"))
def test_exchanged_runs_give_the_stretches_exchanged(a: Run, b: Run) -> None:
    """To the last parameter."""
    assert [(each.kind, each.a, each.b, each.reworded) for each in side_by_side(a, b)] == [
        (each.kind, each.b, each.a, each.reworded) for each in side_by_side(b, a)
    ]
