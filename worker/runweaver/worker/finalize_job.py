"""What a finalizer takes from RQ's keys: jobs that ask for what is ours, and nothing else.

Whoever can write there can write anything, and RQ believes what it reads: names of functions and callbacks, addresses
to call, other queues to fill, how long to wait. So a job is read field by field. One that has anything that ours never
have is not believed at all: it fails, which RQ keeps with the reason, and what it said is gone.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, NoReturn, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from redis import Redis
from redis.exceptions import ResponseError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job
from rq.serializers import JSONSerializer

from runweaver.shared.connection import concerns_one_key
from runweaver.shared.errors import RunweaverError
from runweaver.shared.fields import Identifier
from runweaver.shared.log import get_logger

#: What a job asks for: look at these runs.
FINALIZE: Final = "runweaver.finalize"
#: What a job asks for: these runs have been silent since then.
FINALIZE_SILENT: Final = "runweaver.finalize_silent"

JOB_TIMEOUT_S: Final = 600
FAILED_JOB_TTL_S: Final = 7 * 24 * 60 * 60
#: How often RQ repeats a job that fails.
RETRIES: Final = 3

#: What is read of a job. Its queue and its terms are ours to know; RQ may add fields that do not matter here.
_READ: Final = {
    *(b"data", b"description", b"status", b"retries_left", b"worker_name"),
    *(b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"last_heartbeat"),
}
#: What RQ would act on, and none of our jobs has.
_FORBIDDEN: Final = {
    *(b"success_callback_name", b"failure_callback_name", b"stopped_callback_name", b"webhooks"),
    *(b"dependency_id", b"dependency_ids", b"group_id", b"rate_limit_key", b"repeats_left", b"repeat_intervals"),
    *(b"meta", b"result"),
}
_NOTHING: Final = JSONSerializer.dumps(("refused", None, [], {}))

#: A job holds some hundred run ids. What is larger has not come from us, and may be made to fill the memory.
_MOST_BYTES: Final = 1024 * 1024
#: More than any version ever put into one job.
_MOST_RUNS: Final = 10_000
_JOB_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,200}")

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
    run_ids: Annotated[list[Identifier], Field(max_length=_MOST_RUNS)]
    settled: bool = False


class _FinalizeSilentRequest(_Request):
    silent_since: Annotated[dict[Identifier, FiniteFloat], Field(max_length=_MOST_RUNS)]


_REQUESTS: Final[dict[str, type[_Request]]] = {FINALIZE: _FinalizeRequest, FINALIZE_SILENT: _FinalizeSilentRequest}


class FinalizeJob(Job):
    """An RQ job that runs what is allowed, and imports nothing."""

    #: Set for a queue, by `for_queue`.
    queue_name: ClassVar[str] = ""
    failed_job_ttl_s: ClassVar[int] = FAILED_JOB_TTL_S
    #: Set in the finalizer's process.
    finalizer: ClassVar[FinalizesRuns | None] = None

    #: Why it is not believed.
    _refusal: str | None = None

    @classmethod
    def for_queue(cls, queue_name: str, *, failed_job_ttl_s: int) -> type[Self]:
        """The class for the jobs of one queue."""
        return type(cls.__name__, (cls,), {"queue_name": queue_name, "failed_job_ttl_s": failed_job_ttl_s})

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Self:  # noqa: A002 - RQ's name
        """The job with this id.

        Raises:
            NoSuchJobError: there is none, or something else lies in its place.
        """
        try:
            return super().fetch(id, connection=connection, serializer=serializer)  # type: ignore[return-value]
        except (ValueError, ResponseError) as error:
            if isinstance(error, ResponseError) and not concerns_one_key(error):
                raise
            _log.error("refused what is no job at all", job=id, reason=str(error))
            raise NoSuchJobError(str(error)) from None

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take over what the server holds of the job, or else only that it is there, and why it is refused."""
        self._refusal = None
        try:
            super().restore(_believed(raw_data))
        except Exception as error:  # noqa: BLE001 - whatever somebody could think of to write there
            self._refusal = str(error) or repr(error)
            _log.error("refused a job", job=self.id, reason=self._refusal)
            super().restore({b"data": _NOTHING})
        self.origin = self.queue_name
        self.timeout, self.result_ttl, self.failure_ttl = JOB_TIMEOUT_S, 0, self.failed_job_ttl_s
        self.retries_left = min(self.retries_left or 0, RETRIES)

    def save(self, pipeline: Any = None, include_meta: bool = True, include_result: bool = True) -> None:  # noqa: FBT001, FBT002 - RQ's
        """Write the job; of one that is refused, nothing stays of what it said, for tools that would believe it."""
        if self._refusal is not None:
            (self.connection if pipeline is None else pipeline).delete(self.key)
        super().save(pipeline, include_meta, include_result)

    @property
    def func(self) -> Any:
        if self._refusal is not None:
            self._refuse(self._refusal)
        allowed = (
            {}
            if self.finalizer is None
            else {
                FINALIZE: self.finalizer.finalize,
                FINALIZE_SILENT: self.finalizer.finalize_silent,
            }
        )
        if self.instance is not None or self.func_name not in allowed:
            self._refuse(f"it asks for the function {self.func_name!r:.100}")
        self._check_arguments(_REQUESTS[self.func_name])
        return allowed[self.func_name]

    def _check_arguments(self, request: "type[_Request]") -> None:
        names = list(request.model_fields)
        try:
            if len(self.args) > 1:
                self._refuse(f"it has {len(self.args)} arguments without a name")
            request.model_validate({**dict(zip(names, self.args, strict=False)), **self.kwargs})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            self._refuse(f"it asks for what cannot be done ({place:.100}: {first['msg']:.200})")

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, *_args: Any, **_options: Any) -> None:
        """Call nobody: whoever can write a job could make us call any address."""

    def _refuse(self, why: str) -> NoReturn:
        raise ForbiddenJobError(f"job {self.id} is refused: {why}. Finalizers run {FINALIZE} and {FINALIZE_SILENT}")


class FinalizeQueue(Queue):
    """An RQ queue that survives what is no job id."""

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        """Take the next job id; what is none is put away."""
        while True:
            found = super().lmove(connection, queue_key, timeout)
            if found is None or _JOB_ID.fullmatch(found[1]):
                return found
            connection.lrem(IntermediateQueue.get_intermediate_queue_key(queue_key), 1, found[1])
            _log.error("refused what is no job id", job=repr(found[1][:100]), queue=queue_key)


def _believed(raw: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    forbidden = sorted(name.decode() for name in _FORBIDDEN if raw.get(name))
    if forbidden:
        raise ForbiddenJobError(f"it has {', '.join(forbidden)}")
    read = {name: value for name, value in raw.items() if name in _READ}
    # RQ unpacks without a limit, and takes what cannot be unpacked as it is. Packed anew it is neither.
    return {**read, b"data": zlib.compress(_unpacked(raw.get(b"data", b"")))}


def _unpacked(packed: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        data = decompressor.decompress(packed, _MOST_BYTES)
    except zlib.error:
        data = packed
    if decompressor.unconsumed_tail or len(data) > _MOST_BYTES:
        raise ForbiddenJobError(f"it is larger than {_MOST_BYTES:,} bytes")
    return data
