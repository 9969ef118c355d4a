"""Jobs that failed for good, as RQ keeps them: which runs, and why. Reads only, and believes nothing of them."""

import binascii
import zlib
from base64 import b64decode
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from runweaver.shared.connection import concerns_one_key
from runweaver.shared.keys import Keys
from runweaver.shared.messages import entry_time
from runweaver.shared.replies import as_entries

#: Of what went wrong, the end says the most.
_MOST_BYTES: Final = 256 * 1024
_LONGEST_REASON: Final = 2_000


class FailedJob(BaseModel):
    """A job that RQ has given up."""

    id: str
    #: What it was to do: `finalize` and the run, or how many runs.
    description: str
    #: When it failed last; none where nothing is kept of that.
    at: datetime | None
    #: What it failed of, without the traceback.
    reason: str


def read_failed_jobs(client: Redis, keys: Keys, *, limit: int) -> list[FailedJob] | None:
    """Some of the jobs that failed, the newest first; none where this user may not look into jobs (a reader's).

    Args:
        client: of RQ's server.
        keys: of our namespace.
        limit: how many.
    """
    registry = FailedJobRegistry(f"{keys.namespace}-finalize", connection=client, serializer=JSONSerializer)
    ids = registry.get_job_ids(0, limit - 1, desc=True, cleanup=False)
    try:
        return [_failed_job(client, job_id) for job_id in ids]
    except NoPermissionError:
        return None


def _failed_job(client: Redis, job_id: str) -> FailedJob:
    try:
        description: Any = client.hget(Job.key_for(job_id), "description") or b""
        results = as_entries(client.xrevrange(Result.get_key(job_id), count=1))
    except ResponseError as error:
        if not concerns_one_key(error):
            raise
        description, results = b"", []
    result_id, fields = results[0] if results else ("", {})
    return FailedJob(
        id=job_id,
        description=description.decode(errors="replace")[:_LONGEST_REASON],
        at=entry_time(result_id) if result_id else None,
        reason=_reason(fields.get(b"exc_string", b"")),
    )


def _reason(packed: bytes) -> str:
    """The last line of a traceback."""
    try:
        text = zlib.decompressobj().decompress(b64decode(packed), _MOST_BYTES).decode(errors="replace")
    except (zlib.error, binascii.Error):
        return ""
    return text.strip().rpartition("\n")[2][:_LONGEST_REASON]
