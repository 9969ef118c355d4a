"""Whether a process goes on: each of its threads comes round in time, and the servers do what it asks.

A thread that waits for a server that is away comes round, again and again: it is in trouble, and alive. One that has
nothing to do comes round, too. One that does not is stuck.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

#: A step of a thread takes much less, and no longer where a server hangs: then a few of its commands time out.
BACK_WITHIN_S: Final = 60.0
#: The one thread of a finalizer.
JOBS: Final = "jobs"


@dataclass(frozen=True)
class ThreadStatus:
    """One thread, at the moment when somebody asked."""

    name: str
    #: Seconds since it last came round.
    silent_s: float
    #: Whether it should have come round again by now.
    is_stuck: bool
    #: Why the last thing that it asked a server for was not done; none where it was.
    trouble: str | None
    #: How often such a thing was not done.
    failures: int


@dataclass(frozen=True)
class _Beat:
    at: float
    back_by: float
    trouble: str | None = None
    failures: int = 0


class Vitals:
    """What the threads of a process say of themselves. Any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._beats: dict[str, _Beat] = {}

    def beat(self, thread: str, *, back_within_s: float = BACK_WITHIN_S) -> None:
        """This thread comes round, and will again within this time."""
        now = self._clock()
        with self._lock:
            self._beats[thread] = replace(self._known(thread), at=now, back_by=now + back_within_s)

    def fails(self, thread: str, reason: str) -> None:
        """A server did not do what this thread asked for."""
        with self._lock:
            known = self._known(thread)
            self._beats[thread] = replace(known, trouble=reason, failures=known.failures + 1)

    def does_well(self, thread: str) -> None:
        """It did."""
        with self._lock:
            self._beats[thread] = replace(self._known(thread), trouble=None)

    def _known(self, thread: str) -> _Beat:
        now = self._clock()
        return self._beats.get(thread, _Beat(now, now + BACK_WITHIN_S))

    def threads(self) -> list[ThreadStatus]:
        """How they all are."""
        now = self._clock()
        with self._lock:
            beats = dict(self._beats)
        return [
            ThreadStatus(name, now - beat.at, now > beat.back_by, beat.trouble, beat.failures)
            for name, beat in beats.items()
        ]
