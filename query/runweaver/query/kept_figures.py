"""Reads the figures of finished runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from redis import Redis

from runweaver.query.places import Place
from runweaver.shared.cluster import get_all
from runweaver.shared.errors import CorruptDataError
from runweaver.shared.figures import RunFigures
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores
from runweaver.shared.summary import RunSummary

_RUNS_AT_ONCE: Final = 1_000

_Stored = TypeVar("_Stored", RunFigures, RunSummary)

_log = get_logger(__name__)


class KeptFigures:
    """The figures of one namespace. For one answer: it counts what it finds."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        #: Runs that were summarised by a release that kept none.
        self.absent = 0

    def places(self, index: str, *, since_ms: float, until_ms: float, limit: int) -> list[Place]:
        """The newest runs of an index that ended within this time, the very newest first.

        All at once, and so as they stand at one moment: runs that are summarised meanwhile do not shift anything.
        """
        rows = self._client.zrange(
            index,
            f"({until_ms!r}",
            repr(since_ms),
            desc=True,
            byscore=True,
            withscores=True,
            offset=0,
            num=limit,
        )
        return [Place(score, run_id) for run_id, score in as_scores(rows)]

    def read(self, places: Sequence[Place]) -> Iterator[RunFigures]:
        """The figures of these runs, in their order; of those that have none, what their summaries tell."""
        for start in range(0, len(places), _RUNS_AT_ONCE):
            run_ids = [place.run_id for place in places[start : start + _RUNS_AT_ONCE]]
            raws = get_all(self._client, [self._keys.figures(run_id) for run_id in run_ids])
            found = dict(zip(run_ids, raws, strict=True))
            yield from _readable(RunFigures.read, found)
            yield from self._from_summaries([run_id for run_id, raw in found.items() if raw is None])

    def _from_summaries(self, run_ids: Sequence[str]) -> Iterator[RunFigures]:
        if not run_ids:
            return
        raws = get_all(self._client, [self._keys.summary(run_id) for run_id in run_ids])
        for summary in _readable(RunSummary.read, dict(zip(run_ids, raws, strict=True))):
            self.absent += 1
            yield RunFigures.from_summary(summary)


def _readable(read: Callable[[str, bytes], _Stored], found: Mapping[str, bytes | None]) -> Iterator[_Stored]:
    """What of these is there. What cannot be read must not hide the others."""
    for run_id, raw in found.items():
        if raw is None:
            continue
        try:
            yield read(run_id, raw)
        except CorruptDataError as error:
            _log.warning("leaving out a run", reason=str(error))
