"""The RQ queue between workers and finalizers.

A job is only a trigger: what is still to summarise stands in the `due` sets. Losing a job costs time, never a run.

Jobs are JSON, and name no function that could be imported: `FinalizeJob` knows what there is to run, and runs that.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NoReturn, Protocol

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry, worker_registration
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from runweaver.shared.errors import RunweaverError
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger

#: What a job asks for: look at these runs.
FINALIZE: Final = "runweaver.finalize"
#: What a job asks for: these runs have been silent since then.
FINALIZE_SILENT: Final = "runweaver.finalize_silent"

#: With so many jobs waiting, another one would not make a finalizer come earlier.
_ENOUGH_JOBS: Final = 100
_RUNS_A_JOB: Final = 500
_JOB_TIMEOUT_S: Final = 600
_PAUSE_S: Final = 5.0
_FAILURE_TTL_S: Final = 7 * 24 * 60 * 60

_log = get_logger(__name__)


class FinalizesRuns(Protocol):
    """What runs the jobs."""

    def finalize(self, run_ids: Sequence[str], *, settled: bool) -> None: ...

    def finalize_silent(self, silent_since: Mapping[str, float]) -> None: ...


class ForbiddenJobError(RunweaverError):
    """A job asks for something that is not ours to run. It ends in RQ's failed registry, unexecuted."""


class FinalizeJob(Job):
    """An RQ job that runs what is allowed, and imports nothing."""

    #: Set in the finalizer's process.
    finalizer: ClassVar[FinalizesRuns | None] = None

    @property
    def func(self) -> Any:
        allowed = (
            {}
            if self.finalizer is None
            else {
                FINALIZE: self.finalizer.finalize,
                FINALIZE_SILENT: self.finalizer.finalize_silent,
            }
        )
        if self.instance is not None or self.func_name not in allowed:
            self._refuse(f"the function {self.func_name!r}")
        return allowed[self.func_name]

    @property
    def success_callback(self) -> None:
        if self._success_callback_name:
            self._refuse("a success callback")

    @property
    def failure_callback(self) -> None:
        # Not refused with an error: RQ asks for it while it deals with one.
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, *_args: Any, **_options: Any) -> None:
        """Call nobody: whoever can write a job could make us call any address."""

    def _refuse(self, what: str) -> NoReturn:
        raise ForbiddenJobError(f"job {self.id} asks for {what}: finalizers run {FINALIZE} and {FINALIZE_SILENT} only")


class JobsStatus(BaseModel):
    """How finalization is doing."""

    #: Jobs that no finalizer has taken up yet.
    waiting: int
    #: Jobs that failed for good: each is one run, and RQ keeps its traceback for a week.
    failed: int
    finalizers: int


class JobQueue:
    """Asks finalizers to look at runs."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._pause_until = 0.0
        self.queue = Queue(
            f"{keys.namespace}-finalize", connection=client, job_class=FinalizeJob, serializer=JSONSerializer
        )

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
        if time.monotonic() < self._pause_until:
            return False
        try:
            return not self.has_enough
        except RedisError as error:
            self._pause("look at jobs", error)
            return False

    def finalize(self, run_ids: Sequence[str], *, settled: bool = False) -> None:
        """Ask for these runs to be looked at: all in one job, or in a few where they are very many.

        Args:
            run_ids: they have ended.
            settled: they have waited long enough for messages that may be missing.
        """
        for start in range(0, len(run_ids), _RUNS_A_JOB):
            some = run_ids[start : start + _RUNS_A_JOB]
            self._enqueue(FINALIZE, (list(some),), {"settled": settled}, _describe("finalize", some))

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
                timeout=_JOB_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=_FAILURE_TTL_S,
                retry=Retry(max=3),
            )
        except RedisError as error:
            self._pause(description, error)

    def _pause(self, what: str, error: RedisError) -> None:
        # Otherwise, each batch of messages would wait for a server that does not answer.
        self._pause_until = time.monotonic() + _PAUSE_S
        _log.warning("cannot enqueue a job, the sweep will", job=what, reason=str(error), pause_s=_PAUSE_S)


def _describe(what: str, run_ids: Sequence[str]) -> str:
    return f"{what} {run_ids[0]}" if len(run_ids) == 1 else f"{what} {len(run_ids)} runs"
