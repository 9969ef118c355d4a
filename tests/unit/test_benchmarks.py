"""The benchmarks still run. What they measure here, so small, means nothing."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Figure, Kind, Pair, Rounds, Row, at_least, at_most
from benchmarks.messages import Load, staggered
from benchmarks.rows import ROWS
from benchmarks.spread import Shape, measure

_ROOT = Path(__file__).parents[2]


def _measured(*arguments: str) -> Any:
    """What a benchmark prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--json"], cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_rows_run() -> None:
    """Some rows by themselves: each figure is there, and says what it was held against."""
    rows = ["finalizer", "reading", "fleet", "hook-plain-python"]

    told = _measured("benchmarks", *rows, "--rounds", "1", "--scale", "0.001")

    expected = [(row, kind.name, str(kind.target or "")) for row in rows for kind in ROWS[row].kinds]
    assert expected == [(figure["row"], figure["name"], figure["target"]) for figure in told["figures"]]
    assert all(figure["ours"] > 0 for figure in told["figures"])
    assert {"processor", "server", "pydantic"} <= told["setting"].keys()


def test_figures_are_medians_and_each_ratio_is_of_one_round() -> None:
    """A round in which the machine was slow for both says the same as another."""
    pairs = [Pair(10, 100), Pair(2, 10), Pair(30, 100)]

    figure = _figure(pairs, Kind("speed", "", "floor", at_least(0.2)))

    assert (10, 100, 0.2, True) == (figure.ours, figure.compared, figure.ratio, figure.reached)


@pytest.mark.parametrize(("most", "reached"), [(4.0, False), (5.0, True)])
def test_a_figure_without_comparison_is_held_against_its_target(most: float, reached: bool) -> None:  # noqa: FBT001
    """As it is."""
    assert reached == _figure([Pair(5)], Kind("seconds", "s", "", at_most(most))).reached


def test_what_cannot_be_measured_says_why() -> None:
    """And is neither reached nor missed."""
    figure = _figure(["it is not installed"], Kind("speed", "", "", at_least(1)))

    assert (None, None) == (figure.ours, figure.reached)
    assert "not measured: it is not installed" in str(figure)


def test_another_figure_can_settle_a_target() -> None:
    """Two workers need not be twice as fast where the server has no more to give."""

    def measure(_scale: float) -> Rounds:
        yield {"2 workers": Pair(1.2, 1), "server": Pair(0.95)}

    workers = Kind("2 workers", "", "1 worker", at_least(1.7, or_figure="server"))
    kinds = (workers, Kind("server", "", "", at_least(0.9)))

    assert [True, True] == [figure.reached for figure in Row("workers", "", kinds, measure).figures(1, 1.0)]


def test_a_row_is_asked_for_no_more_rounds_than_it_takes() -> None:
    """A round takes a minute."""
    begun = []

    def measure(_scale: float) -> Rounds:
        while True:
            begun.append("round")
            yield {}

    Row("row", "", (), measure).figures(2, 1.0)

    assert ["round"] * 2 == begun


@pytest.mark.parametrize("sent", [Load(7, 20, runs_at_once=3).sent(), staggered(7, 20, 10)], ids=["turns", "staggered"])
def test_made_up_runs_are_whole(sent: Any) -> None:
    """Each run has its messages once and in order, however runs overlap."""
    sequences = defaultdict(list)
    for run_id, raw in sent:
        sequences[run_id].append(json.loads(raw)["seq"])

    assert {f"run-{run}": list(range(20)) for run in range(7)} == sequences


def test_floods_run() -> None:
    """A flood comes, goes, and says what it did."""
    (result,) = _measured("benchmarks.floods", "one-run", "--scale", "0.001", "--calm", "0.1")["results"]

    assert result["is_over"]
    assert (1_000, 1) == (result["messages"], result["summaries"])
    assert 0 == result["flooded"]["lost"]


def test_producer_calls_run() -> None:
    """A situation with a server that goes and comes back, at a pace and flat out."""
    rows = _measured("benchmarks.producer_calls", "minute", "--scale", "0.01")["rows"]

    assert 2 * ["up", "down", "back"] == [row["stage"] for row in rows]
    assert all(row["arrived"] for row in rows)


def _figure(found: list[Any], kind: Kind) -> Figure:
    """What comes of these rounds."""

    def measure(_scale: float) -> Rounds:
        for each in found:
            yield {kind.name: each}

    (figure,) = Row("row", "how", (kind,), measure).figures(len(found), 1.0)
    return figure


def test_spread_runs() -> None:
    """On a server by itself and on a cluster: all is merged, and the shares of what was done add up."""
    alone, spread = (measure(shape, Load(400, 60)) for shape in (Shape(0, 1), Shape(2, 2)))

    assert 1 == alone.busiest
    assert 0.5 <= spread.busiest <= 1
    assert 0 < alone.rate
    assert 0 < spread.rate
