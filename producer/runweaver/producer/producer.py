"""The producer: an agent process' connection to Runweaver."""

import multiprocessing.util
import os
import re
import secrets
import socket
import time
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.carrier import Carrier, check_run_id, read_carrier
from runweaver.producer.channel import Channel
from runweaver.producer.encode import RedactionError, encode_body
from runweaver.producer.message_kind import Fields, MessageKind
from runweaver.producer.outbox import Outbox
from runweaver.producer.redact import Redactor, redact_secrets
from runweaver.producer.sampling import SampledOutChannel, is_in_sample
from runweaver.producer.sender import Sender
from runweaver.producer.spool import Spool
from runweaver.producer.stats import ProducerStats
from runweaver.producer.stream_sender import StreamSender
from runweaver.producer.trace_context import TraceContext, trace_fields
from runweaver.shared.connection import redact as redact_url
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import is_identifier
from runweaver.shared.keys import Keys
from runweaver.shared.run import SAMPLED_OUT_TAG
from runweaver.shared.settings import ProducerSettings

#: How long a producer that nobody closed may hold up the end of its process.
_EXIT_TIMEOUT_S: Final = 3.0


class Producer:
    """Reports runs. One for each process is enough; it can be shared by all threads and tasks.

        producer = Producer()
        with producer.start_run("qualify-leads", "Qualify sales leads") as run:
            decision = run.quick_decision("Is there a budget?", "Ask")
            run.record_outcome(decision, success=True)

    Messages leave in batches from a thread of their own. Where Redis is away they wait on the disk, if the producer
    has a spool, or else in memory. Where there is no room for them either, first the payload of messages is shed, then
    decisions are dropped, and only in the end outcomes, problems, beginnings and ends of runs. All of that is counted,
    logged, and told by the summary. At the end of the process what is left is sent, for at most three seconds, or put
    into the spool. `with Producer() as producer` and `close` do that earlier; a process that ends by `os._exit` needs
    one of them.

    Values under keys such as `password`, `token` or `authorization` are masked before anything leaves the process.

    A forked child can go on with its parent's producer and runs: it counts as a producer of its own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        name: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        redact: Redactor | None = redact_secrets,
        sample: float | None = None,
        keep_failed: bool | None = None,
        settings: ProducerSettings | None = None,
    ) -> None:
        """Nothing is connected before there is something to send.

        Args:
            url: where Redis is; absent: `RUNWEAVER_REDIS_URL`.
            name: how this producer's name begins; absent: the name of the machine. A part that nobody else has is
                always added, since two producers of one name would overwrite each other's messages.
            spool: a directory on a local disk for messages that Redis does not take; absent: `RUNWEAVER_SPOOL_DIR`, or
                else none. All processes of a machine may share it. What a process leaves there, another one sends.
            redact: takes a message's fields, as JSON has them, and returns what may be sent. It may call
                `redact_secrets`, which stands here by default. Where it fails, the message is not sent. None: nothing
                is masked.
            sample: which share of the runs is told, from 0 to 1; absent: `RUNWEAVER_SAMPLE`, or else all. It goes by
                the run id: who joins a run by its id, with the same share, or by its carrier, does as who started it.
            keep_failed: whether runs that this producer starts, and ends as failed, are told all the same, with the
                tag `sampled-out`; absent: `RUNWEAVER_KEEP_FAILED`, or else not.
            settings: all settings; absent: from the environment.

        Raises:
            SettingsError: the URL or a variable makes no sense.
            InvalidArgumentError: the name has characters that names cannot have, or there is no such share.
        """
        self._settings = settings if settings is not None else ProducerSettings.load(redis_url=url)
        self._url = url or self._settings.redis_url
        self._spool_dir = Path(spool) if spool is not None else self._settings.spool_dir
        self._redact = redact
        self._sample = sample if sample is not None else self._settings.sample
        self._keep_failed = keep_failed if keep_failed is not None else self._settings.keep_failed
        if not 0 <= self._sample <= 1:
            raise InvalidArgumentError(f"sample: {sample!r} is no share of all runs: it goes from 0 to 1")
        self._prefix = name if name is not None else _machine_name()
        if not is_identifier(self._prefix) or len(self._prefix) > 100:  # noqa: PLR2004
            raise InvalidArgumentError(f"name: {name!r} may have up to 100 of the characters A-Z a-z 0-9 . _ : @ / + -")
        self._runs: weakref.WeakSet[ActiveRun] = weakref.WeakSet()
        self._begin()
        # Not in a forked child: it may have been forked for something else.
        self._outbox.send_leftovers()
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
        self._outbox = self._make_outbox()
        self._when_forgotten = weakref.finalize(self, self._outbox.retire)
        self._when_forgotten.atexit = False
        self._close_at_exit()

    def _make_outbox(self) -> Outbox:
        settings = self._settings
        send = StreamSender(
            self._url,
            Keys(settings.namespace),
            partitions=settings.partitions,
            max_backlog=settings.max_backlog,
            replicas=settings.wait_replicas,
        )
        spool = None
        if self._spool_dir is not None:
            spool = Spool(self._spool_dir, namespace=settings.namespace, name=self.name, max_bytes=settings.spool_bytes)
        return Outbox(
            Sender(send, spool=spool, where=redact_url(self._url)),
            max_messages=settings.buffer_messages,
            max_bytes=settings.buffer_bytes,
            spool=spool,
        )

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
        trace_context: TraceContext | None = None,
        at: datetime | None = None,
    ) -> ActiveRun:
        """Begin a run.

        Args:
            goal_id: what all runs with the same purpose share.
            goal_description: the same in words.
            input_data: what the run begins with.
            run_id: absent: one is made, which sorts by time.
            tags: any words.
            trace_context: the trace that the run is part of, for its summary to link to: a W3C `traceparent`, or a
                carrier that may hold one, such as OpenTelemetry's `inject` fills. Absent: OpenTelemetry's current
                span, if this process has one. An empty mapping: none.
            at: when it began, if not now.

        Raises:
            InvalidArgumentError: an id has characters that ids cannot have, or another argument is off.
        """
        checked = check_run_id(run_id or _new_run_id())
        trace = trace_fields(trace_context)
        is_sampled = is_in_sample(checked, self._sample)
        if not is_sampled:
            # In front: a run is found by the first of its tags.
            tags = [SAMPLED_OUT_TAG, *tags]
        run = self._take_up(checked, joined=False, alone=not run_id, is_sampled=is_sampled)
        run._start(  # noqa: SLF001
            at, goal_id=goal_id, goal_description=goal_description, input_data=input_data or {}, tags=tags, **trace
        )
        return run

    def join_run(self, run_id: str | Carrier) -> ActiveRun:
        """Take part in a run that another process started. `leave` it at the end, or use it as a context manager.

        Args:
            run_id: the run's id, or what carries it: `ActiveRun.carrier` or `ActiveRun.environment` of who started it,
                among other headers or variables.

        Raises:
            InvalidArgumentError: there can be no such run id, or the mapping has none.
        """
        there = read_carrier(run_id)
        is_sampled = there.is_sampled if there.is_sampled is not None else is_in_sample(there.run_id, self._sample)
        return self._take_up(there.run_id, joined=True, alone=False, is_sampled=is_sampled)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait, at most `timeout` seconds, until everything recorded so far is on the server.

        Returns:
            Whether it is; being in the spool is not enough. False also if messages were dropped since the last flush.
        """
        return self._outbox.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Declare what was sent for runs that were neither ended nor left, flush, and let go of the connection.

        Returns:
            Whether everything arrived within `timeout` seconds, or lies in the spool. What does not is lost.
        """
        for run in list(self._runs):
            run._leave_unless_declared()  # noqa: SLF001
        self._at_exit.cancel()
        return self._outbox.close(timeout)

    @property
    def dropped(self) -> int:
        """How many messages were lost because there was no room, or because they came after `close`."""
        return self._outbox.dropped

    def stats(self) -> ProducerStats:
        """What has become of the messages so far; `ProducerCollector` tells Prometheus. Never waits for the server."""
        return self._outbox.stats()

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

    def _take_up(self, run_id: str, *, joined: bool, alone: bool, is_sampled: bool) -> ActiveRun:
        if is_sampled:
            channel = Channel(self, run_id, alone=alone)
        else:
            channel = SampledOutChannel(self, run_id, alone=alone, holds=self._keep_failed and not joined)
        run = ActiveRun(self, channel, run_id, joined=joined, is_sampled=is_sampled)
        self._runs.add(run)
        return run

    def _encode(self, kind: MessageKind, fields: Fields) -> bytes | None:
        """The message's JSON; none where it must not be sent."""
        try:
            return encode_body(
                kind,
                fields,
                self._settings.max_message_bytes,
                redact=self._redact,
                keep_payload=self._outbox.has_room_for_payload,
            )
        except RedactionError:
            return None

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
            run._after_fork_in_child()  # noqa: SLF001


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
