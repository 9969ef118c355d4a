"""What workers and finalizers tell of themselves."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from runweaver.console.monitoring.families import counter, counters, histogram
from runweaver.worker import FinalizerProcess, Worker


class WorkerCollector(Collector):
    """A worker, since it began."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        name, totals = "runweaver_worker", self._worker.totals
        yield counter(f"{name}_messages", "Messages merged or set aside.", totals.messages)
        yield counter(f"{name}_message_bytes", "Bytes of these messages.", totals.message_bytes)
        yield counter(f"{name}_entries", "Stream entries that brought them.", totals.entries)
        yield counters(f"{name}_dead_letters", "Messages set aside.", "code", totals.set_aside)
        yield counter(f"{name}_claimed_entries", "Entries taken over from other workers.", self._worker.claimed_entries)
        failures = sum(thread.failures for thread in self._worker.vitals.threads())
        yield counter(f"{name}_retries", "Steps repeated because a server did not do what was asked.", failures)
        yield histogram(f"{name}_batch_seconds", "Time to merge a batch, waits for servers included.", totals.batches)


class FinalizerCollector(Collector):
    """A finalizer, since it began."""

    def __init__(self, finalizer: FinalizerProcess) -> None:
        self._finalizer = finalizer

    def collect(self) -> Iterator[Metric]:
        name, totals = "runweaver_finalizer", self._finalizer.totals
        yield counters(f"{name}_jobs", "RQ jobs.", "result", totals.jobs)
        yield histogram(f"{name}_job_seconds", "Time that a job took.", totals.job_times)
        yield counters(f"{name}_summaries", "Summaries written, each revision of a run.", "status", totals.summaries)
        yield histogram(
            f"{name}_summary_latency_seconds",
            "From the last message of an ended run to its first summary.",
            totals.latency,
        )
        yield counter(f"{name}_failures", "Attempts at a run that failed.", totals.failures)
        yield counters(f"{name}_dead_letters", "Messages set aside.", "code", totals.set_aside)
        narrations = totals.narrations
        yield counters(f"{name}_narrations", "Runs for a language model to tell.", "result", narrations.results)
        yield counters(f"{name}_narration_tokens", "Tokens that this took.", "kind", narrations.tokens)
