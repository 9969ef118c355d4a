"""Things that somebody may write among RQ's keys, to have them executed or to break the finalizer."""

import json
import pickle
import zlib
from pathlib import Path
from typing import Any, Final

from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (str(self.path),)


class Planter:
    """Writes jobs as somebody would who may write to RQ's keys, and looks at what becomes of them."""

    _numbers: Final = iter(range(1_000_000))

    def __init__(self, pipeline: Pipeline, target: Path) -> None:
        self.pipeline = pipeline
        self.queue = pipeline.jobs.queue
        #: A file that is there only if something was executed.
        self.target = target
        self.pickle = pickle.dumps(Touch(target))

    def data(self, function: str = "runweaver.finalize", *args: Any, instance: Any = None, **kwargs: Any) -> bytes:
        """What a job asks for, as RQ writes it."""
        return zlib.compress(json.dumps([function, instance, args or [["nobody"]], kwargs]).encode())

    def write(self, **fields: Any) -> str:
        """Write a job that is like ours but for these fields; one that is `None` is left out."""
        job_id = f"planted-{next(self._numbers)}"
        ours = {"data": self.data(), "origin": self.queue.name, "status": "queued", "timeout": 600, "result_ttl": 0}
        mapping: Any = {name: value for name, value in {**ours, **fields}.items() if value is not None}
        self.pipeline.redis.hset(f"rq:job:{job_id}", mapping=mapping)
        return job_id

    def job(self, **fields: Any) -> str:
        """Write such a job, and put it into the queue."""
        job_id = self.write(**fields)
        self.push(job_id)
        return job_id

    def push(self, job_id: str | bytes) -> None:
        """Put anything into the queue."""
        self.pipeline.redis.rpush(self.queue.key, job_id)

    def wait_until_failed(self, job_id: str) -> str:
        """Wait until a job is in the failed registry, and give the reason that is kept with it."""
        failed = self.queue.failed_job_registry
        wait_until(lambda: job_id in failed.get_job_ids(cleanup=False), what=f"{job_id} failed")
        result = self.queue.fetch_job(job_id).latest_result()  # type: ignore[union-attr]
        assert result is not None
        return result.exc_string or ""

    def wait_until_done(self, job_id: str) -> None:
        """Wait until a job was run, and nothing is left of it."""
        wait_until(lambda: not self.pipeline.redis.exists(f"rq:job:{job_id}"), what=f"{job_id} done")
        assert job_id not in self.queue.failed_job_registry.get_job_ids(cleanup=False)
