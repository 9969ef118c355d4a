"""Why the server does not take messages, and how long to leave it alone."""

from dataclasses import dataclass
from typing import Final

from redis import exceptions as driver

from runweaver.shared.connection import translated


class BacklogError(Exception):
    """The streams hold as many messages as they should: the workers are behind."""


@dataclass(frozen=True)
class Trouble:
    """What came in the way of a message."""

    #: What it is, and what to do about it, in one sentence without a password or a payload.
    reason: str
    first_pause_s: float
    longest_pause_s: float

    def pause_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        return float(min(self.first_pause_s * 2 ** min(failures, 20), self.longest_pause_s))


#: The first and the longest pause, in seconds. The first that fits counts.
_PAUSES_S: Final[tuple[tuple[tuple[type[Exception], ...], float, float], ...]] = (
    ((driver.BusyLoadingError,), 0.5, 1.0),
    # Somebody has to mend it first.
    ((driver.AuthenticationError, driver.AuthorizationError, driver.NoPermissionError), 5.0, 30.0),
    # The next connection may lead to the new primary.
    ((driver.ReadOnlyError,), 0.1, 2.0),
    ((driver.ConnectionError, driver.TimeoutError), 0.1, 5.0),
    # Out of memory, a full disk, too many messages: what is over when others have worked for a while.
    ((Exception,), 1.0, 5.0),
)


def diagnose(error: Exception, where: str) -> Trouble:
    """Tell one trouble from another: what may be over in a moment from what will take its time."""
    if isinstance(error, driver.RedisError):
        reason = str(translated(error, where))
    elif isinstance(error, BacklogError):
        reason = str(error)
    else:
        reason = repr(error)
    first_s, longest_s = next(pauses for kinds, *pauses in _PAUSES_S if isinstance(error, kinds))
    return Trouble(reason, first_s, longest_s)
