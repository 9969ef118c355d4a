"""What a finalizer may spend on a model, and when it stops asking for a while."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

_MINUTE_S: Final = 60.0
#: After so many requests in a row that brought nothing, the model is not asked for a while.
_MOST_FAILURES: Final = 3
#: For how long.
_PAUSE_S: Final = 60.0
#: The longest that a server can make us wait.
_LONGEST_PAUSE_S: Final = 600.0

Clock = Callable[[], float]


class MinuteBudget:
    """What was spent within the last minute, and whether there is more."""

    def __init__(self, *, tokens: int, seconds: float, clock: Clock = time.monotonic) -> None:
        """Nothing is spent yet.

        Args:
            tokens: the most of a minute, of prompts and answers together.
            seconds: the most of a minute that may be spent waiting. A request that has begun may take longer.
            clock: seconds, from any moment.
        """
        self._tokens = tokens
        self._seconds = seconds
        self._clock = clock
        #: When, tokens, seconds.
        self._spent: deque[tuple[float, int, float]] = deque()

    def allows(self, tokens: int) -> bool:
        """Whether a request may be made that takes up to so many tokens."""
        since = self._clock() - _MINUTE_S
        while self._spent and self._spent[0][0] <= since:
            self._spent.popleft()
        tokens_spent = sum(spent for _, spent, _ in self._spent)
        seconds_spent = sum(spent for _, _, spent in self._spent)
        return tokens_spent + tokens <= self._tokens and seconds_spent < self._seconds

    def spend(self, tokens: int, seconds: float) -> None:
        """Note what a request has taken."""
        self._spent.append((self._clock(), tokens, seconds))


class Pause:
    """Keeps from asking a model that does not answer, for some time, and then lets one request try."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = float("-inf")

    @property
    def is_on(self) -> bool:
        """Whether it is too soon to ask."""
        return self._clock() < self._until

    def answered(self) -> None:
        """A request brought an answer."""
        self._failures = 0

    def failed(self, *, lasting: bool = False, retry_after_s: float | None = None) -> float | None:
        """A request brought none.

        Args:
            lasting: the next one will not bring any either.
            retry_after_s: what the server said of that, if it did.

        Returns:
            Seconds of the pause that begins with that; none where the next run may ask.
        """
        self._failures += 1
        if self._failures < _MOST_FAILURES and not lasting and retry_after_s is None:
            return None
        pause_s = min(max(retry_after_s or 0.0, _PAUSE_S), _LONGEST_PAUSE_S)
        self._until = self._clock() + pause_s
        return pause_s
