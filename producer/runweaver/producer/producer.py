"""The producer: an agent process' connection to Runweaver."""

import multiprocessing.util
import os
import re
import secrets
import socket
import time
import weakref
from collections.abc import Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.outbox import Outbox
from runweaver.producer.stream_sender import StreamSender
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import is_identifier
from runweaver.shared.keys import Keys
from runweaver.shared.settings import ProducerSettings

#: How long a producer that nobody closed may hold up the end of its process.
_EXIT_TIMEOUT_S: Final = 3.0


class Producer:
    """Reports runs. One for each process is enough; it can be shared by all threads and tasks.

        producer = Producer()
        with producer.start_run("qualify-leads", "Qualify sales leads") as run:
            decision = run.quick_decision("Is there a budget?", "Ask")
            run.record_outcome(decision, success=True)

    Messages leave in batches from a thread of their own. Redis may be away: they wait in memory, and what does not
    fit there is dropped, counted in `dropped` and logged. At the end of the process what is left is sent, for at
    most three seconds. `with Producer() as producer` and `close` do that earlier; a process that ends by `os._exit`
    needs one of them.

    A forked child can go on with its parent's producer and runs: it counts as a producer of its own.
    """

    def __init__(
        self, url: str | None = None, *, name: str | None = None, settings: ProducerSettings | None = None
    ) -> None:
        """Nothing is connected before there is something to send.

        Args:
            url: where Redis is; absent: `RUNWEAVER_REDIS_URL`.
            name: how this producer's name begins; absent: the name of the machine. A part that nobody else has is
                always added, since two producers of one name would overwrite each other's messages.
            settings: all settings; absent: from the environment.

        Raises:
            SettingsError: the URL or a variable makes no sense.
            InvalidArgumentError: the name has characters that names cannot have.
        """
        self._settings = settings if settings is not None else ProducerSettings.load(redis_url=url)
        self._url = url or self._settings.redis_url
        self._prefix = name if name is not None else _machine_name()
        if not is_identifier(self._prefix) or len(self._prefix) > 100:  # noqa: PLR2004
            raise InvalidArgumentError(f"name: {name!r} may have up to 100 of the characters A-Z a-z 0-9 . _ : @ / + -")
        self._runs: weakref.WeakSet[ActiveRun] = weakref.WeakSet()
        self._begin()
        _living.add(self)
        # multiprocessing forgets what was to run at the end when it has forked a child, and calls this then.
        multiprocessing.util.register_after_fork(self, Producer._close_at_exit)

    def _begin(self) -> None:
        """Become a producer of this process: at first, and again in a forked child."""
        self._token = secrets.token_hex(5)
        #: The producer's name in its messages, or how that begins: unique to this process.
        self.name = f"{self._prefix}-{os.getpid()}-{self._token}"
        self._ids = count()
        self._parts = count(1)
        sender = StreamSender(self._url, Keys(self._settings.namespace), self._settings.partitions)
        self._outbox = Outbox(
            sender, max_messages=self._settings.buffer_messages, max_bytes=self._settings.buffer_bytes
        )
        self._when_forgotten = weakref.finalize(self, self._outbox.retire)
        self._when_forgotten.atexit = False
        self._close_at_exit()

    def _close_at_exit(self) -> None:
        # Unlike atexit, this also runs at the end of a multiprocessing child. It holds on to the outbox: what a
        # producer that went out of scope still had to send is sent nevertheless.
        self._at_exit = multiprocessing.util.Finalize(
            None, _close_at_exit, args=(weakref.ref(self), self._outbox), exitpriority=100
        )

    def start_run(
        self,
        goal_id: str,
        goal_description: str = "",
        *,
        input_data: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        tags: Sequence[str] = (),
    ) -> ActiveRun:
        """Begin a run.

        Args:
            goal_id: what all runs with the same purpose share.
            goal_description: the same in words.
            input_data: what the run begins with.
            run_id: absent: one is made, which sorts by time.
            tags: any words.

        Raises:
            InvalidArgumentError: an id has characters that ids cannot have, or another argument is off.
        """
        checked = _checked_run_id(run_id or _new_run_id())
        run = self._track(ActiveRun(self, checked, joined=False, alone=not run_id))
        run._start(  # noqa: SLF001
            goal_id=goal_id, goal_description=goal_description, input_data=input_data or {}, tags=tags
        )
        return run

    def join_run(self, run_id: str) -> ActiveRun:
        """Take part in a run that another process started. `leave` it at the end, or use it as a context manager.

        Raises:
            InvalidArgumentError: there can be no such run id.
        """
        return self._track(ActiveRun(self, _checked_run_id(run_id), joined=True, alone=False))

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait, at most `timeout` seconds, until everything recorded so far is on the server.

        Returns:
            Whether it is. False also if messages were dropped since the last flush.
        """
        return self._outbox.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Declare what was sent for runs that were neither ended nor left, flush, and let go of the connection.

        Returns:
            Whether everything arrived within `timeout` seconds. What did not is lost.
        """
        for run in list(self._runs):
            run._leave_unless_declared()  # noqa: SLF001
        self._at_exit.cancel()
        return self._outbox.close(timeout)

    @property
    def dropped(self) -> int:
        """How many messages were lost because the buffer was full, or because they came after `close`."""
        return self._outbox.dropped

    @property
    def max_message_bytes(self) -> int:
        """What a message may have; larger ones lose their payload."""
        return self._settings.max_message_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _track(self, run: ActiveRun) -> ActiveRun:
        self._runs.add(run)
        return run

    def _put(self, raw: bytes) -> None:
        self._outbox.put(raw)

    def _new_part(self) -> str:
        """A name for one of several who may speak for the same run here, each with a `seq` of its own."""
        return f"{self.name}.{next(self._parts)}"

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{self._token}-{next(self._ids)}"

    def _after_fork_in_child(self) -> None:
        # What the parent has in its buffer, the parent sends. Its outbox is not touched any more: a thread that does
        # not exist here may have held its lock.
        self._when_forgotten.detach()
        self._begin()
        for run in list(self._runs):
            run._reset()  # noqa: SLF001


#: All producers of this process, for the children that it may fork.
_living: weakref.WeakSet[Producer] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for producer in list(_living):
        producer._after_fork_in_child()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _close_at_exit(reference: "weakref.ref[Producer]", outbox: Outbox) -> None:
    producer = reference()
    if producer is not None:
        producer.close(_EXIT_TIMEOUT_S)
    else:
        outbox.close(_EXIT_TIMEOUT_S)


def _machine_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:40] or "producer"


def _new_run_id() -> str:
    return f"run-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(6)}"


def _checked_run_id(run_id: str) -> str:
    if not isinstance(run_id, str) or not is_identifier(run_id):
        raise InvalidArgumentError(
            f"run_id: {run_id!r} may have up to 200 of the characters A-Z a-z 0-9 . _ : @ / + -, and no others"
        )
    return run_id
