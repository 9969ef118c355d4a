"""Runs that are being looked at: each click reads the same one, and a large one takes a while to read."""

import threading
from collections import OrderedDict
from typing import Final

from runweaver.console.sources import Sources
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary

#: A run of 100,000 decisions has a few hundred MiB.
_MOST_KEPT: Final = 4
_MOST_DECISIONS: Final = 20_000


class KeptRuns:
    """The finished runs that were looked at last. For any thread."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], Run] = OrderedDict()

    def get(self, summary: RunSummary) -> Run:
        """The run of a summary.

        Raises:
            ArchiveExpiredError: only its summary is still kept.
            UnknownRunError: nothing is known of it any more.
        """
        key = summary.run_id, summary.revision
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        run = self._sources.run(summary.run_id)
        if summary.revision and run.status is not RunStatus.RUNNING and len(run.decisions) <= _MOST_DECISIONS:
            with self._lock:
                self._kept[key] = run
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return run
