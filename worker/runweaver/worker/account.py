"""What a worker says of its work where nobody asks: a line at once, and then one a minute while there is work.

A line for each batch would be ten a second under load, of which nobody reads any; without one, a worker that does its
work and one that gets none would look the same in the log.
"""

import time
from collections import Counter
from typing import Final

from runweaver.shared.log import get_logger
from runweaver.worker.accept import Batch

#: How often to give an account.
EVERY_S: Final = 60.0

_log = get_logger(__name__)


class Account:
    """Adds up batches. For one thread."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._begin()

    def _begin(self) -> None:
        self._batches = 0
        self._messages = 0
        self._set_aside: Counter[str] = Counter()
        self._busy_s = 0.0
        self._slowest_s = 0.0

    def add(self, batch: Batch, took_s: float) -> None:
        """Count a batch that was merged."""
        self._batches += 1
        self._messages += batch.message_count
        self._set_aside.update(rejected.code for rejected in batch.rejected)
        self._busy_s += took_s
        self._slowest_s = max(self._slowest_s, took_s)
        self.tell()

    def tell(self, *, at_once: bool = False) -> None:
        """Say what was done since the last time, if there was anything, and if it is time."""
        now = time.monotonic()
        if not self._batches or (now < self._next_at and not at_once):
            return
        _log.info(
            "merged",
            batches=self._batches,
            messages=self._messages,
            busy_s=round(self._busy_s, 3),
            slowest_ms=round(self._slowest_s * 1000, 1),
        )
        if self._set_aside:
            _log.warning("messages were set aside, see runweaver dead-letters list", codes=dict(self._set_aside))
        self._begin()
        self._next_at = now + EVERY_S
