"""What the exporter tells of the whole pipeline: what `runweaver status` shows, as numbers."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from runweaver.console.facts import Facts, Observer
from runweaver.console.monitoring.families import gauge, gauges
from runweaver.console.troubles import troubles_of
from runweaver.query import PartitionStatus
from runweaver.shared.errors import ServerError
from runweaver.shared.log import get_logger

#: Whoever asks again so soon gets the same answer: many may ask, and the servers have other work.
_FRESH_FOR_S: Final = 1.0
_WARN_EVERY_S: Final = 60.0

_log = get_logger(__name__)


class PipelineCollector(Collector):
    """Looks at the pipeline when somebody asks."""

    def __init__(self, observer: Observer) -> None:
        """Nobody is asked yet.

        Args:
            observer: must give up soon where a server does not answer: a scrape waits for it.
        """
        self._observer = observer
        self._lock = threading.Lock()
        self._looked_at = -_FRESH_FOR_S
        self._warn_at = 0.0
        self._metrics: list[Metric] = []
        self._trouble: str | None = None

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            self._refresh()
            yield from list(self._metrics)

    def trouble(self) -> str | None:
        """Why the pipeline cannot be looked at; none where it can."""
        with self._lock:
            self._refresh()
            return self._trouble

    def _refresh(self) -> None:
        if time.monotonic() < self._looked_at + _FRESH_FOR_S:
            return
        try:
            self._metrics = [_up({"redis": True, "jobs": True}), *_metrics(self._observer.look())]
            self._trouble = None
        except ServerError as error:
            self._metrics = [_up(self._observer.who_answers())]
            self._trouble = str(error)
            self._warn()
        # However long it took: those who waited meanwhile need not make the servers answer again.
        self._looked_at = time.monotonic()

    def _warn(self) -> None:
        if time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + _WARN_EVERY_S
            _log.warning("cannot look at the pipeline", reason=self._trouble)


def _up(answers: dict[str, bool]) -> Metric:
    told = (((server,), float(is_up)) for server, is_up in answers.items())
    return gauges("runweaver_up", "Whether a server answers: 1, or 0.", ["server"], told)


def _metrics(facts: Facts) -> Iterator[Metric]:
    yield from _partitions(facts)
    yield from _runs(facts)
    yield from _workers(facts)
    yield from _servers(facts)
    yield gauges(
        "runweaver_trouble",
        "What is wrong, as `runweaver status` says: 1 for each.",
        ["code", "severity"],
        dict.fromkeys(((trouble.code, trouble.severity) for trouble in troubles_of(facts)), 1.0).items(),
    )


#: What is told of each partition.
_OF_A_PARTITION: Final[tuple[tuple[str, str, Callable[[PartitionStatus], float]], ...]] = (
    ("backlog_entries", "Stream entries that are not merged.", lambda each: each.backlog),
    ("lag_seconds", "How old the oldest of them is.", lambda each: each.lag_s),
    ("open_runs", "Runs that are not summarised, or have news since.", lambda each: each.open_runs),
    ("due_runs", "Runs that are to be summarised.", lambda each: each.due_runs),
    ("due_seconds", "How long one of them has waited.", lambda each: each.due_for_s),
    ("dead_letters", "Messages that were set aside and are still there.", lambda each: each.dead_letters),
)


def _partitions(facts: Facts) -> Iterator[Metric]:
    for name, text, value in _OF_A_PARTITION:
        each = (((str(one.partition),), value(one)) for one in facts.pipeline.partitions)
        yield gauges(f"runweaver_{name}", text, ["partition"], each)


def _runs(facts: Facts) -> Iterator[Metric]:
    quietest = facts.pipeline.quietest_run
    yield gauge(
        "runweaver_quietest_run_seconds",
        "For how long nothing was heard of the open run that has been silent for the longest; 0 where none is open.",
        quietest.silent_s if quietest is not None else 0.0,
    )
    yield gauge("runweaver_summaries", "Finished runs in the index.", facts.pipeline.summaries)
    yield gauge("runweaver_jobs_waiting", "RQ jobs that no finalizer has taken up.", facts.jobs.waiting)
    yield gauge("runweaver_jobs_failed", "RQ jobs that failed for good, and are still there.", facts.jobs.failed)
    if facts.announcements is not None:
        hooks = (((each.hook,), each.waiting) for each in facts.announcements.hooks)
        yield gauges("runweaver_webhook_waiting", "Announcements that are not posted.", ["hook"], hooks)


def _workers(facts: Facts) -> Iterator[Metric]:
    workers = facts.pipeline.workers
    alive = sum(worker.is_alive for worker in workers)
    states = ((("alive",), alive), (("silent",), len(workers) - alive))
    yield gauges("runweaver_workers", "Members of the workers' group.", ["state"], states)
    in_hand = sum(worker.pending for worker in workers)
    yield gauge("runweaver_entries_in_hand", "Entries that workers have taken and not acknowledged.", in_hand)
    yield gauge("runweaver_finalizers", "Finalizers that RQ knows of.", facts.jobs.finalizers)


def _servers(facts: Facts) -> Iterator[Metric]:
    servers = [*facts.servers, *([facts.jobs_server] if facts.jobs_server is not None else [])]
    of_server = ["address"]
    yield gauges(
        "runweaver_server_memory_bytes",
        "Memory that a server uses.",
        of_server,
        (((server.address,), server.memory_used) for server in servers),
    )
    yield gauges(
        "runweaver_server_memory_limit_bytes",
        "Its maxmemory; absent where it has none.",
        of_server,
        (((server.address,), server.memory_limit) for server in servers if server.memory_limit is not None),
    )
    yield gauges(
        "runweaver_server_clients",
        "Its connections.",
        of_server,
        (((server.address,), server.clients) for server in servers),
    )
    yield gauges(
        "runweaver_server_replicas",
        "Replicas that are connected to it.",
        of_server,
        (((server.address,), server.replicas) for server in servers),
    )
