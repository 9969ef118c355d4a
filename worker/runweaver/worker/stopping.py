"""How workers and finalizers end: in order if they can, in time in any case."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

from runweaver.shared.log import get_logger

#: How long a process may take to end in order: orchestrators wait ten seconds, and less when they are in a hurry.
_PATIENCE_S: Final = 4.0

_log = get_logger(__name__)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Let SIGTERM and SIGINT stop this process. A second signal ends it at once."""
    was_asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal was_asked
        if was_asked:
            leave_at_once(number)
        was_asked = True
        leave_in_time()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def leave_in_time() -> threading.Timer:
    """End this process in some seconds, whatever it is waiting for then. Nothing is lost by that.

    What was not acknowledged is still on the server, and what was not summarised is still due.

    Returns:
        What to cancel where the work has ended in time, and the process goes on.
    """

    def leave() -> None:
        _log.warning("not done in time, leaving the rest to others", waited_s=_PATIENCE_S)
        os._exit(0)

    timer = threading.Timer(_PATIENCE_S, leave)
    timer.daemon = True
    timer.start()
    return timer


def leave_at_once(number: int) -> None:
    """End this process as the signal would have done."""
    os._exit(128 + number)
