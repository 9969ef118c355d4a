"""The page on what a hundred recorded runs tell is what the commands print."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.recordings import RECORDINGS, needs_recordings

ROOT: Final = Path(__file__).parents[2]


def _written(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.recorded_insights", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@needs_recordings
def test_the_page_is_what_the_command_writes() -> None:
    """Through a real server, worker and finalizer. Where a change is meant, write it anew, and read it again."""
    done = _written(str(RECORDINGS))

    assert (0, "") == (done.returncode, done.stderr)
    assert (ROOT / "docs" / "insights.md").read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize(
    "told",
    [
        # Which tools fail, with which errors, on which tasks.
        "[tools] update_reservation_flights\n    23 of 56 (41%) failed",
        "[tools] book_reservation: Error: payment amount does not add up, total price is <n>, but paid <n>",
        "Goals: task-0 (2), task-11 (2),\n  task-25, task-8.",
        # What the successful runs of the same task did differently.
        "task-1: 1 of 2 (50%) completed\n    [tools] Call get_reservation_details: 3 times, lost runs never",
        'flights[1].flight_number ("HAT132" → "HAT172")',
    ],
)
def test_the_page_says_what_a_builder_asks(told: str) -> None:
    """In these words, each found right by looking into the recordings."""
    assert told in (ROOT / "docs" / "insights.md").read_text(encoding="utf-8")


def test_a_file_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    """Nothing is started for it."""
    done = _written(str(tmp_path / "absent.jsonl"))

    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("error: [Errno 2] No such file")
