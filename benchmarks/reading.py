"""How long it takes to read summaries, against the bare commands that fetch the same bytes."""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.messages import BEGIN
from benchmarks.processes import KEYS, Site, fresh_site
from runweaver.query import Summaries
from runweaver.shared import RunSummary, connect
from runweaver.shared.run import Completeness, ProducerCompleteness, RunStatus
from runweaver.worker.index import EXPIRY_GRACE_S, Indexed, indexing

_FEW: Final = 10_000
_MANY: Final = 1_000_000
_LEAST: Final = 1_000
_GOALS: Final = 100
#: A goal has a page of completed runs, and more, wherever it is looked for.
_RUNS_A_GOAL: Final = 100
_LIMIT: Final = 50
_CALLS: Final = 2_000
_LEAST_CALLS: Final = 50
_RUNS_A_PIPELINE: Final = 500
_TTL_S: Final = 30 * 24 * 60 * 60


@dataclass(frozen=True)
class _Reader:
    """The calls that are compared, on one server, each for a run or a goal of its own."""

    runs: int
    goals: int
    summaries: Summaries
    client: Any

    def calls(self, choose: random.Random) -> Mapping[str, Callable[[], Any]]:
        """What is timed: each call on what it has not just read."""
        run_id = _run_id(choose.randrange(self.runs))
        goal = _goal_id(choose.randrange(self.goals))
        page = self.summaries.list(goal=goal, status=RunStatus.COMPLETED, limit=_LIMIT)
        keys = [KEYS.summary(summary.run_id) for summary in page.items]
        assert len(keys) == _LIMIT
        other = _goal_id(choose.randrange(self.goals))
        return {
            "get": partial(self.summaries.get, run_id),
            "GET": partial(self.client.get, KEYS.summary(run_id)),
            "list": partial(self.summaries.list, goal=other, status=RunStatus.COMPLETED, limit=_LIMIT),
            "MGET": partial(self.client.mget, keys),
        }


def _measure(scale: float) -> Rounds:
    few, many = (max(_LEAST, int(count * scale)) for count in (_FEW, _MANY))
    goals = min(_GOALS, few // _RUNS_A_GOAL)
    with fresh_site() as small, fresh_site() as large:
        readers = {"few": _filled(small, few, goals), "many": _filled(large, many, goals)}
        for site in (small, large):
            site.wait_until_quiet()
        while True:
            took_us = _medians_us(readers, max(_LEAST_CALLS, int(_CALLS * scale)))
            yield {
                **{
                    f"{call}, {size}": Pair(took_us[size, call], took_us[size, bare])
                    for call, bare in (("get", "GET"), ("list", "MGET"))
                    for size in readers
                },
                **{f"{call}, growth": Pair(took_us["many", call], took_us["few", call]) for call in ("get", "list")},
            }


def _medians_us(readers: Mapping[str, _Reader], calls: int) -> dict[tuple[str, str], float]:
    """All of them in turn."""
    choose = random.Random(1)
    took_us: dict[tuple[str, str], list[float]] = {}
    for _ in range(calls):
        for size, reader in readers.items():
            for name, call in reader.calls(choose).items():
                began_ns = time.perf_counter_ns()
                call()
                took_us.setdefault((size, name), []).append((time.perf_counter_ns() - began_ns) / 1000)
    return {place: statistics.median(took) for place, took in took_us.items()}


def _filled(site: Site, runs: int, goals: int) -> _Reader:
    """Write so many summaries, as a finalizer does."""
    expires_at_ms = (time.time() + _TTL_S) * 1000
    model = model_summary()
    for start in range(0, runs, _RUNS_A_PIPELINE):
        indexed = []
        with site.client.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + _RUNS_A_PIPELINE, runs)):
                summary = model.model_copy(update=_varied(number, goals))
                raw = summary.model_dump_json()
                pipeline.set(KEYS.summary(summary.run_id), raw, ex=_TTL_S + EXPIRY_GRACE_S)
                indexed.append(Indexed(summary, expires_at_ms))
            for command in indexing(KEYS, indexed):
                pipeline.execute_command(*command)
            pipeline.execute()
    return _Reader(runs, goals, Summaries(site.url, namespace=KEYS.namespace), connect(site.url, name="bare"))


def _varied(number: int, goals: int) -> dict[str, Any]:
    finished_at = BEGIN + timedelta(seconds=number)
    return {
        "run_id": _run_id(number),
        "goal_id": _goal_id(number % goals),
        # Of each goal's runs, one in ten has failed.
        "status": RunStatus.FAILED if number // goals % 10 == 0 else RunStatus.COMPLETED,
        "started_at": finished_at - timedelta(seconds=42),
        "finished_at": finished_at,
        "tokens": 1_000 + number % 4_000,
    }


def _run_id(number: int) -> str:
    return f"run-20260101T000000-{number:012x}"


def _goal_id(number: int) -> str:
    return f"qualify-leads-{number}"


def model_summary() -> RunSummary:
    """What the others are made from."""
    return RunSummary(
        run_id=_run_id(0),
        goal_id=_goal_id(0),
        status=RunStatus.COMPLETED,
        duration_ms=42_000,
        decision_count=9,
        success_rate=0.8,
        problem_count=1,
        narrative="Run completed. Made 9 decisions: 7 succeeded, 2 failed. Warnings: The contact answers slowly. "
        "First failure: [mailer] Ask the contact for the budget, with “Mail”: The mailbox is full. "
        "Tried again with “Call”, which worked.",
        key_decisions=["✗ [mailer] Ask the contact for the budget", "✗ [qualifier] Infer the budget from size"],
        warnings=["The contact answers slowly"],
        successes=["Budget of $50k inferred", "Contact found", "Meeting arranged for Tuesday"],
        goal_description="Qualify sales leads",
        tags=["production", "europe"],
        started_at=BEGIN,
        finished_at=BEGIN,
        failed_decisions=2,
        tokens=4_608,
        latency_ms=7_560,
        nodes=["qualifier", "mailer", "caller"],
        completeness=Completeness(producers={"agent-4711-3f9a": ProducerCompleteness(received=20, declared=20)}),
    )


ROWS: Final = (
    Row(
        "reading",
        f"Summaries.get() against GET of the same summary, the newest {_LIMIT} by goal and status against MGET of as "
        f"many; p50 at {_FEW:,} summaries (few) and at {_MANY:,} (many) of {_GOALS} goals",
        (
            *(Kind(f"get, {size}", "µs", "GET", at_most(3)) for size in ("few", "many")),
            *(Kind(f"list, {size}", "µs", "MGET", at_most(3)) for size in ("few", "many")),
            *(Kind(f"{call}, growth", "µs, many", "few", at_most(1.5)) for call in ("get", "list")),
        ),
        _measure,
    ),
)
