"""Reads what runs tell: many together, or one by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any, Final, Self

from redis import Redis

from runweaver.query.kept_figures import KeptFigures
from runweaver.query.many_runs import contrasts, digest
from runweaver.query.many_runs.aggregate import Aggregate, Era
from runweaver.query.many_runs.findings import GoalInsights
from runweaver.query.many_runs.suggestions import suggest
from runweaver.query.one_run.explain import explain
from runweaver.query.one_run.explanation import Explanation
from runweaver.query.places import Place
from runweaver.query.runs import Runs
from runweaver.query.two_runs.nearest import figures_of, nearest
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import ArchiveExpiredError, CorruptDataError, InvalidArgumentError, InvalidMessageError
from runweaver.shared.fields import utc_now
from runweaver.shared.figures import MAX_TEXT
from runweaver.shared.keys import Keys, has_index
from runweaver.shared.run import SAMPLED_OUT_TAG, Run, RunStatus
from runweaver.shared.settings import ServerSettings

#: No more runs than this are looked at, for one answer: the newest.
MOST_RUNS: Final = 200_000
DEFAULT_LIMIT: Final = 10

#: To find one that is like another.
_MOST_CANDIDATES: Final = 10_000
_MOST_TRIED: Final = 20


class Insights:
    """What the runs of one namespace tell: many together, or one by itself.

        insights = Insights().get("qualify-leads", since=timedelta(days=7))
        for suggestion in insights.suggestions:
            print(suggestion.sentence, suggestion.because)

    What many tell is read from figures that were kept when they were summarised, not from the runs.

    Every method raises `ServerError` where the server does not answer.
    """

    def __init__(self, url: str | None = None, *, namespace: str | None = None) -> None:
        """As for `Summaries`."""
        settings = ServerSettings.load(redis_url=url, namespace=namespace)
        self._url = settings.redis_url
        self._keys = Keys(settings.namespace)
        self._client: Redis = connect(self._url, name="query")
        self._runs = Runs(url, namespace=namespace)

    def get(
        self,
        goal: str | None = None,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | None = None,
        tag: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> GoalInsights:
        """What the finished runs of a goal, or of all goals, tell.

        What changed is told against the time of the same length just before the period; without a period, the newer
        half of the time is told against the older half.

        Runs that were kept because they failed, though their producer's sample does not have them, are left out, unless
        it is their tag (`sampled-out`) that is asked for: with them, all rates would be wrong.

        Args:
            goal: a goal id; absent: all goals together.
            since: only runs that ended at this time or later, or so long before `until`.
            until: only runs that ended before this time; absent: now.
            tag: only runs with this tag.
            limit: how many entries each section has at most.

        Raises:
            InvalidArgumentError: the period or the limit makes no sense.
        """
        if limit < 1:
            raise InvalidArgumentError(f"limit: {limit} is not a number above 0")
        period = _Period.of(since, until)
        with server_errors(self._url):
            kept = KeptFigures(self._client, self._keys)
            index = self._index(goal, tag)
            places = kept.places(index, since_ms=period.before_ms, until_ms=period.until_ms, limit=MOST_RUNS + 1)
            boundary_ms = period.since_ms if period.since is not None else _middle(places)
            older, newer, asked = Era(), Era(), Aggregate()
            sampled_out = 0
            for figures in kept.read(places[:MOST_RUNS]):
                if tag is not None and tag[:MAX_TEXT] not in figures.tags:
                    continue
                if tag != SAMPLED_OUT_TAG and SAMPLED_OUT_TAG in figures.tags:
                    sampled_out += 1
                    continue
                is_newer = figures.finished_at_ms >= boundary_ms
                (newer if is_newer else older).add(figures)
                if is_newer or period.since is None:
                    asked.add(figures)
        first_ms, last_ms = period.span_ms(places)
        return GoalInsights(
            goal=goal,
            tag=tag,
            since=period.since,
            until=period.until,
            truncated=len(places) > MOST_RUNS,
            without_figures=kept.absent,
            sampled_out=sampled_out,
            trend=digest.trend(asked, older.ended.rate, newer.ended.rate, first_ms, last_ms),
            changes=digest.changes(older, newer, limit),
            **_of_all(asked, limit),
        )

    def explain(self, run_id: str) -> Explanation | None:
        """Why a run ended as it did, see `runweaver.query.one_run.explain`; none where nothing is known of it.

        Raises:
            ArchiveExpiredError, CorruptDataError, InvalidMessageError: as for `Runs.get`.
        """
        run = self._runs.get(run_id)
        return explain(run) if run is not None else None

    def nearest_success(self, run: Run) -> Run | None:
        """The completed run of the same goal that is most like this one; none where there is none to read.

        It is found by the figures of the newest 10,000; how alike two runs are says `runweaver.query.two_runs.nearest`.
        """
        with server_errors(self._url):
            kept = KeptFigures(self._client, self._keys)
            index = self._keys.index_goal_status(run.goal_id, RunStatus.COMPLETED)
            places = kept.places(index, since_ms=-inf, until_ms=inf, limit=_MOST_CANDIDATES)
            found = nearest(figures_of(run), kept.read(places), limit=_MOST_TRIED)
        # Figures outlive archives: what is most alike may be there no more.
        return next(filter(None, map(self._readable, found)), None)

    def _readable(self, run_id: str) -> Run | None:
        try:
            run = self._runs.get(run_id)
        except (ArchiveExpiredError, CorruptDataError, InvalidMessageError):
            return None
        return run if run is not None and run.status is RunStatus.COMPLETED else None

    def _index(self, goal: str | None, tag: str | None) -> str:
        """One that holds all that are asked for."""
        if goal is not None:
            return self._keys.index_goal(goal)
        return self._keys.index_tag(tag) if tag is not None and has_index(tag) else self._keys.index_all


@dataclass(frozen=True)
class _Period:
    """What was asked for, and the time of the same length before it."""

    since: datetime | None
    until: datetime

    @classmethod
    def of(cls, since: datetime | timedelta | None, until: datetime | None) -> Self:
        end = until if until is not None else utc_now()
        begin = end - since if isinstance(since, timedelta) else since
        if begin is not None and begin >= end:
            raise InvalidArgumentError(f"since: {begin.isoformat()} is not before {end.isoformat()}")
        return cls(begin, end)

    @property
    def since_ms(self) -> float:
        return _milliseconds(self.since) if self.since is not None else -inf

    @property
    def until_ms(self) -> float:
        return _milliseconds(self.until)

    @property
    def before_ms(self) -> float:
        """When the time before it begins."""
        return 2 * self.since_ms - self.until_ms

    def span_ms(self, places: Sequence[Place]) -> tuple[int, int]:
        """From when to when; where nobody said since when, from the first run to the last."""
        if self.since is not None:
            return int(self.since_ms), int(self.until_ms)
        return (int(places[-1].score_ms), int(places[0].score_ms)) if places else (0, 0)


def _of_all(aggregate: Aggregate, limit: int) -> dict[str, Any]:
    return {
        "runs": aggregate.runs,
        "statuses": dict(sorted(aggregate.statuses.items())),
        "success": aggregate.success,
        "attention": dict(sorted(aggregate.attention.items())),
        "decisions": aggregate.decisions,
        "tokens": aggregate.tokens,
        "duration_p50_ms": digest.quantile(aggregate.durations, 0.5),
        "duration_p95_ms": digest.quantile(aggregate.durations, 0.95),
        "goals": digest.goals(aggregate, limit),
        "suggestions": suggest(aggregate, limit),
        "losses": digest.losses(aggregate, limit),
        "errors": digest.errors(aggregate, limit),
        "nodes": digest.nodes(aggregate, limit),
        "intents": digest.intents(aggregate, limit),
        "pairs": digest.pairs(aggregate, limit),
        "signs": contrasts.signs(aggregate, limit),
        "contrasts": contrasts.contrasts(aggregate, limit),
        "habits": contrasts.habits(aggregate, limit),
    }


def _middle(places: Sequence[Place]) -> float:
    return (places[0].score_ms + places[-1].score_ms) / 2 if places else 0.0


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000
