"""A worker: takes messages from the streams and merges them into their runs, until it is stopped.

Three threads, so that none waits for another's server: one reads and validates, this one merges, one sweeps.
"""

import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final

from redis.exceptions import RedisError
from structlog.contextvars import bind_contextvars, bound_contextvars

from runweaver.shared.connection import check_server, connect, redact, translated
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.partitions import raise_partitions
from runweaver.shared.settings import WorkerSettings
from runweaver.worker.accept import Batch, accept
from runweaver.worker.account import Account
from runweaver.worker.consume import BLOCK_S, Consumer
from runweaver.worker.isolate import SUSPICIOUS_DELIVERIES, Isolator
from runweaver.worker.jobs import JobQueue
from runweaver.worker.merge import Merger
from runweaver.worker.sweep import SWEEP_EVERY_S, Sweeper
from runweaver.worker.totals import MergeTotals
from runweaver.worker.vitals import Vitals

#: Batches that are read ahead while one is being merged.
_READ_AHEAD: Final = 2

_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0
_POLL_S: Final = 0.2
#: The same while finalizers are to be asked for something.
_POLL_SOON_S: Final = 0.01

_log = get_logger(__name__)


class Worker:
    """Runs in a process of its own. Any number can run at once, on any number of machines."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Connect, and make sure that the servers are fit.

        Raises:
            ServerError: one is not; the text says what to do.
            SettingsError: a URL is none.
        """
        self._settings = settings
        self._where = redact(settings.redis_url)
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        keys = Keys(settings.namespace)
        client = connect(settings.redis_url, name="worker")
        # Not retried: a job is only a trigger, and messages must not wait for it.
        jobs_client = connect(settings.effective_jobs_url, name="worker-jobs", retries=0)
        check_server(client, settings.redis_url)
        check_server(jobs_client, settings.effective_jobs_url)
        partitions = raise_partitions(client, keys, settings.partitions)
        jobs = JobQueue(jobs_client, keys, failed_job_ttl_s=settings.failed_job_ttl_s)

        self._client = client
        self._keys = keys
        self._consumer = Consumer(
            connect(settings.redis_url, name="worker-reader", blocks_for_s=BLOCK_S, retries=0),
            keys,
            self.name,
            partitions=partitions,
            claim_after_s=settings.claim_after_s,
        )
        self._merger = Merger(client, jobs, keys, settings, partitions=partitions)
        self._isolator = Isolator(client, self._merger, keys, max_message_bytes=settings.max_message_bytes)
        self._sweeper = Sweeper(client, jobs, keys, settings)
        self._batches: queue.Queue[Batch] = queue.Queue(_READ_AHEAD)
        self._batch_numbers = count(1)
        self._account = Account()
        self.vitals = Vitals()
        self._stopping = threading.Event()

    @property
    def totals(self) -> MergeTotals:
        """What it has merged."""
        return self._merger.totals

    @property
    def claimed_entries(self) -> int:
        """How many entries it has taken over from other workers."""
        return self._consumer.claimed

    def stop(self) -> None:
        """Ask the worker to finish what it has read, and to return. May be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped."""
        with bound_contextvars(worker=self.name):
            self._run()

    def _run(self) -> None:
        _log.info("worker started", worker=self.name, partitions=self._consumer.partitions)
        reader = threading.Thread(target=self._keep, args=(self._read,), name="reader", daemon=True)
        sweeper = threading.Thread(target=self._keep, args=(self._sweep,), name="sweeper", daemon=True)
        for thread in (threading.current_thread(), reader, sweeper):
            self.vitals.beat(thread.name)
        reader.start()
        sweeper.start()
        # What was read before the stop is merged after it: the reader ends first, then the queue runs dry.
        while reader.is_alive() or not self._batches.empty():
            self._merge_next()
        self._merger.ask(at_once=True)
        self._account.tell(at_once=True)
        sweeper.join(BLOCK_S)
        self._leave()
        _log.info("worker stopped", worker=self.name)

    def _read(self) -> None:
        try:
            entries = self._consumer.read()
        except RedisError:
            self._consumer.lost_connection()
            raise
        suspicious = [entry for entry in entries if entry.deliveries >= SUSPICIOUS_DELIVERIES]
        for entry in suspicious:
            self._insist(partial(self._isolator.merge, entry))
        usual = [entry for entry in entries if entry.deliveries < SUSPICIOUS_DELIVERIES]
        if usual:
            self._hand_over(accept(usual, max_message_bytes=self._settings.max_message_bytes))

    def _hand_over(self, batch: Batch) -> None:
        while True:
            with suppress(queue.Full):
                self._batches.put(batch, timeout=_POLL_S)
                return
            # It is the merging that waits for the server, and says so.
            self._beat()

    def _merge_next(self) -> None:
        self._beat()
        try:
            batch = self._batches.get(timeout=_POLL_SOON_S if self._merger.has_to_ask else _POLL_S)
        except queue.Empty:
            self._merger.ask()
            self._account.tell()
            return
        with bound_contextvars(batch=next(self._batch_numbers)):
            self._merge(batch)

    def _merge(self, batch: Batch) -> None:
        started_at = time.perf_counter()
        try:
            self._insist(partial(self._merger.merge, batch))
        except Exception:  # noqa: BLE001 - whatever it is, the other messages of the batch go on
            _log.exception("a batch cannot be merged, trying its messages one by one", entries=len(batch.entries))
            self._insist(partial(self._merge_one_by_one, batch))
        took_s = time.perf_counter() - started_at
        _log.debug(
            "merged a batch",
            messages=batch.message_count,
            runs=len(batch.runs),
            set_aside=len(batch.rejected),
            milliseconds=round(took_s * 1000, 1),
        )
        self._account.add(batch, took_s)
        self.totals.batches.observe(took_s)

    def _merge_one_by_one(self, batch: Batch) -> None:
        """Merge what can be merged, and set aside the messages that fail by themselves."""
        rejected = list(batch.rejected)
        for alone in batch.messages_alone():
            try:
                self._merger.merge(alone)
            except RedisError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                _log.exception("a message cannot be merged, setting it aside", run_id=next(iter(alone.runs)))
                for run in alone.runs.values():
                    rejected += run.rejected("failed", repr(error))
        self._merger.merge(Batch(batch.entries, rejected=rejected))

    def _sweep(self) -> None:
        self._stopping.wait(SWEEP_EVERY_S)
        partitions = raise_partitions(self._client, self._keys, self._settings.partitions)
        self._consumer.partitions = self._merger.partitions = partitions
        self._sweeper.sweep(partitions)

    def _keep(self, step: Callable[[], None]) -> None:
        """A thread's life: the same step again and again, whatever happens to the server."""
        # A thread begins without what its parent has bound.
        bind_contextvars(worker=self.name)
        while not self._stopping.is_set():
            try:
                self._insist(step)
            except Exception:  # noqa: BLE001 - a thread that ends silently would be worse
                _log.exception("something unforeseen went wrong, trying again")
                self._stopping.wait(_LAST_RETRY_S)

    def _insist(self, step: Callable[[], None]) -> None:
        """Do something, again and again while the server is away; not longer than until the worker is stopped."""
        retry_s = _FIRST_RETRY_S
        while True:
            self._beat()
            try:
                step()
            except RedisError as error:
                reason = str(translated(error, self._where))
                _log.warning("the server does not do it now, trying again", reason=reason, retry_s=retry_s)
                self.vitals.fails(threading.current_thread().name, reason)
                if self._stopping.wait(retry_s):
                    return
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
            else:
                self.vitals.does_well(threading.current_thread().name)
                return

    def _beat(self) -> None:
        self.vitals.beat(threading.current_thread().name)

    def _leave(self) -> None:
        try:
            self._consumer.leave()
        except RedisError as error:
            reason = str(translated(error, self._where))
            _log.warning("cannot sign off, what is pending will be claimed by others", reason=reason)
