"""The finalizer as a process: an RQ worker on one queue, until it is stopped."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from os import getpid
from secrets import token_hex
from types import FrameType
from typing import Any, Final

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from structlog.contextvars import bound_contextvars

from runweaver.shared.connection import check_server, concerns_one_key, connect
from runweaver.shared.errors import SettingsError
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.settings import FinalizerSettings
from runweaver.worker.finalize import Finalizer
from runweaver.worker.finalize_job import JOB_TIMEOUT_S, FinalizeQueue
from runweaver.worker.jobs import JobQueue
from runweaver.worker.narrate import Narrator, PlainNarrator
from runweaver.worker.stopping import leave_at_once, leave_in_time
from runweaver.worker.totals import FinalizeTotals, NarrationTotals
from runweaver.worker.vitals import JOBS, Vitals

#: How often RQ looks for jobs whose process died.
_MAINTENANCE_S: Final = 60
_RETRY_S: Final = 2.0
#: How long a finalizer that was killed still counts as one (and a minute more).
_WORKER_TTL_S: Final = 60
#: When RQ looks up again at the latest: it waits for a job for 45 seconds, and up to 60 for a server that is away.
_LOOKS_UP_WITHIN_S: Final = 150.0
#: When a job is over at the latest: RQ stops it when its time is.
_JOB_OVER_WITHIN_S: Final = JOB_TIMEOUT_S + 60.0
#: The narrator that asks a language model.
_LLM: Final = "llm"

_log = get_logger(__name__)


class FinalizerProcess:
    """Runs finalize jobs. Any number can run at once, on any number of machines."""

    def __init__(self, settings: FinalizerSettings) -> None:
        """Connect, and make sure that the servers are fit.

        Raises:
            ServerError: one is not; the text says what to do.
            SettingsError: a URL is none, or the narrator cannot be imported or made.
            MissingExtraError: the narrator needs one that is not installed.
        """
        keys = Keys(settings.namespace)
        client = connect(settings.redis_url, name="finalizer")
        # RQ waits for a job for nearly as long as that.
        self._jobs_client = connect(settings.effective_jobs_url, name="finalizer-jobs", blocks_for_s=_WORKER_TTL_S)
        check_server(client, settings.redis_url)
        check_server(self._jobs_client, settings.effective_jobs_url)
        self._jobs = JobQueue(self._jobs_client, keys, failed_job_ttl_s=settings.failed_job_ttl_s)
        self.vitals = Vitals()
        #: What it has done.
        self.totals = FinalizeTotals()
        self._finalizer = Finalizer(
            client,
            self._jobs,
            keys,
            narrator=load_narrator(settings, self.totals.narrations),
            settings=settings,
            vitals=self.vitals,
            totals=self.totals,
        )
        self._is_stopping = False
        self._deadline: threading.Timer | None = None
        job_class = self._jobs.queue.job_class
        self._job_class = type(job_class.__name__, (job_class,), {"finalizer": self._finalizer})

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Call it in the main thread: RQ stops jobs that hang by a signal."""
        logging.getLogger("rq.worker").setLevel(logging.WARNING)
        _log.info("finalizer started", queue=self._jobs.queue.name)
        # RQ's way to say that it was told to stop; it catches that itself only while it waits for jobs.
        with suppress(StopRequested):
            while not self._work():
                # RQ gives up when the server is away for long; we do not.
                time.sleep(_RETRY_S)
                if self._is_stopping:
                    break
        if self._deadline is not None:
            self._deadline.cancel()
        _log.info("finalizer stopped")

    def _note_stop(self) -> None:
        self._is_stopping = True
        self._deadline = leave_in_time()
        self._finalizer.stop()

    def _work(self) -> bool:
        """Run jobs until the connection breaks.

        Returns:
            Whether it was a signal that ended it.
        """
        try:
            # Making one asks the server, too.
            worker = _FinalizeWorker(
                [self._jobs.queue],
                name=f"{socket.gethostname()}-{getpid()}-{token_hex(3)}",
                connection=self._jobs_client,
                job_class=self._job_class,
                queue_class=FinalizeQueue,
                serializer=JSONSerializer,
                worker_ttl=_WORKER_TTL_S,
                maintenance_interval=_MAINTENANCE_S,
                log_job_description=False,
            )
            worker.note_stop = self._note_stop
            worker.vitals, worker.totals = self.vitals, self.totals
            with bound_contextvars(finalizer=worker.name):
                worker.work(logging_level="WARNING")
        except RedisError as error:
            _log.warning("RQ's server is away, trying again", reason=str(error), retry_s=_RETRY_S)
            self.vitals.beat(JOBS)
            self.vitals.fails(JOBS, str(error))
        return self._is_stopping


class _FinalizeWorker(SimpleWorker):
    """Tells a stop from a broken connection, which look alike in `work`. Ends in time, and not where RQ gives up."""

    #: Called when it is told to stop; also when that comes after its end, before the next one has taken its place.
    note_stop: Callable[[], None]
    vitals: Vitals
    totals: FinalizeTotals
    #: How long until the next heartbeat at the latest.
    _silent_for_s: float = _LOOKS_UP_WITHIN_S

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        self.vitals.beat(JOBS, back_within_s=self._silent_for_s)
        try:
            super().heartbeat(*args, **kwargs)
        except RedisError as error:
            self.vitals.fails(JOBS, str(error))
            raise
        self.vitals.does_well(JOBS)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        started_at = time.perf_counter()
        self._silent_for_s = _JOB_OVER_WITHIN_S
        with bound_contextvars(job=job.id):
            succeeded = super().perform_job(job, queue, execution)
            took_s = time.perf_counter() - started_at
            _log.debug("ran a job", succeeded=succeeded, milliseconds=round(took_s * 1000, 1))
        self._silent_for_s = _LOOKS_UP_WITHIN_S
        self.totals.jobs["succeeded" if succeeded else "failed"] += 1
        self.totals.job_times.observe(took_s)
        return succeeded

    def handle_exception(self, job: Job, *exc_info: Any) -> None:  # noqa: ARG002 - RQ's signature
        """Tell of a job that failed. RQ would have the traceback in the event, and what the job asked for."""
        _log.error("a job failed", exc_info=exc_info)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.note_stop()
        # In the middle of a job it tells the server, which may be away.
        with suppress(RedisError):
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def request_force_stop(self, signum: int, _frame: FrameType | None) -> None:
        leave_at_once(signum)

    def subscribe(self) -> None:
        """Take no commands: a signal stops a finalizer, and not whoever may publish on a channel."""

    def _set_ip_address(self, *_connection: Any) -> None:
        # RQ would give the connection another name to find it by, and health checks look for the one it has.
        self.ip_address = "unknown"

    def run_maintenance_tasks(self) -> None:
        """Tidy up RQ's keys. Where somebody wrote nonsense there, that is told, and jobs go on."""
        try:
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except StopRequested:
            raise
        except Exception as error:
            if isinstance(error, RedisError) and not concerns_one_key(error):
                raise
            self.last_cleaned_at = datetime.now(UTC)  # type: ignore[assignment]
            _log.exception("cannot tidy up RQ's keys, finalizing nevertheless", queue=self.queues[0].name)


def load_narrator(settings: FinalizerSettings, totals: NarrationTotals | None = None) -> Narrator:
    """The narrator to use: `module:attribute` names a class or function that makes one, or one itself.

    Args:
        settings: they name it, and say what it needs.
        totals: where the one that asks a language model counts.

    Raises:
        SettingsError: there is no such thing, or it does not narrate.
        MissingExtraError: it needs one that is not installed.
    """
    path = settings.narrator
    if path is None:
        return PlainNarrator()
    if path == _LLM:
        # What it asks with takes a second to import, and need not be there.
        from runweaver.worker.llm import LlmNarrator  # noqa: PLC0415

        return LlmNarrator(settings, totals or NarrationTotals())
    module_name, _, attribute = path.partition(":")
    try:
        narrator: Any = getattr(import_module(module_name), attribute)
    except Exception as error:  # noqa: BLE001 - importing runs somebody else's code
        raise SettingsError(f"RUNWEAVER_NARRATOR={path!r}: cannot be imported as module:attribute ({error})") from None
    if isinstance(narrator, type) or not hasattr(narrator, "narrate"):
        narrator = narrator() if callable(narrator) else narrator
    if not callable(getattr(narrator, "narrate", None)):
        raise SettingsError(f"RUNWEAVER_NARRATOR={path!r}: has no method narrate(run)")
    return narrator  # type: ignore[no-any-return]
