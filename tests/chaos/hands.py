"""What a process has in hand at this moment, as the server knows it."""

from redis import Redis
from redis.exceptions import RedisError
from rq import worker_registration

from runweaver.shared import Keys
from runweaver.shared.keys import WORKER_GROUP
from runweaver.worker import JobQueue


class Hands:
    """Asks a server that may be away, and does not wait for it."""

    def __init__(self, url: str, keys: Keys, partitions: int) -> None:
        self._client = Redis.from_url(url, socket_timeout=0.5, retry=None)
        self._keys = keys
        self._partitions = partitions
        self._queue = JobQueue(self._client, keys).queue

    def are_full(self, role: str, process_id: int) -> bool:
        """Whether this worker has entries that it has not acknowledged, or this finalizer a job; no where unknown."""
        try:
            return self._entries(process_id) > 0 if role == "worker" else self._has_job(process_id)
        except RedisError:
            return False

    def waiting(self) -> tuple[int, int]:
        """Entries that are not merged yet, over all partitions, and jobs that nobody has taken up; 0 where unknown."""
        try:
            entries = sum(self._client.xlen(self._keys.messages(partition)) for partition in range(self._partitions))
            jobs = self._queue.count
        except RedisError:
            return 0, 0
        return entries, jobs

    def _entries(self, process_id: int) -> int:
        consumers = (
            consumer
            for partition in range(self._partitions)
            for consumer in self._client.xinfo_consumers(self._keys.messages(partition), WORKER_GROUP)
        )
        return sum(each["pending"] for each in consumers if f"-{process_id}-" in each["name"].decode())

    def _has_job(self, process_id: int) -> bool:
        names = worker_registration.get_keys(queue=self._queue, connection=self._client)
        return any(self._client.scard(f"{name}:executions") for name in names if f"-{process_id}-" in str(name))
