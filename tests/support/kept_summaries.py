"""Summaries of any time, as a finalizer leaves them behind."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from runweaver.shared import RunStatus, RunSummary
from runweaver.shared.figures import RunFigures
from runweaver.worker.index import Indexed, announcing, indexing
from tests.support.processes import Pipeline

#: When runs end, unless something else is said.
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TTL_S: Final = 600
_KEPT: Final = 1_000


def made(run_id: str, finished_at: datetime = NOON, **fields: Any) -> RunSummary:
    """A summary of a run of a second."""
    return RunSummary(
        **{
            "run_id": run_id,
            "goal_id": "a",
            "status": RunStatus.COMPLETED,
            "duration_ms": 1_000,
            "decision_count": 1,
            "success_rate": 1.0,
            "problem_count": 0,
            "narrative": "Run completed.",
            "started_at": finished_at - timedelta(seconds=1),
            "finished_at": finished_at,
            **fields,
        }
    )


def keep(pipeline: Pipeline, summaries: Iterable[RunSummary], figures: Iterable[RunFigures] = ()) -> None:
    """Write and index them."""
    kept = list(summaries)
    with pipeline.redis.pipeline(transaction=False) as writing:
        for summary in kept:
            writing.set(pipeline.keys.summary(summary.run_id), summary.model_dump_json(), ex=_TTL_S)
        for each in figures:
            writing.set(pipeline.keys.figures(each.run_id), each.pack(), ex=_TTL_S)
        for command in indexing(pipeline.keys, [Indexed(summary, expires_at_ms=1e15) for summary in kept]):
            writing.execute_command(*command)
        writing.execute()


def announce(pipeline: Pipeline, *summaries: RunSummary) -> None:
    """Write and index them, and tell whoever listens."""
    keep(pipeline, summaries)
    for summary in summaries:
        pipeline.redis.execute_command(*announcing(pipeline.keys, summary, kept=_KEPT))
