"""What a process has done since it began, in numbers that only grow: cheap to keep, and there for whoever asks."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from runweaver.shared.run import RunStatus
from runweaver.worker.accept import Batch

#: Seconds: batches and jobs take milliseconds, and far longer only where a server is away.
_WORK_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Seconds: a run whose producers have said how much they sent is summarised within one, others settle first, and a
#: finalizer that is away can take any time.
_LATENCY_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Histogram:
    """How many values were how large."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Count what is up to each of these, in rising order, and what is more."""
        self._bounds = bounds
        self._lock = threading.Lock()
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += 1
            self._sum += value

    def read(self) -> tuple[list[tuple[float, int]], float]:
        """For each bound, and for infinity, how many values were not larger; and the sum of all."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        return list(zip((*self._bounds, float("inf")), accumulate(counts), strict=True)), total


#: Why workers set messages aside. Told from the beginning, as 0: else nobody would see the first one of a kind come.
CODES: Final = (
    *("too-large", "not-json", "unknown-type", "version", "invalid", "refused", "deadly", "run-full", "failed"),
)


class MergeTotals:
    """What was merged. More than one thread merges."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entries = 0
        #: Good and bad.
        self.messages = 0
        self.message_bytes = 0
        self._set_aside = Counter(dict.fromkeys(CODES, 0))
        #: Seconds.
        self.batches = Histogram(_WORK_BOUNDS)

    def add(self, batch: Batch) -> None:
        """Count a batch that was acknowledged."""
        size = sum(sum(map(len, entry.messages)) for entry in batch.entries)
        with self._lock:
            self.entries += len(batch.entries)
            self.messages += batch.message_count
            self.message_bytes += size
            self._set_aside.update(rejected.code for rejected in batch.rejected)

    @property
    def set_aside(self) -> dict[str, int]:
        """Dead letters by code."""
        with self._lock:
            return dict(self._set_aside)


#: What can come of the wish to let a language model tell a run. All but the first are told by the narrator that comes
#: along.
NARRATIONS: Final = (
    #: The model told it.
    "written",
    #: Nobody wants that of such a run.
    "skipped",
    #: The run or this minute has had its share.
    "budget",
    #: The model did not answer lately, and is not asked for a while.
    "paused",
    *("timeout", "rate-limit", "refusal", "unauthorized", "connection", "error"),
    #: The answer does not have the form that it should have.
    "nonsense",
    #: No sentence of it rests on anything that there is.
    "no-evidence",
)


class NarrationTotals:
    """What a language model was asked, and what came of it. One thread asks; others read."""

    def __init__(self) -> None:
        #: Runs, by what came of it.
        self.results = dict.fromkeys(NARRATIONS, 0)
        #: As the server counts them, and where it does not, by estimate.
        self.tokens = {"input": 0, "output": 0}


class FinalizeTotals:
    """What was finalized. One thread does that; others read."""

    def __init__(self) -> None:
        #: By how they ended.
        self.jobs = {"succeeded": 0, "failed": 0}
        #: Summaries that were written, a run's later revisions, too.
        self.summaries = dict.fromkeys((status.value for status in RunStatus if status is not RunStatus.RUNNING), 0)
        #: Attempts at runs that failed.
        self.failures = 0
        #: Dead letters by code.
        self.set_aside = {"expired": 0, "run-full": 0}
        #: Seconds.
        self.job_times = Histogram(_WORK_BOUNDS)
        #: Seconds from the last message of a run to its first summary, for runs that ended.
        self.latency = Histogram(_LATENCY_BOUNDS)
        #: Zero where no language model is asked.
        self.narrations = NarrationTotals()
