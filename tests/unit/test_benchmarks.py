"""The benchmarks still run. What they measure here, so small, means nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def _measured(*arguments: str) -> Any:
    """What a benchmark prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--json"], cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_ingest_rows_run() -> None:
    """The floor and a worker take turns, and each figure says what it was held against."""
    figures = _measured("benchmarks", "wide", "workers", "--rounds", "1", "--scale", "0.01")["figures"]

    assert ["wide"] * 4 + ["workers"] * 4 == [figure["row"] for figure in figures]
    assert all(figure["ours"] > 0 for figure in figures)
    assert {"≥ 0.6", "≤ 1.2"} <= {figure["target"] for figure in figures}


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
