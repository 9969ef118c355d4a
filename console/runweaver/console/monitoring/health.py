"""Whether a process is live and ready, for orchestrators."""

from collections.abc import Callable
from typing import Any, Protocol

from runweaver.worker.vitals import Vitals

#: Whether it is, and what to tell of it.
Told = tuple[bool, dict[str, Any]]


class Health(Protocol):
    """Who says how a process is."""

    def live(self) -> Told:
        """Whether it goes on. Where it does not, only its end helps."""

    def ready(self) -> Told:
        """Whether it goes on, and the servers do what it asks."""


class ProcessHealth:
    """A worker or a finalizer."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def live(self) -> Told:
        """Whether each thread comes round in time: it does so with nothing to do, or while a server is away."""
        return self._told(is_well=not any(thread.is_stuck for thread in self._vitals.threads()))

    def ready(self) -> Told:
        """Whether it has begun, and the last thing that each thread asked a server for was done."""
        threads = self._vitals.threads()
        return self._told(
            is_well=bool(threads) and not any(thread.is_stuck or thread.trouble is not None for thread in threads)
        )

    def _told(self, *, is_well: bool) -> Told:
        threads = {
            thread.name: {
                "silent_s": round(thread.silent_s, 3),
                "is_stuck": thread.is_stuck,
                "trouble": thread.trouble,
            }
            for thread in self._vitals.threads()
        }
        return is_well, {"ok": is_well, "threads": threads}


class ExporterHealth:
    """The exporter: it is alive if it answers at all."""

    def __init__(self, trouble: Callable[[], str | None]) -> None:
        """Ask this why the pipeline cannot be looked at."""
        self._trouble = trouble

    def live(self) -> Told:
        """It answers."""
        return True, {"ok": True}

    def ready(self) -> Told:
        """Whether the servers let it look."""
        trouble = self._trouble()
        return trouble is None, {"ok": trouble is None, "trouble": trouble}
