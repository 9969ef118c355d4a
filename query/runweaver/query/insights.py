"""Reads what many runs tell together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from redis import Redis

from runweaver.query.many_runs import digest
from runweaver.query.many_runs.aggregate import Aggregate, Era
from runweaver.query.many_runs.findings import GoalInsights
from runweaver.query.many_runs.suggestions import suggest
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import CorruptDataError, InvalidArgumentError
from runweaver.shared.fields import utc_now
from runweaver.shared.figures import RunFigures
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores
from runweaver.shared.settings import ServerSettings
from runweaver.shared.summary import RunSummary

#: No more runs than this are looked at, for one answer: the newest.
MOST_RUNS: Final = 200_000
DEFAULT_LIMIT: Final = 10

_RUNS_AT_ONCE: Final = 1_000

_Stored = TypeVar("_Stored", RunFigures, RunSummary)

_log = get_logger(__name__)


class Insights:
    """What many runs of one namespace tell together.

        insights = Insights().get("qualify-leads", since=timedelta(days=7))
        for suggestion in insights.suggestions:
            print(suggestion.sentence, suggestion.because)

    They are read from figures that were kept when the runs were summarised, not from the runs.

    Every method raises `ServerError` where the server does not answer.
    """

    def __init__(self, url: str | None = None, *, namespace: str | None = None) -> None:
        """As for `Summaries`."""
        settings = ServerSettings.load(redis_url=url, namespace=namespace)
        self._url = settings.redis_url
        self._keys = Keys(settings.namespace)
        self._client: Redis = connect(self._url, name="query")

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

        Args:
            goal: a goal id; absent: all goals together.
            since: only runs that ended at this time or later, or so long before `until`.
            until: only runs that ended before this time; absent: now.
            tag: only runs with this tag.
            limit: how many entries each section has at most.

        Raises:
            InvalidArgumentError: the period or the limit makes no sense.
        """
        end = until if until is not None else utc_now()
        begin = end - since if isinstance(since, timedelta) else since
        if begin is not None and begin >= end:
            raise InvalidArgumentError(f"since: {begin.isoformat()} is not before {end.isoformat()}")
        if limit < 1:
            raise InvalidArgumentError(f"limit: {limit} is not a number above 0")
        with server_errors(self._url):
            reading = _Reading(self._client, self._keys, goal, tag)
            places = reading.places(begin - (end - begin) if begin is not None else None, end)
            boundary_ms = _milliseconds(begin) if begin is not None else _middle(places)
            older, newer, asked = Era(), Era(), Aggregate()
            for figures in reading.figures(places):
                is_newer = figures.finished_at_ms >= boundary_ms
                (newer if is_newer else older).add(figures)
                if is_newer or begin is None:
                    asked.add(figures)
        return GoalInsights(
            goal=goal,
            tag=tag,
            since=begin,
            until=end,
            truncated=reading.truncated,
            without_figures=reading.without_figures,
            trend=digest.trend(asked, older.ended.rate, newer.ended.rate, *_span(begin, end, places)),
            changes=digest.changes(older, newer, limit),
            **_of_all(asked, limit),
        )


class _Place(NamedTuple):
    """A finished run in an index."""

    run_id: str
    ended_at_ms: float


class _Reading:
    """Reads figures, once."""

    def __init__(self, client: Redis, keys: Keys, goal: str | None, tag: str | None) -> None:
        self._client = client
        self._keys = keys
        self._index = keys.index_all if goal is None else keys.index_goal(goal)
        self._tag = tag
        self.truncated = False
        self.without_figures = 0

    def places(self, since: datetime | None, until: datetime) -> list[_Place]:
        """Runs that ended within this time, the newest first.

        All at once, and so as they stand at one moment: runs that are summarised meanwhile do not shift anything.
        """
        rows = self._client.zrange(
            self._index,
            f"({_milliseconds(until)!r}",
            "-inf" if since is None else repr(_milliseconds(since)),
            desc=True,
            byscore=True,
            withscores=True,
            offset=0,
            num=MOST_RUNS + 1,
        )
        places = [_Place(run_id, score) for run_id, score in as_scores(rows)]
        self.truncated = len(places) > MOST_RUNS
        return places[:MOST_RUNS]

    def figures(self, places: Sequence[_Place]) -> Iterator[RunFigures]:
        """The figures of these runs, as far as they are kept and have the tag."""
        for start in range(0, len(places), _RUNS_AT_ONCE):
            run_ids = [place.run_id for place in places[start : start + _RUNS_AT_ONCE]]
            for figures in self._some(run_ids):
                if self._tag is None or self._tag in figures.tags:
                    yield figures

    def _some(self, run_ids: Sequence[str]) -> Iterator[RunFigures]:
        raws: Any = self._client.mget([self._keys.figures(run_id) for run_id in run_ids])
        found = dict(zip(run_ids, raws, strict=True))
        yield from self._read(RunFigures.read, found)
        if lacking := [run_id for run_id, raw in found.items() if raw is None]:
            raws = self._client.mget([self._keys.summary(run_id) for run_id in lacking])
            for summary in self._read(RunSummary.read, dict(zip(lacking, raws, strict=True))):
                self.without_figures += 1
                yield RunFigures.from_summary(summary)

    def _read(self, read: Callable[[str, bytes], _Stored], found: Mapping[str, bytes | None]) -> Iterator[_Stored]:
        """What of these is there. What cannot be read must not hide the others."""
        for run_id, raw in found.items():
            if raw is None:
                continue
            try:
                yield read(run_id, raw)
            except CorruptDataError as error:
                _log.warning("leaving out a run", reason=str(error))


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
        "signs": digest.signs(aggregate, limit),
        "contrasts": digest.contrasts(aggregate, limit),
        "habits": digest.habits(aggregate, limit),
    }


def _span(begin: datetime | None, end: datetime, places: Sequence[_Place]) -> tuple[int, int]:
    """From when to when (ms); where nobody said since when, from the first run to the last."""
    if begin is not None or not places:
        return int(_milliseconds(begin or end)), int(_milliseconds(end))
    return int(places[-1].ended_at_ms), int(places[0].ended_at_ms)


def _middle(places: Sequence[_Place]) -> float:
    return (places[0].ended_at_ms + places[-1].ended_at_ms) / 2 if places else 0.0


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000
