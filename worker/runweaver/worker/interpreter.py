"""How the interpreter of a worker or a finalizer does its housekeeping: for a process that does nothing else."""

import gc
import sys
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 1_000_000
_SWITCH_AFTER_S: Final = 0.0005


def collect_rarely() -> None:
    """Let the cycle collector look rarely.

    Messages and runs are trees of very many small objects and have no cycles: they go when their last user is done.
    By default the collector walks through all of them again and again while a large run is read.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])


def switch_soon() -> None:
    """Let a thread that has heard from the server go on soon.

    By default it waits for up to 5 ms for one that computes, several times a batch, and the server waits with it.
    """
    sys.setswitchinterval(_SWITCH_AFTER_S)
