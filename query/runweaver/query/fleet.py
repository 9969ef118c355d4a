"""Reads how all runs of a namespace did over a period: cheap, however many they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any, Final, TypeVar

from redis import Redis

from runweaver.query.glances import Glance, Glances, estimated_tokens, weighted_median
from runweaver.query.kept_figures import KeptFigures
from runweaver.query.many_runs import digest
from runweaver.query.many_runs.aggregate import Era
from runweaver.query.many_runs.findings import ChangeKind, Direction, TrendPoint
from runweaver.query.many_runs.fleet_overview import FleetChanges, FleetOverview, FleetStep, GoalOverview
from runweaver.query.many_runs.rate import Rate
from runweaver.query.many_runs.tallies import LOST
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import utc_now
from runweaver.shared.keys import Keys
from runweaver.shared.replies import as_scores, execute
from runweaver.shared.run import SAMPLED_OUT_TAG, RunStatus
from runweaver.shared.settings import ServerSettings

DEFAULT_GOALS: Final = 20
DEFAULT_CHANGES: Final = 10

_MOST_STEPS: Final = 100
_MINUTE_S: Final = 60
_HOUR_S: Final = 60 * _MINUTE_S
_DAY_S: Final = 24 * _HOUR_S
#: How long a step may be, in seconds; longer ones are so many days.
_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE_S for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR_S for hours in (1, 2, 3, 6, 12)),
)
#: Into how many parts the period of a goal is divided.
_GOAL_PARTS: Final = 12
#: Of all goals that are met, so many are counted.
_MOST_GOALS: Final = 200
#: Of each of both times, the errors of so many runs are looked at.
_MOST_CHANGED: Final = 2_500

_Cell = TypeVar("_Cell")

_ENDED: Final = tuple(status for status in RunStatus if status is not RunStatus.RUNNING)


class Fleet:
    """How all runs of one namespace did over a period.

        overview = Fleet().over(timedelta(hours=24))
        for goal in overview.goals:
            print(goal.goal, goal.success, goal.direction)

    Runs are counted in the indexes, all of them. Tokens and durations are those of at most about 1,000 runs. So are
    goals found: one with few runs, of which none was lost lately, may not be among them.

    Every method raises `ServerError` where the server does not answer.
    """

    def __init__(self, url: str | None = None, *, namespace: str | None = None) -> None:
        """As for `Summaries`."""
        settings = ServerSettings.load(redis_url=url, namespace=namespace)
        self._url = settings.redis_url
        self._keys = Keys(settings.namespace)
        self._client: Redis = connect(self._url, name="query")
        self._glances = Glances(self._client, self._keys)

    def over(
        self, period: timedelta = timedelta(hours=24), *, until: datetime | None = None, goals: int = DEFAULT_GOALS
    ) -> FleetOverview:
        """How the runs did that ended in a period, in at most 100 steps.

        Args:
            period: how long it is: at least a second.
            until: when it ends; absent: now. The step that this falls into is the last one.
            goals: how many goals are told at most.

        Raises:
            InvalidArgumentError: the period or the number of goals makes no sense.
        """
        if goals < 0:
            raise InvalidArgumentError(f"goals: {goals} is below 0")
        times = _Times.of(period, until if until is not None else utc_now())
        with server_errors(self._url):
            counts, before, sampled_out = self._counts(times)
            looked_at = self._glances.newest(self._keys.index_all, times.steps_ms, [sum(each) for each in counts])
            lost = (self._glances.latest(self._keys.index_status(status), times.steps_ms) for status in LOST)
            found = list(dict.fromkeys(each.goal_id for some in (*lost, *looked_at) for each in some))
            told = self._goals(found[:_MOST_GOALS], times, goals)
        statuses = _statuses([sum(column) for column in zip(*counts, strict=True)])
        success, success_before = _success(statuses), _success(_statuses(before))
        steps = [
            _step(since_ms, some, glances)
            for (since_ms, _), some, glances in zip(times.steps_ms, counts, looked_at, strict=True)
        ]
        return FleetOverview(
            since=digest.moment(times.since_ms),
            until=digest.moment(times.until_ms),
            step_s=times.step_s,
            steps=steps,
            statuses=statuses,
            success=success,
            runs_before=sum(before),
            before=success_before,
            direction=digest.direction_of(success_before, success),
            tokens=sum(step.tokens for step in steps),
            duration_p50_ms=weighted_median(
                (glance.duration_ms, step.runs / len(glances))
                for step, glances in zip(steps, looked_at, strict=True)
                for glance in glances
            ),
            looked_at=sum(map(len, looked_at)),
            sampled_out=sampled_out,
            goals=told,
            goals_found=len(found),
        )

    def changes(
        self, period: timedelta = timedelta(hours=24), *, until: datetime | None = None, limit: int = DEFAULT_CHANGES
    ) -> FleetChanges:
        """Errors that came or went since the time just before the period, where chance is an unlikely reason.

        Of each of both times, the newest 2,500 runs are looked at, which takes longer than all the rest.

        Args:
            period, until: as for `over`.
            limit: how many are told at most.

        Raises:
            InvalidArgumentError: the period makes no sense.
        """
        times = _Times.of(period, until if until is not None else utc_now())
        with server_errors(self._url):
            now = self._era(times.since_ms, times.until_ms)
            before = self._era(times.before_ms, times.since_ms)
        found = digest.changes(before, now, limit)
        return FleetChanges(
            runs=now.runs,
            runs_before=before.runs,
            changes=sorted(found, key=lambda each: each.kind is ChangeKind.GONE_ERROR),
        )

    def _era(self, since_ms: int, until_ms: int) -> Era:
        kept = KeptFigures(self._client, self._keys)
        places = kept.places(self._keys.index_all, since_ms=since_ms, until_ms=until_ms, limit=_MOST_CHANGED)
        return Era(figures for figures in kept.read(places) if SAMPLED_OUT_TAG not in figures.tags)

    def _counts(self, times: "_Times") -> tuple[list[list[int]], list[int], int]:
        """Runs by status (as in `_ENDED`): of each step, and of the time before; and how many are in no sample."""
        indexes = [self._keys.index_status(status) for status in _ENDED]
        spans = [*times.steps_ms, (times.before_ms, times.since_ms)]
        whole = (self._keys.index_tag(SAMPLED_OUT_TAG), (times.since_ms, times.until_ms))
        found = self._count([*((index, span) for span, index in product(spans, indexes)), whole])
        *steps, before = _rows(found[:-1], len(_ENDED))
        return steps, before, found[-1]

    def _goals(self, goals: Sequence[str], times: "_Times", limit: int) -> list[GoalOverview]:
        spans = ((times.since_ms, times.until_ms), (times.before_ms, times.since_ms))
        indexes = [self._keys.index_goal_status(goal, status) for goal in goals for status in _ENDED]
        counts = self._count((index, span) for index, span in product(indexes, spans))
        told = []
        for goal, row in zip(goals, _rows(counts, 2 * len(_ENDED)), strict=True):
            statuses = _statuses(row[::2])
            now, before = _success(statuses), _success(_statuses(row[1::2]))
            direction = digest.direction_of(before, now)
            told.append(
                GoalOverview(
                    goal=goal,
                    statuses=statuses,
                    success=now,
                    before=before,
                    direction=direction,
                    points=[],
                    last_lost=None,
                )
            )
        told.sort(key=_urgency)
        return self._with_details(told[:limit], times)

    def _with_details(self, told: Sequence[GoalOverview], times: "_Times") -> list[GoalOverview]:
        counted = [RunStatus.COMPLETED, *LOST]
        indexes = [self._keys.index_goal_status(each.goal, status) for each in told for status in counted]
        counts = self._count(product(indexes, times.parts_ms))
        last = self._last_lost([each.goal for each in told], times)
        rows = _rows(counts, len(counted) * len(times.parts_ms))
        return [
            each.model_copy(update={"points": _points(row, times.parts_ms), "last_lost": run_id})
            for each, row, run_id in zip(told, rows, last, strict=True)
        ]

    def _last_lost(self, goals: Sequence[str], times: "_Times") -> list[str | None]:
        with self._client.pipeline(transaction=False) as pipeline:
            for goal, status in product(goals, LOST):
                index = self._keys.index_goal_status(goal, status)
                span: tuple[Any, Any] = f"({times.until_ms}", times.since_ms
                pipeline.zrange(index, *span, desc=True, byscore=True, withscores=True, offset=0, num=1)
            replies = execute(pipeline)
        found = [[place for rows in row for place in as_scores(rows)] for row in _rows(replies, len(LOST))]
        return [max(places, key=_end)[0] if places else None for places in found]

    def _count(self, asked: Iterable[tuple[str, tuple[int, int]]]) -> list[int]:
        """How many runs of these indexes ended from, including, to, excluding."""
        with self._client.pipeline(transaction=False) as pipeline:
            for index, (since_ms, until_ms) in asked:
                pipeline.zcount(index, since_ms, f"({until_ms}")
            return execute(pipeline)


@dataclass(frozen=True)
class _Times:
    """A period in steps; milliseconds since 1970."""

    since_ms: int
    until_ms: int
    step_s: int

    @classmethod
    def of(cls, period: timedelta, until: datetime) -> "_Times":
        period_s = period.total_seconds()
        try:
            begin = until - 2 * period
        except OverflowError:
            begin = datetime.min.replace(tzinfo=UTC)
        if period_s < 1 or begin.year < 1970:  # noqa: PLR2004 - no run ended before the epoch
            raise InvalidArgumentError(f"period: {period} is not between a second and half of the time since 1970")
        least_s = period_s / _MOST_STEPS
        step_s = next((each for each in _STEPS_S if each >= least_s), _DAY_S * -int(-least_s // _DAY_S))
        end_s = (int(until.timestamp()) // step_s + 1) * step_s
        count = -int(-period_s // step_s)
        return cls((end_s - count * step_s) * 1000, end_s * 1000, step_s)

    @property
    def before_ms(self) -> int:
        """When the time before it begins."""
        return 2 * self.since_ms - self.until_ms

    @property
    def steps_ms(self) -> list[tuple[int, int]]:
        length = self.step_s * 1000
        return [(since, since + length) for since in range(self.since_ms, self.until_ms, length)]

    @property
    def parts_ms(self) -> list[tuple[int, int]]:
        length = self.until_ms - self.since_ms
        ends = [self.since_ms + length * part // _GOAL_PARTS for part in range(_GOAL_PARTS + 1)]
        return list(pairwise(ends))


def _step(since_ms: int, counts: Sequence[int], looked_at: Sequence[Glance]) -> FleetStep:
    statuses = _statuses(counts)
    return FleetStep(
        since=digest.moment(since_ms),
        statuses=statuses,
        success=_success(statuses),
        tokens=estimated_tokens(looked_at, sum(counts)),
        duration_p50_ms=weighted_median((glance.duration_ms, 1) for glance in looked_at),
    )


def _points(row: Sequence[int], parts_ms: Sequence[tuple[int, int]]) -> list[TrendPoint]:
    """Of a goal: completed ones of each part, then lost ones."""
    completed, *lost = _rows(row, len(parts_ms))
    return [
        TrendPoint(
            since=digest.moment(since_ms),
            success=Rate(count=completed[place], total=completed[place] + sum(each[place] for each in lost)),
        )
        for place, (since_ms, _) in enumerate(parts_ms)
    ]


def _statuses(counts: Sequence[int]) -> dict[RunStatus, int]:
    return {status: count for status, count in zip(_ENDED, counts, strict=True) if count}


def _success(statuses: dict[RunStatus, int]) -> Rate:
    completed = statuses.get(RunStatus.COMPLETED, 0)
    return Rate(count=completed, total=completed + sum(statuses.get(status, 0) for status in LOST))


def _urgency(goal: GoalOverview) -> tuple[bool, float, int, int, str]:
    """What got clearly worse first, by how much; then what lost most runs."""
    is_worse = goal.direction is Direction.WORSE
    fall = goal.before.rate - goal.success.rate if is_worse else 0.0
    return not is_worse, -fall, -goal.success.rest.count, -goal.runs, goal.goal


def _end(place: tuple[str, float]) -> float:
    return place[1]


def _rows(cells: Sequence[_Cell], width: int) -> list[list[_Cell]]:
    return [list(cells[start : start + width]) for start in range(0, len(cells), width)]
