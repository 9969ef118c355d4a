"""Runs that go on, at a glance, again and again: cheap however many and however large they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import nlargest
from typing import Final

from redis import Redis

from runweaver.shared.archive import StoredRun
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import InvalidMessageError
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores, execute
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import ServerSettings

#: Of the open runs, so many that were last heard of are looked at.
MOST_RUNS: Final = 100
#: A run of more messages than this is not read, only counted.
MOST_MESSAGES: Final = 2_000
#: So many messages are read in one look; other runs are read in the next ones, those that have waited longest first.
MESSAGES_A_LOOK: Final = 5_000

_log = get_logger(__name__)


@dataclass(frozen=True)
class OpenRun:
    """What is shown of a run that goes on."""

    run_id: str
    #: When something was last heard of it, by the server's clock.
    heard_at: datetime
    #: How many messages of it are there.
    messages: int = 0
    #: As of the last time when it was read; none where it never was, or has been summarised before and come back.
    run: Run | None = None


@dataclass(frozen=True)
class Look:
    """What a look at the open runs found."""

    #: The server's time.
    at: datetime
    #: Those last heard of first.
    runs: Sequence[OpenRun]
    #: How many are open, also those that are not in `runs`.
    total: int


class OpenRuns:
    """The open runs of one namespace.

    A look asks for the runs last heard of (a hundred at most), and reads those that were heard of since the last look:
    5,000 messages together at most, and none of a run that has more than 2,000.
    """

    def __init__(self, url: str | None = None, *, namespace: str | None = None) -> None:
        """As for `Summaries`."""
        settings = ServerSettings.load(redis_url=url, namespace=namespace)
        self._url = settings.redis_url
        self._keys = Keys(settings.namespace)
        # Not retried: there is another look in a moment.
        self._client: Redis = connect(self._url, name="query", retries=0)
        #: As they were when they were read, the one that was read longest ago first.
        self._seen: dict[str, OpenRun] = {}

    def look(self, *, goal: str | None = None) -> Look:
        """Look at them.

        Args:
            goal: only runs of this goal. Runs that were never read have none.

        Raises:
            ServerError: the server does not answer.
        """
        with server_errors(self._url):
            at, total, heard = self._heard()
            self._refresh(heard)
        runs = [
            replace(self._seen.get(run_id) or OpenRun(run_id, heard_at), heard_at=heard_at)
            for run_id, heard_at in heard.items()
        ]
        return Look(at, [each for each in runs if _is_shown(each, goal)], total)

    def _heard(self) -> tuple[datetime, int, dict[str, datetime]]:
        """The server's time, how many runs are open, and when those last heard of were."""
        partitions = int(self._client.get(self._keys.partitions) or 1)
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            for partition in range(partitions):
                pipeline.zcard(self._keys.active(partition))
                pipeline.zrange(self._keys.active(partition), 0, MOST_RUNS - 1, desc=True, withscores=True)
            (seconds, microseconds), *rest = execute(pipeline)
        rows = (row for reply in rest[1::2] for row in as_scores(reply))
        newest = nlargest(MOST_RUNS, rows, key=lambda row: row[1])
        at = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
        return at, sum(rest[::2]), {run_id: datetime.fromtimestamp(ms / 1000, UTC) for run_id, ms in newest}

    def _refresh(self, heard: dict[str, datetime]) -> None:
        self._seen = {run_id: seen for run_id, seen in self._seen.items() if run_id in heard}
        changed = [run_id for run_id, at in heard.items() if run_id not in self._seen]
        changed += [run_id for run_id, seen in self._seen.items() if seen.heard_at != heard[run_id]]
        if not changed:
            return
        with self._client.pipeline(transaction=False) as pipeline:
            for run_id in changed:
                pipeline.hlen(self._keys.run(run_id))
                pipeline.exists(self._keys.archive(run_id))
            replies = pipeline.execute(raise_on_error=False)
        budget, readable = MESSAGES_A_LOOK, []
        for run_id, size, is_archived in zip(changed, replies[::2], replies[1::2], strict=True):
            if not isinstance(size, int) or is_archived or size > MOST_MESSAGES:
                self._note(OpenRun(run_id, heard[run_id], size if isinstance(size, int) else 0, self._last(run_id)))
            elif size <= budget:
                budget -= size
                readable.append(run_id)
        for run_id, live in self._read(readable):
            self._note(OpenRun(run_id, heard[run_id], len(live), _fold(run_id, live)))

    def _read(self, run_ids: Sequence[str]) -> Iterator[tuple[str, dict[bytes, bytes]]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for run_id in run_ids:
                pipeline.hgetall(self._keys.run(run_id))
            yield from zip(run_ids, execute(pipeline), strict=True)

    def _note(self, seen: OpenRun) -> None:
        self._seen.pop(seen.run_id, None)
        self._seen[seen.run_id] = seen

    def _last(self, run_id: str) -> Run | None:
        seen = self._seen.get(run_id)
        return seen.run if seen is not None else None


def _fold(run_id: str, live: dict[bytes, bytes]) -> Run | None:
    if not live:
        return None
    try:
        return StoredRun.read(run_id, live, None).fold()
    except (InvalidMessageError, UnicodeDecodeError) as error:
        _log.warning("a run cannot be read", run_id=run_id, reason=str(error))
        return None


def _is_shown(each: OpenRun, goal: str | None) -> bool:
    if each.run is None:
        return goal is None
    return each.run.status is RunStatus.RUNNING and goal in (None, each.run.goal_id)
