"""How much waited over time: what is kept, and what of it is told."""

from datetime import UTC, datetime, timedelta

from runweaver.console.web.waiting import Waited, Waiting
from runweaver.query import FleetOverview, PipelineStatus, Rate
from runweaver.query.many_runs.findings import Direction
from runweaver.query.many_runs.fleet_overview import FleetStep
from runweaver.shared.errors import ServerError
from tests.support.waiting import wait_until

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_NONE = Rate(count=0, total=0)


def _overview(steps: int, step_s: int) -> FleetOverview:
    begins = [_NOON + timedelta(seconds=step_s * number) for number in range(steps)]
    return FleetOverview(
        since=_NOON,
        until=_NOON + timedelta(seconds=steps * step_s),
        step_s=step_s,
        steps=[FleetStep(since=begin, statuses={}, success=_NONE, tokens=0, duration_p50_ms=None) for begin in begins],
        statuses={},
        success=_NONE,
        runs_before=0,
        before=_NONE,
        direction=Direction.UNKNOWN,
        tokens=0,
        duration_p50_ms=None,
        looked_at=0,
        sampled_out=0,
        goals=[],
        goals_found=0,
    )


def test_of_each_step_the_most_is_told() -> None:
    """By itself for messages and for runs. What was seen before, after, or not at all is left out."""
    waiting = Waiting(lambda: PipelineStatus(partitions=[], workers=[], summaries=0))
    for second, messages, open_runs in ((-5, 99, 99), (1, 3, 7), (9, 5, 2), (25, 1, 1), (30, 99, 99)):
        moment = _NOON + timedelta(seconds=second)
        waiting._kept.append(Waited(at=moment, messages=messages, open_runs=open_runs))

    told = waiting.in_steps(_overview(3, 10))

    assert [(0, 5, 7), (20, 1, 1)] == [
        ((each.at - _NOON).total_seconds(), each.messages, each.open_runs) for each in told
    ]
    assert [3, 5, 1, 99] == [each.messages for each in waiting.since(_NOON)]


def test_a_server_that_is_away_leaves_a_gap() -> None:
    """And is asked again, until the console ends."""
    looks: list[int] = []

    def look() -> PipelineStatus:
        looks.append(1)
        if len(looks) % 2:
            raise ServerError("away")
        return PipelineStatus(partitions=[], workers=[], summaries=0)

    waiting = Waiting(look, every_s=0.01)
    waiting.start()
    wait_until(lambda: len(looks) >= 6, what="six looks")
    waiting.close()

    assert 2 <= len(waiting.since(datetime.min.replace(tzinfo=UTC))) <= len(looks) // 2 + 1
