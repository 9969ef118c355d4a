"""New summaries as they come: reads announcements from a place on, and hands out what they announce."""

import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from redis import Redis

from runweaver.query.selection import Selection
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import (
    CorruptSummaryError,
    InvalidArgumentError,
    MissedSummariesError,
    ServerError,
)
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_entries, execute
from runweaver.shared.summary import RunSummary

#: The place before all announcements that are kept.
BEGINNING: Final = "0-0"

#: How many announcements are read at once.
MOST_AT_ONCE: Final = 100
#: How long a read waits on the server for something to come.
BLOCK_S: Final = 1.0

#: So many revisions of runs are remembered, to hand out each once.
_REMEMBERED: Final = 10_000
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0
_PLACE: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_LARGEST: Final = 2**64 - 1

_log = get_logger(__name__)


@dataclass(frozen=True)
class Announcement:
    """An entry of the stream: this revision of a run's summary was written."""

    #: The entry's id.
    place: str
    run_id: str
    revision: int

    @classmethod
    def read(cls, place: str, fields: dict[bytes, bytes]) -> Self | None:
        """None where somebody else put something else there."""
        run_id, revision = fields.get(b"run_id"), fields.get(b"revision", b"")
        if not run_id or not (revision.isdigit() and len(revision) < 16):  # noqa: PLR2004 - a number of 53 bits
            _log.warning("leaving out what is no announcement", entry_id=place)
            return None
        return cls(place, run_id.decode(errors="replace"), int(revision))

    def find(self, raw: bytes | None) -> RunSummary | None:
        """The summary that it announces, in what is stored under its run's key.

        None where it has expired or is none, and where a newer one has taken its place: that has, or is about to get,
        an announcement of its own.
        """
        if raw is None:
            return None
        try:
            summary = RunSummary.read(self.run_id, raw)
        except CorruptSummaryError as error:
            _log.warning("leaving out a run", reason=str(error))
            return None
        return summary if summary.revision <= self.revision else None


class _Item(NamedTuple):
    summary: RunSummary
    place: str


class Subscription(Iterator[RunSummary]):
    """New summaries, oldest first. Made by `Summaries.subscribe`; a context manager, which closes it.

    Iterating waits for the next summary, for as long as it takes; `close` (from another thread or a signal handler)
    ends it within a second. Where the server goes away, it goes on when the server is back: nothing is lost, and what
    is wrong meanwhile is logged, and stands in `trouble`.

    For use by one thread at a time, but for `close`.
    """

    def __init__(self, url: str, keys: Keys, wanted: Selection, after: str | None) -> None:
        self._url = url
        self._keys = keys
        self._wanted = wanted
        self._client: Redis = connect(url, name="subscription", blocks_for_s=BLOCK_S)
        self._closed = threading.Event()
        self._items: deque[_Item] = deque()
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._retry_s = _FIRST_RETRY_S
        #: What keeps the server from answering just now.
        self.trouble: ServerError | None = None
        if after is not None:
            _order(after)
        with server_errors(url):
            newest = self._newest()
        #: How far we have read.
        self._read_to = newest if after is None else after
        self._place = self._read_to

    @property
    def place(self) -> str:
        """Where to go on: `subscribe(after=place)` gives what comes after the summary that was handed out last."""
        return self._place

    def __next__(self) -> RunSummary:
        """Wait for the next one.

        Raises:
            StopIteration: the subscription was closed.
            MissedSummariesError: announcements may have gone by unheard. It goes on with the next call.
        """
        while not self._closed.is_set():
            if self._items:
                item = self._items.popleft()
                self._place = item.place
                return item.summary
            self._fill(BLOCK_S)
        raise StopIteration

    def read(self, wait_s: float = BLOCK_S) -> list[RunSummary]:
        """Those that have come, about a hundred at most; none where none comes within `wait_s` (seconds).

        Raises:
            MissedSummariesError: as for the iterator.
        """
        deadline = time.monotonic() + wait_s
        while not self._items and not self._closed.is_set() and (left_s := deadline - time.monotonic()) > 0:
            self._fill(min(left_s, BLOCK_S))
        summaries = [item.summary for item in self._items]
        self._items.clear()
        self._place = self._read_to
        return summaries

    def close(self) -> None:
        """End it. May be called from another thread, and from a signal handler."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._client.close()

    def _fill(self, wait_s: float) -> None:
        try:
            with server_errors(self._url):
                self._read(wait_s)
        except ServerError as error:
            self.trouble = error
            _log.warning("cannot listen now, trying again", reason=str(error), retry_s=self._retry_s)
            self._closed.wait(min(self._retry_s, wait_s))
            self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S)
        else:
            self.trouble = None
            self._retry_s = _FIRST_RETRY_S

    def _read(self, wait_s: float) -> None:
        reply: Any = self._client.xread(
            {self._keys.finished: self._read_to}, count=MOST_AT_ONCE, block=max(1, int(wait_s * 1000))
        )
        found = reply.items() if isinstance(reply, dict) else reply or ()
        entries = [entry for _, rows in found for entry in as_entries(rows[0] if _is_nested(rows) else rows)]
        if not entries:
            self._check_that_it_is_the_same_stream()
            return
        self._take(entries)

    def _take(self, entries: list[tuple[str, dict[bytes, bytes]]]) -> None:
        before, places = self._read_to, [place for place, _ in entries]
        announced = [each for place, fields in entries if (each := Announcement.read(place, fields)) is not None]
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.xrange(self._keys.finished, before, before)
            for each in announced:
                pipeline.get(self._keys.summary(each.run_id))
            replies = execute(pipeline)
        for each, raw in zip(announced, replies[1:], strict=True):
            summary = each.find(raw)
            if summary is not None and self._wanted.matches(summary) and self._is_new(summary):
                self._items.append(_Item(summary, each.place))
        self._read_to = places[-1]
        # What we have read last is still there: so is all that came after it, since the oldest go first.
        if before != BEGINNING and not replies[0]:
            raise _missed(before, places[0])

    def _is_new(self, summary: RunSummary) -> bool:
        """After a crash of a finalizer, a revision is announced again."""
        key = (summary.run_id, summary.revision)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True

    def _check_that_it_is_the_same_stream(self) -> None:
        """A server that lost its data may count from a lower id on: we would wait for ever."""
        newest = self._newest()
        if _order(newest) < _order(self._read_to):
            before, self._read_to = self._read_to, BEGINNING
            raise _missed(before, BEGINNING)

    def _newest(self) -> str:
        newest = as_entries(self._client.xrevrange(self._keys.finished, count=1))
        return newest[0][0] if newest else BEGINNING


def _is_nested(rows: Any) -> bool:
    """The driver puts a stream's entries into a list of their own, with one protocol and not with the other."""
    return bool(rows) and isinstance(rows[0], list) and bool(rows[0]) and isinstance(rows[0][0], tuple)


def _missed(before: str, first: str) -> MissedSummariesError:
    return MissedSummariesError(
        f"announcements after {before} may have gone by unheard: those that are kept begin with {first}. "
        "Summaries.list finds the summaries themselves",
        first,
    )


def _order(place: str) -> tuple[int, int]:
    match = _PLACE.fullmatch(place)
    if match is None or max(int(match[1]), int(match[2])) > _LARGEST:
        raise InvalidArgumentError(
            f"after: {place!r:.100} is no place: take `place` of a subscription, or {BEGINNING!r} for all that are kept"
        )
    return int(match[1]), int(match[2])
