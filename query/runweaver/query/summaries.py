"""Reads summaries: one, or the newest that match."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from pydantic import FiniteFloat, TypeAdapter, ValidationError
from redis import Redis

from runweaver.query.selection import Selection
from runweaver.query.subscription import Subscription
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import CorruptSummaryError, InvalidArgumentError, InvalidCursorError
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores
from runweaver.shared.run import RunStatus
from runweaver.shared.settings import ServerSettings
from runweaver.shared.summary import RunSummary

DEFAULT_LIMIT: Final = 50
MOST: Final = 1_000

_log = get_logger(__name__)


@dataclass(frozen=True)
class Page:
    """Some summaries, newest first."""

    items: list[RunSummary]
    #: Hand it to the next `list` call, with the same filters; none where there are no more.
    next_cursor: str | None


class _Place(NamedTuple):
    """A place in an index: after this run, in descending order."""

    score_ms: FiniteFloat
    run_id: str


_PLACE: Final = TypeAdapter(_Place)
_SUMMARIES: Final = TypeAdapter(list[RunSummary])


@dataclass(frozen=True)
class _Filter:
    goal: str | None
    status: RunStatus | None
    node: str | None
    since: datetime | None
    until: datetime | None

    def matches(self, summary: RunSummary) -> bool:
        return (
            self.goal in (None, summary.goal_id)
            and self.status in (None, summary.status)
            and (self.node is None or self.node in summary.nodes)
        )

    def index(self, keys: Keys) -> str:
        """The index that holds the fewest others beside what is looked for."""
        if self.goal is not None and self.status is not None:
            return keys.index_goal_status(self.goal, self.status)
        if self.goal is not None:
            return keys.index_goal(self.goal)
        if self.node is not None:
            return keys.index_node(self.node)
        if self.status is not None:
            return keys.index_status(self.status)
        return keys.index_all


class Summaries:
    """The summaries of one namespace.

        summaries = Summaries()
        summaries.get("run-20261124T154833-fb8124caca99")
        for summary in summaries.list(goal="qualify-leads", status="failed", limit=10).items:
            print(summary.narrative)

    Every method raises `ServerError` where the server does not answer.
    """

    def __init__(self, url: str | None = None, *, namespace: str | None = None) -> None:
        """Nothing is connected before something is asked.

        Args:
            url: where Redis is; absent: `RUNWEAVER_REDIS_URL`.
            namespace: absent: `RUNWEAVER_NAMESPACE`.

        Raises:
            SettingsError: one of them makes no sense.
        """
        settings = ServerSettings.load(redis_url=url, namespace=namespace)
        self._url = settings.redis_url
        self._keys = Keys(settings.namespace)
        self._client: Redis = connect(self._url, name="query")

    def get(self, run_id: str) -> RunSummary | None:
        """The newest summary of a run; none where it has not been summarised, or is kept no more.

        Raises:
            CorruptSummaryError: what is stored there is none.
        """
        with server_errors(self._url):
            raw = self._client.get(self._keys.summary(run_id))
        return RunSummary.read(run_id, raw) if raw is not None else None

    def list(
        self,
        *,
        goal: str | None = None,
        status: RunStatus | str | None = None,
        node: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> Page:
        """The newest summaries that match all of these, by the time when the run ended.

        What is stored as a summary and is none is left out, with a warning in the log.

        Args:
            goal: a goal id.
            status: `completed`, `failed`, `cancelled` or `stuck`.
            node: a node that the run passed through.
            since: ended at this time or later.
            until: ended before this time.
            limit: 1 to 1,000.
            cursor: continues after an earlier page. Runs that finish meanwhile do not shift it.

        Raises:
            InvalidArgumentError: there is no such status, or the limit is off.
            InvalidCursorError: no page handed it out.
        """
        if not 1 <= limit <= MOST:
            raise InvalidArgumentError(f"limit: {limit} is not between 1 and {MOST:,}")
        wanted = _Filter(goal, _status(status), node, since, until)
        after = _decode(cursor) if cursor is not None else None
        with server_errors(self._url):
            found = list(islice(self._matching(wanted, after, limit + 1), limit + 1))
        if len(found) <= limit:
            return Page([summary for _, summary in found], None)
        place, _ = found[limit - 1]
        return Page([summary for _, summary in found[:limit]], _encode(place))

    def subscribe(
        self,
        *,
        after: str | None = None,
        goal: str | None = None,
        status: RunStatus | str | None = None,
        attention: AttentionFlag | str | None = None,
    ) -> Subscription:
        """New summaries as they are written, also new revisions: an iterator that waits for the next one.

            with summaries.subscribe(after=place) as subscription:
                for summary in subscription:
                    print(summary.narrative)
                    place = subscription.place  # keep it, to go on from there another time

        What was written while nobody listened comes first. Each revision comes once, as far as can be told (the last
        10,000 are remembered): after a restart from a place that was not kept in time, it comes again. A revision that
        a newer one has replaced, and a summary that has expired, are left out.

        Args:
            after: the `place` of an earlier subscription, or `BEGINNING` for all announcements that are kept; absent:
                from now on.
            goal: a goal id.
            status: `completed`, `failed`, `cancelled` or `stuck`.
            attention: a flag that the summary must have.

        Raises:
            InvalidArgumentError: there is no such place, status or flag.
        """
        wanted = Selection.of(goals=[goal], statuses=[status], attention=[attention])
        return Subscription(self._url, self._keys, wanted, after)

    def _matching(self, wanted: _Filter, after: _Place | None, chunk: int) -> Iterator[tuple[_Place, RunSummary]]:
        for places in self._places(wanted, after, chunk):
            raws: Any = self._client.mget([self._keys.summary(place.run_id) for place in places])
            # What is none has expired since it was indexed.
            known = [(place, raw) for place, raw in zip(places, raws, strict=True) if raw is not None]
            for place, summary in zip((place for place, _ in known), _read(known), strict=True):
                if summary is not None and wanted.matches(summary):
                    yield place, summary

    def _places(self, wanted: _Filter, after: _Place | None, chunk: int) -> Iterator[Sequence[_Place]]:
        """The places of an index in descending order, some at a time."""
        newest: Any = "+inf" if wanted.until is None else f"({_milliseconds(wanted.until)!r}"
        if after is not None:
            # Others may have ended in the same instant: those that come after this one are not told yet.
            newest = repr(after.score_ms)
        oldest: Any = "-inf" if wanted.since is None else _milliseconds(wanted.since)
        offset = 0
        while True:
            rows = self._client.zrange(
                wanted.index(self._keys),
                newest,
                oldest,
                desc=True,
                byscore=True,
                withscores=True,
                offset=offset,
                num=chunk,
            )
            places = [_Place(score, run_id) for run_id, score in as_scores(rows)]
            yield [place for place in places if after is None or place < after]
            if len(places) < chunk:
                return
            offset += chunk


def _read(stored: Sequence[tuple[_Place, bytes]]) -> Sequence[RunSummary | None]:
    """The summaries at these places; what is none is left out, with a warning in the log."""
    try:
        # In one step: a call for each adds up.
        summaries = _SUMMARIES.validate_json(b"[%b]" % b",".join(raw for _, raw in stored))
    except ValidationError:
        summaries = []
    return summaries if len(summaries) == len(stored) else [_read_one(place.run_id, raw) for place, raw in stored]


def _read_one(run_id: str, raw: bytes) -> RunSummary | None:
    try:
        return RunSummary.read(run_id, raw)
    except CorruptSummaryError as error:
        _log.warning("leaving out a run", reason=str(error))
        return None


def _status(status: RunStatus | str | None) -> RunStatus | None:
    if status is None:
        return None
    try:
        return RunStatus(status)
    except ValueError:
        raise InvalidArgumentError(f"status: {status!r} is none of {', '.join(RunStatus)}") from None


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000


def _encode(place: _Place) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


def _decode(cursor: str) -> _Place:
    try:
        return _PLACE.validate_json(urlsafe_b64decode(cursor.encode()), strict=True)
    except ValueError:
        raise InvalidCursorError(f"{cursor!r} is not a cursor: take `next_cursor` of an earlier page") from None
