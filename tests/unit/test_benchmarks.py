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


def test_end_to_end_runs() -> None:
    """From the stream to the summary, and the floor beside it."""
    measured = _measured("benchmarks.end_to_end", "--runs", "300", "--messages", "20", "--rounds", "1")

    assert 1 == len(measured["rounds"])


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
