"""Summaries as CSV."""

import csv
import io

import pytest

from runweaver.console.spreadsheet import COLUMNS, write_csv
from runweaver.shared import RunSummary
from runweaver.shared.attention import Attention, AttentionFlag
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of


def _row(narrative: str = "", tag: str = "t", run_id: str = RUN_ID) -> dict[str, str]:
    script = Script(run_id)
    run = fold_of(
        script.started("g", goal_description="Sort, and file", tags=[tag, "u"], trace_id="a" * 32, span_id="b" * 16),
        script.decision("d", "Look", "desk"),
        script.outcome("d", success=False, error="No", tokens_used=7, latency_ms=30),
        script.problem("x", "critical"),
        script.ended("failed", narrative=narrative),
    )
    summary = RunSummary.from_run(run).model_copy(
        update={"attention": [Attention(flag=AttentionFlag.SLOW, reason="", value=2, threshold=1)]}
    )
    written = io.StringIO()
    write_csv([summary], written)
    [row] = csv.DictReader(io.StringIO(written.getvalue(), newline=""))
    return row


def test_a_run_is_a_line_under_the_names_of_its_columns() -> None:
    """Times in ISO 8601, lists joined, lines and commas kept within their cells."""
    row = _row('He said "so, and so"\nand went.')

    assert COLUMNS == tuple(row)
    assert {
        "run_id": RUN_ID,
        "goal_id": "g",
        "status": "failed",
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:00:04+00:00",
        "duration_ms": "4000",
        "decisions": "1",
        "failed_decisions": "1",
        "pending_decisions": "0",
        "success_rate": "0.0",
        "tokens": "7",
        "latency_ms": "30",
        "problems": "1",
        "critical_problems": "1",
        "warnings": "0",
        "nodes": "desk",
        "tags": "t; u",
        "attention": "slow",
        "missing_messages": "0",
        "revision": "1",
        "goal_description": "Sort, and file",
        "narrative": 'He said "so, and so"\nand went.',
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
    } == row


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\n", "＝"])
def test_no_cell_is_a_formula(begin: str) -> None:
    """A spreadsheet shows what an agent wrote, and does not compute it."""
    row = _row(f"{begin}HYPERLINK()", tag=f"{begin}1")

    assert (f"'{begin}HYPERLINK()", f"'{begin}1; u") == (row["narrative"], row["tags"])
    assert "'-run" == _row(run_id="-run")["run_id"]


def test_no_cell_commands_a_terminal() -> None:
    """Escape sequences are shown as signs."""
    assert "a␛[2Jb␍c" == _row("a\x1b[2Jb\rc")["narrative"]
