"""Messages on their way out: a bounded buffer, and the thread that empties it.

Putting a message in costs a lock and an append. All waiting for the server happens on the sender's thread.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from runweaver.shared.log import get_logger

#: A batch leaves when it has this many messages, this many bytes, or when its first message is this old.
BATCH_MESSAGES: Final = 200
BATCH_BYTES: Final = 256 * 1024
LINGER_S: Final = 0.05

#: Batches that go out in one round trip.
_BATCHES_AT_ONCE: Final = 10
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0
_WARN_EVERY_S: Final = 60.0

_log = get_logger(__name__)

#: Puts batches onto the server. It raises where it cannot, and may be called again with the same: identity makes a
#: resend harmless.
Send = Callable[[list[list[bytes]]], None]


class Outbox:
    """A buffer with a sender."""

    def __init__(self, send: Send, *, max_messages: int, max_bytes: int) -> None:
        self._send = send
        self._max_messages = max_messages
        self._max_bytes = max_bytes

        # Guarded by the condition's lock.
        self._changed = threading.Condition()
        self._buffer: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._oldest_at = 0.0
        self._accepted = 0
        self._sent = 0
        self._hurry_until = 0
        self._dropped_since_flush = False
        self._closed = False
        self._retired = False
        self._thread: threading.Thread | None = None
        self._next_warning_at = 0.0

        #: Messages that found the buffer full, or closed.
        self.dropped = 0

    def put(self, raw: bytes) -> None:
        """Take a message, or drop it where the buffer is full. Never waits for the server."""
        with self._changed:
            if self._closed or self._is_full(len(raw)):
                self._drop()
                return
            if not self._buffer:
                self._oldest_at = time.monotonic()
            self._buffer.append(raw)
            self._buffered_bytes += len(raw)
            self._accepted += 1
            if self._thread is None:
                self._thread = self._start_thread()
            # Otherwise the sender is lingering or sending, and looks by itself.
            if len(self._buffer) == 1 or self._has_full_batch():
                self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything taken so far is on the server.

        Returns:
            Whether that is so, and nothing was dropped since the last flush.
        """
        with self._changed:
            target = self._accepted
            self._hurry_until = max(self._hurry_until, target)
            self._changed.notify_all()
            arrived = self._changed.wait_for(lambda: self._sent >= target, timeout_s)
            kept_all, self._dropped_since_flush = not self._dropped_since_flush, False
            return arrived and kept_all

    def retire(self) -> None:
        """Nobody will put anything in any more: the thread sends what is left, and ends."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """Flush, and stop the thread. What could not be sent in time is lost, and counted as dropped."""
        with self._changed:
            if self._closed:
                return self._accepted == self._sent
        deadline = time.monotonic() + timeout_s
        everything = self.flush(timeout_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            unsent = self._accepted - self._sent
            self.dropped += unsent
        if unsent:
            _log.warning("closed before everything was sent", lost=unsent)
        return everything

    def _is_full(self, more_bytes: int) -> bool:
        return len(self._buffer) >= self._max_messages or self._buffered_bytes + more_bytes > self._max_bytes

    def _has_full_batch(self) -> bool:
        return len(self._buffer) >= BATCH_MESSAGES or self._buffered_bytes >= BATCH_BYTES

    def _drop(self) -> None:
        self.dropped += 1
        self._dropped_since_flush = True
        now = time.monotonic()
        if now >= self._next_warning_at:
            self._next_warning_at = now + _WARN_EVERY_S
            _log.warning(
                "messages dropped: the producer is closed"
                if self._closed
                else "messages dropped: the buffer is full and the server does not take them",
                dropped=self.dropped,
                buffered=len(self._buffer),
            )

    def _start_thread(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name="runweaver-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is going down, or the machine has no threads left. The next message tries again.
            return None
        return thread

    def _run(self) -> None:
        while batches := self._next_batches():
            if not self._send_until_done(batches):
                return
            self._remove(sum(map(len, batches)))

    def _next_batches(self) -> list[list[bytes]]:
        """Wait for something worth sending. Nothing comes only when the outbox is empty and no more will follow."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._closed or self._retired)
            linger_until = self._oldest_at + LINGER_S
            while not (self._closed or self._has_full_batch() or self._hurry_until > self._sent):
                left = linger_until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return _cut(self._buffer)

    def _send_until_done(self, batches: list[list[bytes]]) -> bool:
        """Send, again and again while the server is away; not longer than until the outbox is closed."""
        retry_s = _FIRST_RETRY_S
        next_warning_at = 0.0
        while True:
            try:
                self._send(batches)
            except Exception as error:  # noqa: BLE001 - a sender that ends would lose all that follows
                now = time.monotonic()
                if now >= next_warning_at:
                    next_warning_at = now + _WARN_EVERY_S
                    _log.warning("the server does not take messages, they wait here", reason=repr(error))
            else:
                return True
            with self._changed:
                if self._closed or self._changed.wait_for(lambda: self._closed, retry_s):
                    return False
            retry_s = min(retry_s * 2, _LAST_RETRY_S)

    def _remove(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._buffered_bytes -= len(self._buffer.popleft())
            self._sent += count
            self._oldest_at = time.monotonic()
            self._changed.notify_all()


def _cut(buffer: deque[bytes]) -> list[list[bytes]]:
    """The first messages, in batches that are each one stream entry."""
    batches: list[list[bytes]] = []
    size = BATCH_BYTES
    for raw in buffer:
        if size + len(raw) > BATCH_BYTES or len(batches[-1]) == BATCH_MESSAGES:
            if len(batches) == _BATCHES_AT_ONCE:
                break
            batches.append([])
            size = 0
        batches[-1].append(raw)
        size += len(raw)
    return batches
