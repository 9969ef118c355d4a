"""A worker or a finalizer that dies at one exact place, as if somebody had pulled the plug.

Run as `python -m tests.support.crashing PLACE`.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from runweaver.console.__main__ import main
from runweaver.shared.admission import admit
from runweaver.worker import accept, conclude, finalize, jobs, merge


def _die(*_arguments: Any, **_options: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


def _worker_before_marking() -> None:
    merge.Merger._mark = _die  # type: ignore[method-assign]


def _worker_before_enqueueing() -> None:
    jobs.JobQueue.finalize = _die  # type: ignore[method-assign]


def _worker_before_acknowledging() -> None:
    merge.Merger._acknowledge = _die  # type: ignore[method-assign]


def _finalizer_before_writing() -> None:
    finalize.Finalizer._write = _die  # type: ignore[method-assign]


def _finalizer_before_indexing() -> None:
    vars(conclude)["indexing"] = _die


def _finalizer_before_leaving() -> None:
    vars(conclude)["leaving"] = _die


def _worker_on_poison() -> None:
    def admit_or_die(raw: bytes, **options: Any) -> Any:
        return _die() if b"poison" in raw else admit(raw, **options)

    vars(accept)["admit"] = admit_or_die


PLACES: dict[str, tuple[str, Callable[[], None]]] = {
    "after storing": ("worker", _worker_before_marking),
    "after marking": ("worker", _worker_before_enqueueing),
    "after enqueueing": ("worker", _worker_before_acknowledging),
    "after reading": ("finalizer", _finalizer_before_writing),
    "after archiving": ("finalizer", _finalizer_before_indexing),
    "after indexing": ("finalizer", _finalizer_before_leaving),
}

POISON = "on poison"

if __name__ == "__main__":
    role, arrange = ("worker", _worker_on_poison) if sys.argv[1] == POISON else PLACES[sys.argv[1]]
    arrange()
    sys.argv = ["runweaver", role]
    main()
