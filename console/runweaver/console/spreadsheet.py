"""Summaries as CSV, for spreadsheets."""

import csv
from collections.abc import Iterable
from typing import Final, TextIO

from runweaver.console.render import shown
from runweaver.shared.summary import RunSummary

#: The columns, in this order. New ones come last.
COLUMNS: Final = (
    *("run_id", "goal_id", "status", "started_at", "finished_at", "duration_ms"),
    *("decisions", "failed_decisions", "pending_decisions", "success_rate", "tokens", "latency_ms"),
    *("problems", "critical_problems", "warnings", "nodes", "tags", "attention"),
    *("missing_messages", "revision", "goal_description", "narrative"),
    *("trace_id", "span_id"),
)

#: A spreadsheet takes a cell that begins so for a formula, and computes what an agent wrote there.
_FORMULAS: Final = tuple("=+-@\t\r\n＝＋－＠")


def write_csv(summaries: Iterable[RunSummary], file: TextIO) -> None:
    """One line with the names of the columns, then one a run. Lists are joined by `; `, times are ISO 8601 in UTC."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for summary in summaries:
        writer.writerow(_safe(cell) for cell in _cells(summary))


def _cells(summary: RunSummary) -> tuple[str | int | float, ...]:
    return (
        *(summary.run_id, summary.goal_id, summary.status.value),
        *(summary.started_at.isoformat(), summary.finished_at.isoformat(), summary.duration_ms),
        *(summary.decision_count, summary.failed_decisions, summary.pending_decisions),
        *(summary.success_rate, summary.tokens, summary.latency_ms),
        *(summary.problem_count, len(summary.critical_problems), len(summary.warnings)),
        *("; ".join(summary.nodes), "; ".join(summary.tags)),
        "; ".join(attention.flag for attention in summary.attention),
        *(summary.completeness.missing, summary.revision, summary.goal_description, summary.narrative),
        *(summary.trace_id or "", summary.span_id or ""),
    )


def _safe(cell: str | float) -> str | float:
    """What an agent reported, as neither a spreadsheet nor a terminal obeys it."""
    if not isinstance(cell, str):
        return cell
    return shown(f"'{cell}" if cell.startswith(_FORMULAS) else cell)
