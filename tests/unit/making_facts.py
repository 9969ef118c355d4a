"""Facts of a pipeline in which nothing is wrong, for tests to spoil."""

from typing import Any

from runweaver.console.facts import Expected, Facts
from runweaver.query import PartitionStatus, PipelineStatus, WorkerStatus
from runweaver.query.dead_letter_status import DeadLettersStatus
from runweaver.query.servers import ServerStatus, server_status
from runweaver.shared.settings import ProducerSettings, WorkerSettings
from runweaver.worker import JobsStatus
from tests.unit.making import BEGINNING

ADDRESS = "redis.example:6379"


def server(**info: Any) -> ServerStatus:
    """A server that answers so to INFO, and is well otherwise."""
    return server_status(ADDRESS, {"role": "master", "redis_version": "8.0.0", "aof_enabled": 1, **info})


def worker(name: str = "host-1-abc", **changed: Any) -> WorkerStatus:
    """A worker that asked for messages a moment ago."""
    return WorkerStatus(**{"name": name, "idle_s": 0.5, "pending": 0, **changed})


def partition(number: int = 0, **changed: Any) -> PartitionStatus:
    """A partition in which nothing waits."""
    empty = {
        **dict.fromkeys(("backlog", "about_messages", "lag_s", "open_runs", "due_runs", "due_for_s"), 0),
        "dead_letters": 0,
        "quietest_run": None,
    }
    return PartitionStatus(partition=number, **{**empty, **changed})


def facts(**changed: Any) -> Facts:
    """All of it. What is changed is named as in Facts, or in PipelineStatus, or in Expected."""
    pipeline = PipelineStatus(
        partitions=changed.pop("partitions", [partition()]), workers=changed.pop("workers", [worker()]), summaries=7
    )
    expected = Expected.of(WorkerSettings(), ProducerSettings())
    sound: dict[str, Any] = {
        "at": BEGINNING,
        "servers": [server()],
        "jobs_server": None,
        "jobs": JobsStatus(waiting=0, failed=0, finalizers=1),
        "dead_letters": DeadLettersStatus(codes={}, newest=None),
        "announcements": None,
        "expected": expected.model_copy(update=changed.pop("expected", {})),
    }
    return Facts(pipeline=pipeline, **{**sound, **changed})
