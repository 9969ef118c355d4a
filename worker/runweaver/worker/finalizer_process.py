"""The finalizer as a process: an RQ worker on one queue, until it is stopped."""

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from os import getpid
from secrets import token_hex
from types import FrameType
from typing import Any, Final

from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from runweaver.shared.connection import check_server, connect
from runweaver.shared.errors import SettingsError
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.settings import FinalizerSettings
from runweaver.worker.finalize import Finalizer
from runweaver.worker.jobs import FinalizeJob, JobQueue
from runweaver.worker.narrate import Narrator, PlainNarrator

#: How often RQ looks for jobs whose process died.
_MAINTENANCE_S: Final = 60
_RETRY_S: Final = 2.0
#: How long a finalizer that was killed still counts as one (and a minute more).
_WORKER_TTL_S: Final = 60

_log = get_logger(__name__)


class FinalizerProcess:
    """Runs finalize jobs. Any number can run at once, on any number of machines."""

    def __init__(self, settings: FinalizerSettings) -> None:
        """Connect, and make sure that the servers are fit.

        Raises:
            ServerError: one is not; the text says what to do.
            SettingsError: a URL is none, or the narrator cannot be imported.
        """
        keys = Keys(settings.namespace)
        client = connect(settings.redis_url, name="finalizer")
        self._jobs_client = connect(settings.effective_jobs_url, name="finalizer-jobs")
        check_server(client, settings.redis_url)
        check_server(self._jobs_client, settings.effective_jobs_url)
        self._jobs = JobQueue(self._jobs_client, keys)
        finalizer = Finalizer(
            client,
            self._jobs,
            keys,
            narrator=load_narrator(settings.narrator),
            summary_ttl_s=settings.summary_ttl_s,
            archive_ttl_s=settings.archive_ttl_s,
        )
        self._is_stopping = False
        self._job_class = type("BoundFinalizeJob", (FinalizeJob,), {"finalizer": finalizer})

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
        _log.info("finalizer stopped")

    def _note_stop(self) -> None:
        self._is_stopping = True

    def _work(self) -> bool:
        """Run jobs until the connection breaks.

        Returns:
            Whether it was a signal that ended it.
        """
        try:
            # Making one asks the server, too.
            worker = _StoppableWorker(
                [self._jobs.queue],
                name=f"{socket.gethostname()}-{getpid()}-{token_hex(3)}",
                connection=self._jobs_client,
                job_class=self._job_class,
                serializer=JSONSerializer,
                worker_ttl=_WORKER_TTL_S,
                maintenance_interval=_MAINTENANCE_S,
                log_job_description=False,
            )
            worker.note_stop = self._note_stop
            worker.work(logging_level="WARNING")
        except RedisError as error:
            _log.warning("RQ's server is away, trying again", reason=str(error), retry_s=_RETRY_S)
        return self._is_stopping


class _StoppableWorker(SimpleWorker):
    """Tells a stop from a broken connection, which look alike in `work`."""

    #: Called when it is told to stop; also when that comes after its end, before the next one has taken its place.
    note_stop: Callable[[], None]

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.note_stop()
        # In the middle of a job it tells the server, which may be away.
        with suppress(RedisError):
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


def load_narrator(path: str | None) -> Narrator:
    """The narrator to use: `module:attribute` names a class or function that makes one, or one itself.

    Raises:
        SettingsError: there is no such thing, or it does not narrate.
    """
    if path is None:
        return PlainNarrator()
    module_name, _, attribute = path.partition(":")
    try:
        narrator: Any = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"RUNWEAVER_NARRATOR={path!r}: cannot be imported as module:attribute ({error})") from None
    if isinstance(narrator, type) or not hasattr(narrator, "narrate"):
        narrator = narrator() if callable(narrator) else narrator
    if not callable(getattr(narrator, "narrate", None)):
        raise SettingsError(f"RUNWEAVER_NARRATOR={path!r}: has no method narrate(run)")
    return narrator  # type: ignore[no-any-return]
