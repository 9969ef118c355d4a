"""How often somebody may show a wrong token."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

#: So many wrong tokens from one address within a minute; then it has to wait.
MOST_TRIES: Final = 10
WINDOW_S: Final = 60.0

_MOST_ADDRESSES: Final = 1_000


class Tries:
    """The wrong tries of the last minute. Those who have a session, or come from elsewhere, are let in meanwhile."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """Nobody has tried yet.

        Args:
            now: seconds, of any clock that only goes on.
        """
        self._now = now
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """For how many seconds nothing that comes from there is looked at; 0 where it is."""
        wrong = self._wrong.get(address)
        if wrong is None or len(wrong) < MOST_TRIES:
            return 0
        return max(0, round(wrong[0] + WINDOW_S - self._now() + 0.5))

    def note_wrong(self, address: str) -> None:
        """A wrong token came from there."""
        self._wrong.setdefault(address, deque(maxlen=MOST_TRIES)).append(self._now())
        self._wrong.move_to_end(address)
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
