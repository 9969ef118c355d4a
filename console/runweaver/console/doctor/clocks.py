"""Whether clocks agree."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from redis import Redis
from redis.exceptions import NoPermissionError

from runweaver.console.doctor.check import Check, not_allowed, ok, warning, wrong

_MUCH_S: Final = 1.0
_FAR_TOO_MUCH_S: Final = 60.0
#: The quickest answer of so many tells best.
_LOOKS: Final = 3

_TODO: Final = "Keep the time with NTP on both machines."


def check_clocks(servers: Sequence[tuple[str, Redis]], clock: Callable[[], float] = time.time) -> Iterator[Check]:
    """Hold the servers' clocks against this machine's, and against each other.

    Args:
        servers: each with its address.
        clock: this machine's, in seconds since 1970.
    """
    ahead: dict[str, float] = {}
    for address, server in servers:
        try:
            ahead[address] = _ahead_s(server, clock)
        except NoPermissionError:
            yield not_allowed("clock", "TIME")
    yield from judge_clocks(ahead)


def judge_clocks(ahead: Mapping[str, float]) -> Iterator[Check]:
    """What to say of servers whose clocks are so many seconds ahead of ours. Pure."""
    for address, seconds in ahead.items():
        name = f"clock of {address}" if len(ahead) > 1 else "clock"
        told = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
        if abs(seconds) < _MUCH_S:
            yield ok(name, f"Less than {_MUCH_S:.0f} s off this machine's.")
        elif abs(seconds) < _FAR_TOO_MUCH_S:
            yield warning(name, f"{told}: times that agents tell do not fit those of the server.", _TODO)
        else:
            yield wrong(name, f"{told}: `--since` and how long runs took are far from the truth.", _TODO)
    if ahead and (apart := max(ahead.values()) - min(ahead.values())) >= _MUCH_S:
        what = f"{apart:.1f} s between servers: runs count as due or stuck too early or too late."
        yield warning("clocks", what, "Keep the time with NTP on all of them.")


def _ahead_s(server: Redis, clock: Callable[[], float]) -> float:
    looks = []
    for _ in range(_LOOKS):
        before = clock()
        seconds, microseconds = server.time()
        after = clock()
        looks.append((after - before, seconds + microseconds / 1e6 - (before + after) / 2))
    return min(looks)[1]
