"""Messages on their way out: a bounded buffer between the agent's threads and the one that sends.

Putting a message in costs a lock and an append. All waiting, for the server and for the disk, is the sender's.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from runweaver.producer.spool import Spool
from runweaver.producer.spool_file import Batches
from runweaver.producer.stats import ProducerStats
from runweaver.shared.log import get_logger

#: A batch leaves when it has this many messages, this many bytes, or when its first message is this old.
BATCH_MESSAGES: Final = 200
BATCH_BYTES: Final = 256 * 1024
LINGER_S: Final = 0.05

#: Where the buffer is so full, messages should come without their payload.
SHED_PAYLOAD_FROM: Final = 0.5
#: Where it is so full, only what a run cannot be understood without is taken.
ESSENTIAL_ONLY_FROM: Final = 0.8

#: Batches that go out in one round trip. More would keep the interpreter from the agent's threads for too long.
_BATCHES_AT_ONCE: Final = 3
_WARN_EVERY_S: Final = 60.0

_log = get_logger(__name__)

#: What the sender's thread does, until `Outbox.next_batches` says that all is over: see `Sender`.
Run = Callable[["Outbox"], None]


class Outbox:
    """A bounded buffer, and the thread that empties it."""

    def __init__(self, run: Run, *, max_messages: int, max_bytes: int, spool: Spool | None = None) -> None:
        """Nothing happens before something is put in, or `send_leftovers` is called.

        Args:
            run: the sender's work, see `Sender`.
            max_messages: that may wait in memory.
            max_bytes: that may wait in memory.
            spool: where to put what is left in the end.
        """
        self._run = run
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._shed_from_messages = max_messages * SHED_PAYLOAD_FROM
        self._shed_from_bytes = max_bytes * SHED_PAYLOAD_FROM
        self._spool = spool

        # Guarded by the lock. Messages leave in the order in which they came: two counters tell how far. The lock is
        # one that a signal's handler or a finalizer may take again, and `put` takes it without the detour by the
        # condition, which costs as much as the append.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._buffer: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._oldest_at = 0.0
        self._accepted = 0
        self._sent = 0
        #: Of those that were sent: how many were lost instead. They are waited for no longer.
        self._lost = 0
        self._hurry_until = 0
        self._is_away = False
        self._lost_since_flush = False
        self._closing = False
        self._closed = False
        self._retired = False
        self._thread: threading.Thread | None = None
        self._next_warning_at = 0.0

        #: Messages that found no room, or the outbox closed, or that a broken disk took with it.
        self.dropped = 0

    def send_leftovers(self) -> None:
        """Send what another process has left in the spool, without waiting for something of our own."""
        with self._changed:
            if self._thread is None and self._spool is not None and self._spool.has_leftovers:
                self._thread = self._start_thread()

    def put(self, raw: bytes | None, *, essential: bool = True) -> bool:
        """Take a message, or drop it where there is no room. Never waits for the server, nor for the disk.

        Args:
            raw: the message; none where it must not be sent, and is only to be counted.
            essential: whether it may have the last of the room.

        Returns:
            Whether it was taken.
        """
        with self._lock:
            if raw is None or self._closing or self._is_full(len(raw), essential=essential):
                self._drop(is_forbidden=raw is None)
                return False
            had_full_batch = self._has_full_batch()
            if not self._buffer:
                self._oldest_at = time.monotonic()
            self._buffer.append(raw)
            self._buffered_bytes += len(raw)
            self._accepted += 1
            if self._thread is None:
                self._thread = self._start_thread()
            # Otherwise the sender is lingering or sending, and looks by itself.
            if len(self._buffer) == 1 or (not had_full_batch and self._has_full_batch()):
                self._changed.notify_all()
            return True

    @property
    def has_room_for_payload(self) -> bool:
        """Whether there is room enough for whole messages. Asked without the lock: a hint."""
        return len(self._buffer) < self._shed_from_messages and self._buffered_bytes < self._shed_from_bytes

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything taken so far is on the server; being on the disk is not enough.

        Returns:
            Whether that is so, and nothing was lost since the last flush.
        """
        with self._changed:
            target = self._accepted
            self._hurry_until = max(self._hurry_until, target)
            self._changed.notify_all()
            arrived = self._changed.wait_for(lambda: self._sent >= target, timeout_s)
            kept_all, self._lost_since_flush = not self._lost_since_flush, False
            return arrived and kept_all

    def stats(self) -> ProducerStats:
        """What has become of the messages so far. The disk is looked at, where there is a spool."""
        spool_bytes = self._spool.used_bytes if self._spool is not None else 0
        with self._lock:
            return ProducerStats(
                taken_messages=self._accepted,
                sent_messages=self._sent - self._lost,
                dropped_messages=self.dropped,
                buffered_messages=len(self._buffer),
                buffered_bytes=self._buffered_bytes,
                # A closed producer may hand a message to the disk and, in a call that hung, to the server.
                spooled_messages=max(0, self._accepted - self._sent - len(self._buffer)),
                spool_bytes=spool_bytes,
            )

    def retire(self) -> None:
        """Nobody will put anything in any more: the thread sends what is left, and ends."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """Send what is left, or put it onto the disk, and stop the thread. The rest is lost, and counted as dropped.

        Returns:
            Whether everything is on the server, or on the disk to be sent later, and nothing was lost since the last
            flush.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            if not self._closing:
                self._closing = True
                self._changed.notify_all()
                self._changed.wait_for(self._can_close, timeout_s)
                self._closed = True
                self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._rescue()
        return not self._lost_since_flush

    # For the sender:

    def next_batches(self, timeout_s: float | None, *, wanted: bool, is_last: bool) -> Batches | None:
        """Wait until something is worth sending.

        Args:
            timeout_s: wait no longer than this.
            wanted: whether there is any use for messages now.
            is_last: whether the sender has nothing else to send.

        Returns:
            The first messages of the buffer, which stay there; an empty list when the time is over; none when all is.
        """
        deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        with self._changed:
            while not self._is_over(is_last=is_last):
                wait_until = deadline
                if wanted and self._buffer:
                    wait_until = min(deadline, self._ripe_at())
                seconds = wait_until - time.monotonic()
                if seconds <= 0:
                    return cut(self._buffer) if wanted else []
                self._changed.wait(seconds if seconds < threading.TIMEOUT_MAX else None)
            return None

    def remove(self, batches: Batches, *, is_sent: bool) -> None:
        """The first messages of the buffer are on the server, or on the disk."""
        messages = sum(map(len, batches))
        with self._changed:
            # A buffer that was closed meanwhile may be empty.
            for _ in range(min(messages, len(self._buffer))):
                self._buffered_bytes -= len(self._buffer.popleft())
            self._oldest_at = time.monotonic()
            self._sent += messages if is_sent else 0
            self._changed.notify_all()

    def note_sent(self, messages: int) -> None:
        """Messages that were on the disk are on the server."""
        with self._changed:
            self._sent += messages
            self._changed.notify_all()

    def note_lost(self, messages: int) -> None:
        """Messages that were on the disk cannot be read any more."""
        with self._changed:
            self._sent += messages
            self._lost += messages
            self.dropped += messages
            self._lost_since_flush = True
            self._changed.notify_all()

    def note_away(self, *, is_away: bool) -> None:
        """Whether the server takes messages."""
        with self._changed:
            self._is_away = is_away
            self._changed.notify_all()

    def _is_over(self, *, is_last: bool) -> bool:
        return self._closed or (is_last and not self._buffer and (self._closing or self._retired))

    def _ripe_at(self) -> float:
        is_urgent = self._closing or self._has_full_batch() or self._hurry_until > self._sent
        return 0.0 if is_urgent else self._oldest_at + LINGER_S

    def _can_close(self) -> bool:
        # A server that is away is not waited for where there is a disk: there the buffer runs empty.
        return self._sent >= self._accepted or (self._is_away and not self._buffer)

    def _rescue(self) -> None:
        """Put onto the disk what the thread left in the buffer: it may hang in a call to the server."""
        with self._changed:
            left, self._buffer, self._buffered_bytes = self._buffer, deque(), 0
        if not left:
            return
        if self._spool is not None and self._spool.rescue(cut(left, most=None)):
            _log.info("closed before everything was sent, the rest waits in the spool", spooled=len(left))
            return
        self.note_lost(len(left))
        _log.warning("closed before everything was sent", lost=len(left))

    def _is_full(self, more_bytes: int, *, essential: bool) -> bool:
        share = 1.0 if essential else ESSENTIAL_ONLY_FROM
        return (
            len(self._buffer) >= self._max_messages * share
            or self._buffered_bytes + more_bytes > self._max_bytes * share
        )

    def _has_full_batch(self) -> bool:
        return len(self._buffer) >= BATCH_MESSAGES or self._buffered_bytes >= BATCH_BYTES

    def _drop(self, *, is_forbidden: bool) -> None:
        self.dropped += 1
        self._lost_since_flush = True
        if is_forbidden:
            return  # whoever forbade it has said why
        now = time.monotonic()
        if now >= self._next_warning_at:
            self._next_warning_at = now + _WARN_EVERY_S
            _log.warning(
                "messages dropped: the producer is closed"
                if self._closing
                else "messages dropped: the buffer is full and the server does not take them",
                dropped=self.dropped,
                buffered=len(self._buffer),
            )

    def _start_thread(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, args=(self,), name="runweaver-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is going down, or the machine has no threads left. The next message tries again.
            return None
        return thread


def cut(messages: Iterable[bytes], *, most: int | None = _BATCHES_AT_ONCE) -> Batches:
    """The first messages, in at most so many batches that are each one stream entry."""
    batches: Batches = []
    size = BATCH_BYTES
    for raw in messages:
        if size + len(raw) > BATCH_BYTES or len(batches[-1]) == BATCH_MESSAGES:
            if len(batches) == most:
                break
            batches.append([])
            size = 0
        batches[-1].append(raw)
        size += len(raw)
    return batches
