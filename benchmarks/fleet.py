"""How long it takes to tell how a fleet did, for the first page of the console."""

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi.testclient import TestClient

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.insights import run_figures
from benchmarks.processes import KEYS, Site, fresh_site
from benchmarks.reading import model_summary
from runweaver.console.web.app import create_app
from runweaver.query import Fleet
from runweaver.shared import RunSummary
from runweaver.shared.run import RunStatus
from runweaver.shared.settings import ConsoleSettings
from runweaver.worker.index import Indexed, indexing

_RUNS: Final = 100_000
_LEAST: Final = 1_000
_GOALS: Final = 100
_RUNS_A_PIPELINE: Final = 500
_CALLS: Final = 5
_PERIOD: Final = timedelta(days=7)
_TTL_S: Final = 24 * 60 * 60


def _measure(scale: float) -> Rounds:
    with fresh_site() as site:
        _fill(site, max(_LEAST, int(_RUNS * scale)))
        site.wait_until_quiet()
        fleet = Fleet(site.url, namespace=KEYS.namespace)
        settings = ConsoleSettings(redis_url=site.url, namespace=KEYS.namespace)
        # Without a token, it is served under names of its own machine only.
        console = TestClient(create_app(settings), base_url="http://localhost")
        while True:
            yield {
                "over a day": Pair(_median_ms(lambda: fleet.over(timedelta(days=1)))),
                "over a week": Pair(_median_ms(lambda: fleet.over(_PERIOD))),
                "what changed": Pair(_median_ms(lambda: fleet.changes(timedelta(days=1)))),
                "the page": Pair(_median_ms(lambda: console.get("/?period=7d").raise_for_status())),
            }


def _median_ms(call: Callable[[], Any]) -> float:
    took_s = []
    for _ in range(_CALLS):
        began_at = time.perf_counter()
        call()
        took_s.append(time.perf_counter() - began_at)
    return statistics.median(took_s) * 1000


def _fill(site: Site, runs: int) -> None:
    """Write summaries and figures over two weeks, as a finalizer does."""
    dice = random.Random(1)
    now = datetime.now(UTC)
    for start in range(0, runs, _RUNS_A_PIPELINE):
        indexed = []
        with site.client.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + _RUNS_A_PIPELINE, runs)):
                summary = _summary(dice, number, now - 2 * _PERIOD * (number / runs))
                figures = run_figures(dice, number, int(summary.finished_at.timestamp() * 1000))
                pipeline.set(KEYS.summary(summary.run_id), summary.model_dump_json(), ex=_TTL_S)
                pipeline.set(KEYS.figures(summary.run_id), figures.pack(), ex=_TTL_S)
                indexed.append(Indexed(summary, (time.time() + _TTL_S) * 1000))
            for command in indexing(KEYS, indexed):
                pipeline.execute_command(*command)
            pipeline.execute()


def _summary(dice: random.Random, number: int, finished_at: datetime) -> RunSummary:
    return model_summary().model_copy(
        update={
            "run_id": f"run-20260101T000000-{number:012x}",
            "goal_id": f"qualify-leads-{dice.randrange(_GOALS)}",
            "status": dice.choices(list(RunStatus)[1:], (80, 12, 3, 5))[0],
            "started_at": finished_at - timedelta(seconds=42),
            "finished_at": finished_at,
            "tokens": dice.randrange(1_000, 5_000),
            "duration_ms": dice.randrange(1_000, 100_000),
        }
    )


ROWS: Final = (
    Row(
        "fleet",
        f"Fleet.over() and Fleet.changes() at {_RUNS:,} summaries of {_GOALS} goals in two weeks; and the console's "
        "first page over a week, whole",
        (
            Kind("over a day", "ms"),
            Kind("over a week", "ms"),
            Kind("what changed", "ms"),
            Kind("the page", "ms", target=at_most(200)),
        ),
        _measure,
    ),
)
