"""Gathers the runs that ended into few jobs.

A job has its price, whatever it asks for. Where a finalizer has nothing to do, the first run that ends is asked for at
once; where jobs wait already, another would not be taken up before them, and more runs may join it meanwhile.
"""

import time
from collections.abc import Iterable
from typing import Final

from runweaver.worker.jobs import RUNS_A_JOB, JobQueue

#: How long a run that ended may wait for others to join it.
_PATIENCE_S: Final = 0.1


class EndedRuns:
    """Runs that finalizers are to be asked for. They stand in `due`: what is forgotten here, a sweep asks for."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs
        self._run_ids: dict[str, None] = {}
        self._since = 0.0

    def add(self, run_ids: Iterable[str]) -> None:
        """Note runs that ended, and ask for them if that is of use now."""
        if not self._run_ids:
            self._since = time.monotonic()
        self._run_ids.update(dict.fromkeys(run_ids))
        self.ask()

    @property
    def are_waiting(self) -> bool:
        """Whether there are some that nobody was asked for yet."""
        return bool(self._run_ids)

    def ask(self, *, at_once: bool = False) -> None:
        """Ask for those that wait, if a job would be taken up soon, or if they have waited long enough.

        Args:
            at_once: whatever there is.
        """
        if self._run_ids and (at_once or self._is_time() or self._jobs.is_empty()):
            run_ids = list(self._run_ids)
            self._run_ids.clear()
            self._jobs.finalize(run_ids)

    def _is_time(self) -> bool:
        return len(self._run_ids) >= RUNS_A_JOB or time.monotonic() >= self._since + _PATIENCE_S
