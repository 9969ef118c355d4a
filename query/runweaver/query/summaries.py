"""Reads summaries: one, the newest that match, or all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Unpack

from redis import Redis

from runweaver.query.filters import Filters, Wanted
from runweaver.query.places import as_cursor, from_cursor
from runweaver.query.scan import MOST_AT_ONCE, Scan
from runweaver.query.selection import Selection
from runweaver.query.subscription import Subscription
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.keys import Keys
from runweaver.shared.run import RunStatus
from runweaver.shared.settings import ServerSettings
from runweaver.shared.summary import RunSummary

DEFAULT_LIMIT: Final = 50
MOST: Final = 1_000


@dataclass(frozen=True)
class Page:
    """Some summaries, newest first."""

    items: list[RunSummary]
    #: Hand it to the next `list` call, with the same filters; none where there are no more.
    next_cursor: str | None


@dataclass(frozen=True)
class Batch:
    """What matches among some runs that were looked at, newest first: it may be nothing."""

    items: list[RunSummary]
    #: Continues after the last run that was looked at.
    cursor: str
    #: How many runs were looked at.
    looked_at: int


class Summaries:
    """The summaries of one namespace.

        summaries = Summaries()
        summaries.get("run-20261124T154833-fb8124caca99")
        for summary in summaries.list(goal="qualify-leads", status="failed", limit=10).items:
            print(summary.narrative)
        for summary in summaries.each(tag="nightly", grep="out of memory"):
            print(summary.run_id)

    Every method raises `ServerError` where the server does not answer. What is stored as a summary and is none is left
    out of lists, with a warning in the log.
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

    def list(self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None, **filters: Unpack[Filters]) -> Page:
        """The newest summaries that match all of these, by the time when the run ended.

        What has no index (`severity`, `min_tokens`, `min_duration_ms`, `grep`) is looked for in each summary that
        matches the rest: over very many of them that takes its time, though no more memory than usual.

        Args:
            limit: 1 to 1,000.
            cursor: continues after an earlier page. Runs that finish meanwhile do not shift it; one that is summarised
                anew, with another end, is told at its new place.
            filters: see `Filters`.

        Raises:
            InvalidArgumentError: there is no such status, flag or severity, or a number is off.
            InvalidCursorError: no page handed it out.
        """
        if not 1 <= limit <= MOST:
            raise InvalidArgumentError(f"limit: {limit} is not between 1 and {MOST:,}")
        after = from_cursor(cursor) if cursor is not None else None
        stretches = self._scan(**filters).stretches(after, limit + 1)
        found = list(islice(chain.from_iterable(stretch.found for stretch in stretches), limit + 1))
        items = [summary for _, summary in found[:limit]]
        return Page(items, as_cursor(found[limit - 1][0]) if len(found) > limit else None)

    def each(self, *, cursor: str | None = None, **filters: Unpack[Filters]) -> Iterator[RunSummary]:
        """All summaries that match, newest first, as `list` tells them page by page, in little memory.

        Raises:
            InvalidArgumentError, InvalidCursorError: as for `list`.
        """
        batches = self.batches(cursor=cursor, **filters)
        return chain.from_iterable(batch.items for batch in batches)

    def batches(
        self, *, cursor: str | None = None, at_once: int = MOST_AT_ONCE, **filters: Unpack[Filters]
    ) -> Iterator[Batch]:
        """The same in pieces, each with a cursor to go on from after an interruption, also where nothing matched.

        Args:
            cursor: continues after an earlier batch or page.
            at_once: how many runs to look at for the first batch, 1 to 500; where few match, there are more in later
                ones.
            filters: see `Filters`.

        Raises:
            InvalidArgumentError, InvalidCursorError: as for `list`.
        """
        if not 1 <= at_once <= MOST_AT_ONCE:
            raise InvalidArgumentError(f"at_once: {at_once} is not between 1 and {MOST_AT_ONCE}")
        after = from_cursor(cursor) if cursor is not None else None
        scan = self._scan(**filters)
        return (
            Batch([s for _, s in stretch.found], as_cursor(stretch.places[-1]), len(stretch.places))
            for stretch in scan.stretches(after, at_once)
        )

    def count_at_most(self, **filters: Unpack[Filters]) -> int:
        """How many runs have to be looked at to find all that match: no more than that match.

        Raises:
            InvalidArgumentError: as for `list`.
        """
        return self._scan(**filters).index()[1]

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

    def _scan(self, **filters: Unpack[Filters]) -> Scan:
        return Scan(self._client, self._url, self._keys, Wanted.of(**filters))
