"""Looks through an index for runs that match, from the newest to the oldest, some at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from redis import Redis

from runweaver.query.filters import Wanted
from runweaver.query.places import Place
from runweaver.shared.cluster import get_all
from runweaver.shared.connection import server_errors
from runweaver.shared.errors import CorruptFiguresError, CorruptSummaryError
from runweaver.shared.figures import RunFigures
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores, execute
from runweaver.shared.summary import RunSummary

#: Where few match, more are read at once, up to this: some megabytes.
MOST_AT_ONCE: Final = 500

_SUMMARIES: Final = TypeAdapter(list[RunSummary])

_log = get_logger(__name__)


@dataclass(frozen=True)
class Stretch:
    """Some places of an index that follow one another, and which of their runs match."""

    places: Sequence[Place]
    found: Sequence[tuple[Place, RunSummary]]


class Scan:
    """One look through the runs."""

    def __init__(self, client: Redis, url: str, keys: Keys, wanted: Wanted) -> None:
        self._client = client
        self._url = url
        self._keys = keys
        self._wanted = wanted

    def index(self) -> tuple[str, int]:
        """The shortest index that holds all that match, and how many runs are in it."""
        names = self._wanted.indexes(self._keys)
        with server_errors(self._url), self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zcard(name)
            size, name = min(zip(execute(pipeline), names, strict=True))
        return name, size

    def stretches(self, after: Place | None, first: int) -> Iterator[Stretch]:
        """Look through all places after this one.

        Args:
            after: none: from the newest on.
            first: how many runs to read at first.
        """
        for places in self._places(after, first):
            stored = self._stored(places)
            known = [
                (place, summary)
                for (place, _), summary in zip(stored, _read(stored), strict=True)
                if summary is not None
            ]
            texts = self._texts([summary for _, summary in known])
            yield Stretch(
                places,
                [
                    (place, summary)
                    for (place, summary), its_texts in zip(known, texts, strict=True)
                    if self._wanted.matches(summary, its_texts)
                ],
            )

    def _places(self, after: Place | None, count: int) -> Iterator[Sequence[Place]]:
        """What follows a place in the shortest index, in its order, never more than `MOST_AT_ONCE` at once.

        Each read begins where the last one ended, and not at an offset, which would be another place as soon as a run
        ends or expires.
        """
        names = self._wanted.indexes(self._keys)
        index = names[0] if len(names) == 1 else self.index()[0]
        while True:
            rows = self._rows(index, after, count)
            places = [place for place in rows if after is None or place < after]
            for start in range(0, len(places), MOST_AT_ONCE):
                yield places[start : start + MOST_AT_ONCE]
            if len(rows) < count:
                return
            after = places[-1] if places else after
            # Where nothing new was among them, more runs ended in one instant than were read.
            count = min(2 * count, max(count, MOST_AT_ONCE)) if places else 2 * count

    def _rows(self, index: str, after: Place | None, count: int) -> Sequence[Place]:
        """So many places of an index, from a place or the newest on; the place itself is there again."""
        newest: Any = f"({self._wanted.until_ms!r}" if after is None else repr(after.score_ms)
        with server_errors(self._url):
            rows = self._client.zrange(
                index,
                newest,
                repr(self._wanted.since_ms),
                desc=True,
                byscore=True,
                withscores=True,
                offset=0,
                num=count,
            )
        return [Place(score, run_id) for run_id, score in as_scores(rows)]

    def _stored(self, places: Sequence[Place]) -> Sequence[tuple[Place, bytes]]:
        with server_errors(self._url):
            raws = get_all(self._client, [self._keys.summary(place.run_id) for place in places])
        # What is none has expired since it was indexed.
        return [(place, raw) for place, raw in zip(places, raws, strict=True) if raw is not None]

    def _texts(self, summaries: Sequence[RunSummary]) -> Sequence[Sequence[str]]:
        """What these runs wanted and met, where a text is looked for; of runs without figures, as far as is known."""
        if self._wanted.grep is None or not summaries:
            return [()] * len(summaries)
        with server_errors(self._url):
            raws = get_all(self._client, [self._keys.figures(summary.run_id) for summary in summaries])
        return [_texts_of(summary, raw) for summary, raw in zip(summaries, raws, strict=True)]


def _texts_of(summary: RunSummary, raw: bytes | None) -> Sequence[str]:
    try:
        return RunFigures.read(summary.run_id, raw).texts if raw is not None else summary.key_decisions
    except CorruptFiguresError as error:
        _log.warning("looking for text in the summary only", reason=str(error))
        return summary.key_decisions


def _read(stored: Sequence[tuple[Place, bytes]]) -> Sequence[RunSummary | None]:
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
