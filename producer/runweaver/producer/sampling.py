"""Which runs are told at all, where a fleet has more of them than anybody needs."""

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from runweaver.producer.channel import Channel
from runweaver.producer.message_kind import HEARTBEAT, RUN_ENDED, RUN_STARTED, Fields, MessageKind

if TYPE_CHECKING:
    from runweaver.producer.producer import Producer

#: What a run that may yet fail holds in memory: its beginning, and of the rest the latest.
HELD_MESSAGES: Final = 1_000
HELD_BYTES: Final = 1024 * 1024


def is_in_sample(run_id: str, sample: float) -> bool:
    """Whether a run is among those that are told. The same for the same run id, in whichever process.

    Args:
        run_id: of the run.
        sample: the share of all runs that is told, from 0 to 1.
    """
    digest = hashlib.blake2b(run_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) < sample * 2**64


class SampledOutChannel(Channel):
    """Sends nothing. Of a run that is kept if it fails, it holds the messages until it is known whether it does.

    Who joined such a run holds nothing: whether the run fails, another process knows.
    """

    def __init__(self, producer: "Producer", run_id: str, *, alone: bool, holds: bool) -> None:
        """As for `Channel`.

        Args:
            producer, run_id, alone: as there.
            holds: whether to send what was held when the run ends as failed.
        """
        self._held = _Held() if holds else None
        self._is_released = False
        super().__init__(producer, run_id, alone=alone)

    def after_fork_in_child(self) -> None:
        """The child is one who joined: its parent holds what was said so far."""
        self._held = None
        super().after_fork_in_child()

    @property
    def is_declared(self) -> bool:
        """Nothing that was not sent has to be declared."""
        return not self._is_released or super().is_declared

    def send(self, kind: MessageKind, fields: Fields) -> None:
        """Hold a message that was checked, or forget it."""
        is_forgotten = self._held is None or kind is HEARTBEAT
        if not self._is_released and is_forgotten and self.observer is None:
            return
        # Written now: what the agent gave may be something else by then.
        body = self._encode(kind, fields)
        with self._lock:
            if self._is_released:
                self._put(kind, body)
            elif self._held is not None and kind is not HEARTBEAT:
                self._held.add(kind, body)

    def declare(self, kind: MessageKind, **given: Any) -> None:
        """The end of the run tells what becomes of what was held."""
        if kind is RUN_ENDED and given["status"] == "failed":
            self._release()
        elif kind is RUN_ENDED:
            self._held = None
        if self._is_released:
            super().declare(kind, **given)

    def _release(self) -> None:
        with self._lock:
            held, self._held = self._held, None
            if held is None:
                return
            self._is_released = True
            for kind, body in held.beginning:
                self._put(kind, body)
            # Numbered as if they had been sent and lost: so the summary says how many there were.
            self._sent += held.overflowed
            self._dropped += held.overflowed
            for kind, body in held.latest:
                self._put(kind, body)


class _Held:
    """The beginning of a run and the latest of its messages, within bounds."""

    def __init__(self) -> None:
        self.beginning: list[tuple[MessageKind, bytes | None]] = []
        self.latest: deque[tuple[MessageKind, bytes | None]] = deque()
        self.overflowed = 0
        self._bytes = 0

    def add(self, kind: MessageKind, body: bytes | None) -> None:
        if kind is RUN_STARTED:
            self.beginning.append((kind, body))
            return
        self.latest.append((kind, body))
        self._bytes += len(body or b"")
        while len(self.latest) > HELD_MESSAGES or self._bytes > HELD_BYTES:
            _, oldest = self.latest.popleft()
            self._bytes -= len(oldest or b"")
            self.overflowed += 1
