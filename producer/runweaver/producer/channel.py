"""What one producer says about one run, numbered, so that the gaps tell what was lost."""

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runweaver.producer.message_kind import Fields, MessageKind

if TYPE_CHECKING:
    from runweaver.producer.producer import Producer


class Channel:
    """Numbers the messages of one producer about one run, and says how many there were. For any thread."""

    def __init__(self, producer: "Producer", run_id: str, *, alone: bool) -> None:
        """Nothing is sent yet.

        Args:
            producer: takes the messages.
            run_id: of the run.
            alone: whether nobody else in this process can speak for the run under the producer's plain name.
        """
        self._producer = producer
        self._run_id = run_id
        self._alone = alone
        #: Is told of what this process records about the run, sent or not: the message without who sends it. It must
        #: not raise.
        self.observer: Callable[[MessageKind, bytes], None] | None = None
        self._begin()

    def after_fork_in_child(self) -> None:
        """Count anew: the child is another producer."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._name = self._producer.name if self._alone else self._producer._new_part()  # noqa: SLF001
        self._sent = 0
        self._declared = 0
        self._dropped = 0
        self._envelopes: dict[MessageKind, bytes] = {}

    @property
    def is_declared(self) -> bool:
        """Whether all that was sent was declared."""
        return self._sent == self._declared

    def send(self, kind: MessageKind, fields: Fields) -> None:
        """Send a message that was checked."""
        body = self._encode(kind, fields)
        with self._lock:
            self._put(kind, body)

    def declare(self, kind: MessageKind, **given: Any) -> None:
        """Send a message that says how many were sent, itself included: nothing may come in between."""
        with self._lock:
            sent = self._sent + 1
            dropped = {"dropped": self._dropped} if self._dropped else {}
            fields = kind.build({"sent": sent, **dropped, **given})
            if self._put(kind, self._producer._encode(kind, fields)):  # noqa: SLF001
                self._declared = sent

    def _encode(self, kind: MessageKind, fields: Fields) -> bytes | None:
        body = self._producer._encode(kind, fields)  # noqa: SLF001
        if self.observer is not None and body is not None:
            self.observer(kind, body)
        return body

    def _put(self, kind: MessageKind, body: bytes | None) -> bool:
        """Hand a message over under the next number. What is dropped takes one too: the gap says that it was sent.

        Returns:
            Whether it was taken.
        """
        envelope = self._envelopes.get(kind)
        if envelope is None:
            envelope = self._envelopes[kind] = self._envelope(kind)
        raw = b"%b%d,%b" % (envelope, self._sent, body[1:]) if body is not None else None
        is_taken = self._producer._outbox.put(raw, essential=kind.is_essential)  # noqa: SLF001
        self._sent += 1
        self._dropped += not is_taken
        return is_taken

    def _envelope(self, kind: MessageKind) -> bytes:
        head = {"type": kind.name, "run_id": self._run_id, "producer": self._name}
        return json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"seq":'
