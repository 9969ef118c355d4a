"""The RQ queue between workers and finalizers.

A job is only a trigger: what is still to summarise stands in the `due` sets. Losing a job costs time, never a run.

Jobs are JSON, and name no function that could be imported, see `finalize_job`.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry, worker_registration
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.worker.finalize_job import (
    FAILED_JOB_TTL_S,
    FINALIZE,
    FINALIZE_SILENT,
    JOB_TIMEOUT_S,
    RETRIES,
    FinalizeJob,
    FinalizeQueue,
)

#: With so many jobs waiting, another one would not make a finalizer come earlier.
_ENOUGH_JOBS: Final = 100
#: With so many, not even the end of a run makes another.
_MOST_JOBS: Final = 1_000
#: The most that one job asks for.
RUNS_A_JOB: Final = 500
_PAUSE_S: Final = 5.0
#: How often to see how many jobs wait.
_LOOK_EVERY_S: Final = 1.0

_log = get_logger(__name__)


class JobsStatus(BaseModel):
    """How finalization is doing."""

    #: Jobs that no finalizer has taken up yet.
    waiting: int
    #: Jobs that failed for good: each is one run, and RQ keeps its traceback for a week.
    failed: int
    finalizers: int


class JobQueue:
    """Asks finalizers to look at runs."""

    def __init__(self, client: Redis, keys: Keys, *, failed_job_ttl_s: int = FAILED_JOB_TTL_S) -> None:
        """On this client.

        Args:
            client: of RQ's server.
            keys: of our namespace.
            failed_job_ttl_s: how long RQ keeps a job that failed for good.
        """
        self._failed_job_ttl_s = failed_job_ttl_s
        self._pause_until = 0.0
        self._look_at = 0.0
        self._was_full = False
        name = f"{keys.namespace}-finalize"
        job_class = FinalizeJob.for_queue(name, failed_job_ttl_s=failed_job_ttl_s)
        self.queue: Queue = FinalizeQueue(name, connection=client, job_class=job_class, serializer=JSONSerializer)

    def status(self) -> JobsStatus:
        """Look at the queue. Reads only."""
        return JobsStatus(
            waiting=self.queue.count,
            failed=FailedJobRegistry(queue=self.queue).get_job_count(cleanup=False),
            finalizers=self._finalizers(),
        )

    def _finalizers(self) -> int:
        # RQ's own count keeps those that were killed, until another finalizer tidies up.
        names = worker_registration.get_keys(queue=self.queue)
        return self.queue.connection.exists(*names) if names else 0

    @property
    def has_enough(self) -> bool:
        """Whether so many jobs wait that another would change nothing."""
        return self.queue.count >= _ENOUGH_JOBS

    def has_room(self) -> bool:
        """Whether few jobs wait, as far as can be told without waiting for a server that is away."""
        return self._has_fewer_than(_ENOUGH_JOBS)

    def is_empty(self) -> bool:
        """Whether no job waits, as far as can be told likewise."""
        return self._has_fewer_than(1)

    def _has_fewer_than(self, jobs: int) -> bool:
        if time.monotonic() < self._pause_until:
            return False
        try:
            return self.queue.count < jobs
        except RedisError as error:
            self._pause("look at jobs", error)
            return False

    def finalize(self, run_ids: Sequence[str], *, settled: bool = False) -> None:
        """Ask for these runs to be looked at: all in one job, or in a few where they are very many.

        Args:
            run_ids: they have ended.
            settled: they have waited long enough for messages that may be missing.
        """
        if not settled and self._is_full():
            return  # they are due: the sweep asks for them when there is room
        for start in range(0, len(run_ids), RUNS_A_JOB):
            some = run_ids[start : start + RUNS_A_JOB]
            self._enqueue(FINALIZE, (list(some),), {"settled": settled}, _describe("finalize", some))

    def _is_full(self) -> bool:
        """Whether no job more should wait, as of a moment ago: without finalizers, jobs must not fill the server."""
        now = time.monotonic()
        if now >= self._look_at and now >= self._pause_until:
            self._look_at = now + _LOOK_EVERY_S
            try:
                self._was_full = self.queue.count >= _MOST_JOBS
            except RedisError as error:
                self._pause("look at jobs", error)
        return self._was_full

    def finalize_silent(self, silent_since: Mapping[str, float]) -> None:
        """Ask for these runs to be summarised as stuck, unless somebody has heard of them since (ms)."""
        if silent_since:
            self._enqueue(FINALIZE_SILENT, (dict(silent_since),), {}, _describe("finalize silent", list(silent_since)))

    def finalize_alone(self, run_id: str) -> None:
        """Ask for a run that failed among others to be tried by itself, some times."""
        job_id = f"finalize-{hashlib.sha256(run_id.encode()).hexdigest()[:32]}"
        self._enqueue(FINALIZE, ([run_id],), {"settled": True}, _describe("finalize", [run_id]), job_id)

    def _enqueue(
        self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any], description: str, job_id: str | None = None
    ) -> None:
        if time.monotonic() < self._pause_until:
            return
        try:
            self.queue.enqueue_call(
                function,
                args=args,
                kwargs=kwargs,
                description=description,
                job_id=job_id,
                timeout=JOB_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=self._failed_job_ttl_s,
                retry=Retry(max=RETRIES),
            )
        except RedisError as error:
            self._pause(description, error)

    def _pause(self, what: str, error: RedisError) -> None:
        # Without a pause, each batch of messages would wait for a server that does not answer.
        self._pause_until = time.monotonic() + _PAUSE_S
        _log.warning("cannot enqueue jobs, the sweep will", job=what, reason=str(error), pause_s=_PAUSE_S)


def _describe(what: str, run_ids: Sequence[str]) -> str:
    return f"{what} {run_ids[0]}" if len(run_ids) == 1 else f"{what} {len(run_ids)} runs"
