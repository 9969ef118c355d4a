"""The timeline of a run, and how it looks."""

import json

import pytest
from hypothesis import given

from runweaver.console.render_trace import trace_lines
from runweaver.query import trace
from runweaver.shared import Run
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of
from tests.unit.run_strategies import runs


@pytest.fixture
def script() -> Script:
    """A run with a failure, a problem and an open decision."""
    script = Script(RUN_ID)
    script.started()
    options = [
        {"id": "a", "description": "By phone", "pros": ["quick"], "confidence": 0.8},
        {"id": "b", "description": "By mail", "cons": ["slow"]},
    ]
    script.decision("d1", "Ask", "desk", options=options, reasoning="It is late", active_constraints=["no cost"])
    script.outcome("d1", success=False, error="No\nanswer", latency_ms=1_500, tokens_used=1_200)
    script.problem("p1", "critical", "Nobody is there")
    script.decision("d2", "Ask again", "desk", options=options)
    script.outcome("d2", summary="They answered")
    script.decision("d3", "Book", "shop")
    return script


def test_the_timeline_is_a_tree_by_node(script: Script) -> None:
    """One line for each decision and problem, at their times; a failure with its error."""
    lines = [line.plain for line in trace_lines(trace(fold_of(*script.written)), width=100)]

    assert [
        "[desk]",
        "├─ +00:01.0 ✗ Ask → By phone  1.5 s · 1,200 tokens · d1",
        "│    No answer",
        "├─ +00:03.0 ‼ critical problem: Nobody is there  p1",
        "└─ +00:04.0 ✓ Ask again → By phone  1.0 s · d2",
        "[shop]",
        "└─ +00:06.0 … Book → The first way  d3",
    ] == lines


def test_in_full_it_has_options_reasons_constraints_and_results(script: Script) -> None:
    """The chosen option is marked."""
    lines = [line.plain for line in trace_lines(trace(fold_of(*script.written), full=True), width=100)]

    assert [
        "│    because: It is late",
        "│    constraint: no cost",
        "│    ● a: By phone  confidence 0.8  + quick",
        "│    ○ b: By mail  − slow",
        "│    error: No answer",
    ] == lines[2:7]
    assert "     result: They answered" in lines


def test_a_long_choice_is_cut_to_the_width(script: Script) -> None:
    """What cannot be cut is shown all the same: the id is needed to find it again."""
    script.decision("d4", "Pay", "shop", options=[{"id": "a", "description": "word " * 100}])
    wide, narrow = (list(trace_lines(trace(fold_of(*script.written)), width=width))[-1] for width in (100, 10))

    assert 100 == wide.cell_len
    assert wide.plain.endswith("…  d4")
    assert narrow.plain.endswith("…  d4")


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [(0, "+00:00.0"), (61_240, "+01:01.2"), (3_600_000, "+1:00:00.0"), (-1_500, "-00:01.5")],
)
def test_times_are_told_from_the_start(offset_ms: int, expected: str) -> None:
    """Hours only where there are any; a clock may have been behind."""
    script = Script(RUN_ID)
    script.decision("d1")
    [entry] = trace(fold_of(*script.written))

    lines = [line.plain for line in trace_lines([entry.model_copy(update={"offset_ms": offset_ms})], width=80)]

    assert lines[1].startswith(f"└─ {expected} ")


@given(runs())
def test_everything_is_in_it_once_and_in_order(run: Run) -> None:
    """Whatever the run holds can be shown, without anything that a terminal would obey."""
    entries = list(trace(run, full=True))

    assert sorted(entry.offset_ms for entry in entries) == [entry.offset_ms for entry in entries]
    assert [decision.id for decision in run.decisions] == [e.id for e in entries if e.kind == "decision"]
    assert [problem.id for problem in run.problems] == [e.id for e in entries if e.kind == "problem"]
    assert all(json.loads(entry.model_dump_json()) for entry in entries)
    assert not any("\x1b" in line.plain for line in trace_lines(entries, width=60))
