"""Waiting for what must become true."""

import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def wait_until(condition: Callable[[], _Result], *, timeout_s: float = 15.0, what: str = "the condition") -> _Result:
    """Wait until the condition gives something true, and return that."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s} s, last: {result!r}"
        time.sleep(0.02)
