"""Finished runs are found by what they are and by what is told of them, the newest first, page by page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from runweaver.query import Summaries
from runweaver.shared import InvalidArgumentError, InvalidCursorError
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def found(server: Server) -> Iterator[Pipeline]:
    """Twelve runs, one a minute: goals in turn a, b, c; every fourth failed; some through node `rare`.

    Each is tagged by the number of its minute, used a hundred times as many tokens and took twice as many seconds; the
    last of each three met a problem.
    """
    with Pipeline(server.url, "finding") as pipeline:
        pipeline.start("worker")
        pipeline.start("finalizer")
        for number in range(12):
            script = Script(f"run-{number:02}")
            ended_at = _NOON + timedelta(minutes=number)
            started_at = (ended_at - timedelta(seconds=2 * number)).isoformat()
            pipeline.send(
                script.started("abc"[number % 3], started_at=started_at, tags=["all", f"minute-{number}"]),
                script.decision("d", node_id="rare" if number % 5 == 0 else "usual"),
                script.outcome("d", tokens_used=100 * number),
                *([script.problem("p", "minor" if number == 2 else "warning", "A Storm")] if number % 3 == 2 else []),
                script.ended("failed" if number % 4 == 0 else "completed", ended_at=ended_at.isoformat()),
            )
        for number in range(12):
            pipeline.summary(f"run-{number:02}")
        pipeline.wait_until_idle()
        yield pipeline


def _numbers(pipeline: Pipeline, **filters: object) -> list[int]:
    page = pipeline.summaries.list(**filters)  # type: ignore[arg-type]
    return [int(summary.run_id.removeprefix("run-")) for summary in page.items]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"goal": "b"}, [10, 7, 4, 1]),
        ({"status": "failed"}, [8, 4, 0]),
        ({"goal": "a", "status": "completed"}, [9, 6, 3]),
        ({"node": "rare"}, [10, 5, 0]),
        ({"node": "rare", "status": "failed"}, [0]),
        ({"since": _NOON + timedelta(minutes=9)}, [11, 10, 9]),
        ({"until": _NOON + timedelta(minutes=2)}, [1, 0]),
        ({"goal": "nobody's"}, []),
        ({"limit": 3}, [11, 10, 9]),
        ({"tag": "minute-7"}, [7]),
        ({"tag": "all", "status": "failed"}, [8, 4, 0]),
        ({"severity": "warning"}, [11, 8, 5]),
        ({"severity": "minor"}, [2]),
        ({"min_tokens": 1_000}, [11, 10]),
        ({"min_duration_ms": 20_000}, [11, 10]),
        ({"grep": "storm"}, [11, 8, 5]),
        ({"grep": "storm", "goal": "c", "status": "failed"}, [8]),
        ({"attention": "missing"}, []),
    ],
    ids=str,
)
def test_runs_are_found_by_what_they_are(found: Pipeline, filters: dict[str, object], expected: list[int]) -> None:
    """Filters go together: a run has to match them all."""
    assert expected == _numbers(found, **filters)


@pytest.mark.parametrize(
    "filters", [{}, {"node": "usual"}, {"min_tokens": 300}, {"until": _NOON + timedelta(minutes=9)}], ids=str
)
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_follow_one_another(found: Pipeline, filters: dict[str, object], limit: int) -> None:
    """Together they give what one long page gives; the last one has no cursor."""
    whole = _numbers(found, **filters)
    paged: list[int] = []
    cursor = None
    while True:
        page = found.summaries.list(**filters, limit=limit, cursor=cursor)  # type: ignore[arg-type]
        paged += [int(summary.run_id.removeprefix("run-")) for summary in page.items]
        assert len(page.items) <= limit
        cursor = page.next_cursor
        if cursor is None:
            break

    assert whole == paged


def test_all_of_them_can_be_gone_through(found: Pipeline) -> None:
    """However many they are: they are read some at a time, and one can go on after each piece."""
    failed = [summary.run_id for summary in found.summaries.each(status="failed")]
    first = next(found.summaries.batches(status="failed", at_once=1))
    rest = [summary.run_id for summary in found.summaries.each(status="failed", cursor=first.cursor)]

    assert ["run-08", "run-04", "run-00"] == failed
    assert (["run-08"], ["run-04", "run-00"]) == ([summary.run_id for summary in first.items], rest)


def test_runs_that_end_in_the_same_instant_are_each_told_once(own_pipeline: Pipeline) -> None:
    """Also where a page ends among them."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    for number in range(7):
        script = Script(f"run-{number}")
        own_pipeline.send(script.started(), script.ended(ended_at=_NOON.isoformat()))
    own_pipeline.wait_until_idle()

    first = own_pipeline.summaries.list(limit=4)
    rest = own_pipeline.summaries.list(limit=4, cursor=first.next_cursor)

    assert [f"run-{number}" for number in reversed(range(7))] == [
        summary.run_id for summary in [*first.items, *rest.items]
    ]
    assert rest.next_cursor is None


def test_what_makes_no_sense_is_refused(found: Pipeline) -> None:
    """An unknown status, a cursor that nobody handed out, a limit that is off."""
    with pytest.raises(InvalidArgumentError, match="'dozing' is none of running, completed, failed"):
        found.summaries.list(status="dozing")
    with pytest.raises(InvalidCursorError, match="take `next_cursor` of an earlier page"):
        found.summaries.list(cursor="abc")
    with pytest.raises(InvalidArgumentError, match="limit: 0 is not between 1 and 1,000"):
        found.summaries.list(limit=0)


def test_a_summary_that_expired_is_listed_no_more(own_pipeline: Pipeline) -> None:
    """Neither it nor what is left of it in the indexes: the sweep clears both."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer", RUNWEAVER_SUMMARY_TTL_S="3")
    script = Script("run")
    own_pipeline.send(script.started(tags=["nightly"]), script.decision("d"), script.ended())
    own_pipeline.summary("run")

    def index_keys() -> list[bytes]:
        return list(own_pipeline.redis.scan_iter(f"{own_pipeline.namespace}:index:*"))

    # All, expiry, goal, status, both, node, tag, and attention: the decision is pending. They come after the summary.
    wait_until(lambda: len(index_keys()) == 8, what="the summary is in its indexes")
    assert Summaries(own_pipeline.url, namespace=own_pipeline.namespace).list().items
    wait_until(lambda: not index_keys(), what="the indexes are empty")
    assert own_pipeline.summaries.get("run") is None


def test_a_text_is_found_in_what_a_run_wanted_and_met(own_pipeline: Pipeline) -> None:
    """Its intents and errors, also those that its summary does not name."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    for number, intent in enumerate(["Weigh the parcel", "Label it"]):
        script = Script(f"run-{number}")
        own_pipeline.send(
            script.started(),
            script.decision("d", intent),
            script.outcome("d"),
            *(script.decision(f"e{n}", "Send it") for n in range(2)),
            *(script.outcome(f"e{n}", success=n == 1, error=None if n else f"Scale {number} broke") for n in range(2)),
            script.ended(),
        )
        own_pipeline.summary(f"run-{number}")
    own_pipeline.wait_until_idle()

    assert [0] == _numbers(own_pipeline, grep="weigh THE")
    assert [1] == _numbers(own_pipeline, grep="scale 1 broke")
    assert [1, 0] == _numbers(own_pipeline, grep="send it")
    assert [] == _numbers(own_pipeline, grep="sent it")
