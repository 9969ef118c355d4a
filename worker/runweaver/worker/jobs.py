"""The RQ queue between workers and finalizers.

A job is only a trigger: what is still to summarise stands in the `due` sets. Losing a job costs time, never a run.

Jobs are JSON, and name no function that could be imported: `FinalizeJob` knows what there is to run, and runs that.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, NoReturn, Protocol

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry, worker_registration
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from runweaver.shared.errors import RunweaverError
from runweaver.shared.fields import Identifier
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger

#: What a job asks for: look at these runs.
FINALIZE: Final = "runweaver.finalize"
#: What a job asks for: these runs have been silent since then.
FINALIZE_SILENT: Final = "runweaver.finalize_silent"

#: With so many jobs waiting, another one would not make a finalizer come earlier.
_ENOUGH_JOBS: Final = 1_000
_RUNS_A_JOB: Final = 500
#: More than any version ever put into one job.
_MOST_RUNS_ASKED: Final = 10_000
_JOB_TIMEOUT_S: Final = 600
_PAUSE_S: Final = 5.0
_FAILED_JOB_TTL_S: Final = 7 * 24 * 60 * 60
#: How often to see how many jobs wait.
_LOOK_EVERY_S: Final = 1.0

_log = get_logger(__name__)


class FinalizesRuns(Protocol):
    """What runs the jobs."""

    def finalize(self, run_ids: Sequence[str], *, settled: bool) -> None: ...

    def finalize_silent(self, silent_since: Mapping[str, float]) -> None: ...


class ForbiddenJobError(RunweaverError):
    """A job asks for something that is not ours to run. It ends in RQ's failed registry, unexecuted."""


class _Request(BaseModel):
    """The arguments of a function."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _FinalizeRequest(_Request):
    run_ids: Annotated[list[Identifier], Field(max_length=_MOST_RUNS_ASKED)]
    settled: bool = False


class _FinalizeSilentRequest(_Request):
    silent_since: Annotated[dict[Identifier, FiniteFloat], Field(max_length=_MOST_RUNS_ASKED)]


_REQUESTS: Final[dict[str, type[_Request]]] = {FINALIZE: _FinalizeRequest, FINALIZE_SILENT: _FinalizeSilentRequest}


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
            self._refuse(f"the function {self.func_name!r:.100}")
        self._check_arguments(_REQUESTS[self.func_name])
        return allowed[self.func_name]

    def _check_arguments(self, request: "type[_Request]") -> None:
        names = list(request.model_fields)
        try:
            if len(self.args) > 1:
                self._refuse(f"what cannot be done: {len(self.args)} arguments without a name")
            request.model_validate({**dict(zip(names, self.args, strict=False)), **self.kwargs})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            self._refuse(f"what cannot be done ({place:.100}: {first['msg']:.200})")

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

    def __init__(self, client: Redis, keys: Keys, *, failed_job_ttl_s: int = _FAILED_JOB_TTL_S) -> None:
        """On this client.

        Args:
            client: of RQ's server.
            keys: of our namespace.
            failed_job_ttl_s: how long RQ keeps a job that failed for good.
        """
        self._failed_job_ttl_s = failed_job_ttl_s
        self._pause_until = 0.0
        self._look_at = 0.0
        self._is_crowded = False
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

    def finalize(self, run_ids: Sequence[str], *, settled: bool = False) -> None:
        """Ask for these runs to be looked at: all in one job, or in a few where they are very many.

        Args:
            run_ids: they have ended.
            settled: they have waited long enough for messages that may be missing.
        """
        if not settled and self._has_long_had_enough():
            return  # they are due: the sweep asks for them when there is room
        for start in range(0, len(run_ids), _RUNS_A_JOB):
            some = run_ids[start : start + _RUNS_A_JOB]
            self._enqueue(FINALIZE, (list(some),), {"settled": settled}, _describe("finalize", some))

    def _has_long_had_enough(self) -> bool:
        """As `has_enough`, looked at now and then: without finalizers, jobs must not fill the server."""
        now = time.monotonic()
        if now >= self._look_at and now >= self._pause_until:
            self._look_at = now + _LOOK_EVERY_S
            try:
                self._is_crowded = self.has_enough
            except RedisError as error:
                self._pause("look at the queue", error)
        return self._is_crowded

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
                failure_ttl=self._failed_job_ttl_s,
                retry=Retry(max=3),
            )
        except RedisError as error:
            self._pause(description, error)

    def _pause(self, what: str, error: RedisError) -> None:
        # Without a pause, each batch of messages would wait for a server that does not answer.
        self._pause_until = time.monotonic() + _PAUSE_S
        _log.warning("cannot enqueue jobs, the sweep will", job=what, reason=str(error), pause_s=_PAUSE_S)


def _describe(what: str, run_ids: Sequence[str]) -> str:
    return f"{what} {run_ids[0]}" if len(run_ids) == 1 else f"{what} {len(run_ids)} runs"
