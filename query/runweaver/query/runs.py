"""Reads full runs, finished or still going on."""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

from redis import Redis

from runweaver.shared.archive import StoredRun
from runweaver.shared.cluster import on_server_of
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import ArchiveExpiredError, CorruptDataError, InvalidMessageError
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import ServerSettings
from runweaver.shared.summary import RunSummary

_log = get_logger(__name__)


class Runs:
    """The runs of one namespace, with all their decisions.

    A run that still goes on is folded by the same function that the finalizer uses.

    Every method raises `ServerError` where the server does not answer.
    """

    def __init__(self, url: str | None = None, *, namespace: str | None = None) -> None:
        """As for `Summaries`."""
        settings = ServerSettings.load(redis_url=url, namespace=namespace)
        self._url = settings.redis_url
        self._keys = Keys(settings.namespace)
        self._client: Redis = connect(self._url, name="query")

    def get(self, run_id: str) -> Run | None:
        """A run as it stands now; none where nothing is known of it.

        Raises:
            ArchiveExpiredError: its summary is still kept, its messages are not.
            CorruptDataError: somebody wrote something else there.
            InvalidMessageError: so, among its messages.
        """

        def read(server: Redis) -> Any:
            # In one step: a finalizer may be moving messages from one to the other.
            with server.pipeline() as pipeline:
                pipeline.hgetall(self._keys.run(run_id))
                pipeline.get(self._keys.archive(run_id))
                pipeline.get(self._keys.summary(run_id))
                return pipeline.execute()

        with server_errors(self._url):
            replies = on_server_of(self._client, self._keys.run(run_id), read)
        return _run(run_id, *replies)

    def running(self, *, goal: str | None = None, limit: int = 50) -> list[Run]:
        """Runs that have not ended, those last heard of first.

        Args:
            goal: only runs of this goal. Open runs have no index: all of them are read until enough are found.
            limit: how many at most.

        A run that cannot be read is left out, with a warning in the log.
        """
        return list(islice((run for run in self.each_running() if goal in (None, run.goal_id)), limit))

    def each_running(self) -> Iterator[Run]:
        """All of them, in the same order, each read when it is asked for."""
        known = (run for run in map(self._get_readable, self._open_ids()) if run is not None)
        return (run for run in known if run.status is RunStatus.RUNNING)

    def _get_readable(self, run_id: str) -> Run | None:
        """For a list: a run that cannot be read must not hide the others."""
        try:
            return self.get(run_id)
        except ArchiveExpiredError:
            return None  # it got a message after it was summarised, and is not running
        except (CorruptDataError, InvalidMessageError) as error:
            _log.warning("leaving out a run", run_id=run_id, reason=str(error))
            return None

    def _open_ids(self) -> Iterator[str]:
        with server_errors(self._url):
            partitions = int(self._client.get(self._keys.partitions) or 1)
            rows = [
                as_scores(self._client.zrange(self._keys.active(partition), 0, -1, desc=True, withscores=True))
                for partition in range(partitions)
            ]
        newest_first = heapq.merge(*rows, key=lambda row: row[1], reverse=True)
        return (run_id for run_id, _ in newest_first)


def _run(run_id: str, live: dict[bytes, bytes], packed: bytes | None, raw_summary: bytes | None) -> Run | None:
    stored = StoredRun.read(run_id, live, packed)
    if raw_summary is None:
        return stored.fold() if stored.exists else None
    if packed is None:
        raise ArchiveExpiredError(
            f"the messages of {run_id} are kept no more, its summary still is: see `runweaver show {run_id}`"
        )
    run = stored.fold()
    if not stored.has_news:
        run.narrative = RunSummary.read(run_id, raw_summary).narrative
    return run
