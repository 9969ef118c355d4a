"""How long it takes to tell what the runs of a goal have in common, against bare commands that fetch the same."""

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.processes import KEYS, Site, fresh_site
from runweaver.query import Insights
from runweaver.shared import RunStatus, connect
from runweaver.shared.figures import RunFigures, latency_step

_FEW: Final = 10_000
_MANY: Final = 100_000
_LEAST: Final = 100
_RUNS_A_PIPELINE: Final = 1_000
_RUNS_AT_ONCE: Final = 1_000
_GOAL: Final = "qualify-leads"
_STEPS: Final = 10
_TTL_S: Final = 24 * 60 * 60


def _measure(scale: float) -> Rounds:
    few, many = (max(_LEAST, int(count * scale)) for count in (_FEW, _MANY))
    with fresh_site() as small, fresh_site() as large:
        for site, runs in ((small, few), (large, many)):
            _fill(site, runs)
            site.wait_until_quiet()
        while True:
            found = {name: _timed(site, runs) for name, site, runs in (("few", small, few), ("many", large, many))}
            yield {**found, "few, by itself": Pair(found["few"].ours)}


def _timed(site: Site, runs: int) -> Pair:
    """Seconds for the answer, and for `ZRANGE` and `MGET` of all that it is made from."""
    insights, client = Insights(site.url, namespace=KEYS.namespace), connect(site.url, name="bare")
    began_at = time.perf_counter()
    found = insights.get(_GOAL)
    ours_s = time.perf_counter() - began_at
    assert found.runs == runs
    began_at = time.perf_counter()
    run_ids: Any = client.zrange(KEYS.index_goal(_GOAL), 0, -1)
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        client.mget([KEYS.figures(run_id.decode()) for run_id in run_ids[start : start + _RUNS_AT_ONCE]])
    return Pair(ours_s, time.perf_counter() - began_at)


def _fill(site: Site, runs: int) -> None:
    """Write figures and the index, as a finalizer does."""
    dice = random.Random(1)
    newest = datetime.now(UTC)
    for start in range(0, runs, _RUNS_A_PIPELINE):
        with site.client.pipeline(transaction=False) as pipeline:
            scores: dict[str, float] = {}
            for number in range(start, min(start + _RUNS_A_PIPELINE, runs)):
                ended_at_ms = int((newest - timedelta(seconds=number)).timestamp() * 1000)
                figures = run_figures(dice, number, ended_at_ms)
                pipeline.set(KEYS.figures(figures.run_id), figures.pack(), ex=_TTL_S)
                scores[figures.run_id] = ended_at_ms
            pipeline.zadd(KEYS.index_goal(_GOAL), scores)
            pipeline.execute()


def run_figures(dice: random.Random, number: int, ended_at_ms: int) -> RunFigures:
    """A run of ten steps in four nodes, with one of three options each; every third run fails."""
    is_lost = number % 3 == 0
    choices: list[tuple[Any, ...]] = []
    for step in range(_STEPS):
        option = dice.choice("abc")
        failed = is_lost and step == _STEPS - 1
        told = (f"node-{step % 4}", f"Do step {'ABCDEFGHIJ'[step]}", option, f"The way {option} of customer {number}")
        choices.append(
            (*told, not failed, failed, 0, dice.randrange(900), [(latency_step(dice.randrange(1, 9_000)), 1)])
        )
    error = f"{dice.choice(('No row', 'Time out at page', 'No access to'))} {number}"
    return RunFigures.model_validate(
        {
            "run_id": f"run-20260101T000000-{number:012x}",
            "goal_id": _GOAL,
            "status": RunStatus.FAILED if is_lost else RunStatus.COMPLETED,
            "finished_at_ms": ended_at_ms,
            "duration_ms": dice.randrange(1, 100_000),
            "tokens": 4_000,
            "decisions": _STEPS,
            "choices": choices,
            "failures": [(_STEPS - 1, error, 1, 0)] if is_lost else [],
            "breakdown": ("failed_decision", _STEPS - 1, error) if is_lost else None,
        }
    )


ROWS: Final = (
    Row(
        "insights",
        f"Insights.get() of a goal with {_FEW:,} (few) and {_MANY:,} (many) runs of {_STEPS} decisions, against ZRANGE "
        "and MGET of all that it is made from",
        (
            Kind("few, by itself", "s", target=at_most(2)),
            Kind("few", "s", "MGET"),
            Kind("many", "s", "MGET"),
        ),
        _measure,
    ),
)
