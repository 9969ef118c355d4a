"""Puts together what replays dead letters: a worker's work, by another process."""

from redis import Redis

from runweaver.shared.keys import Keys
from runweaver.shared.partitions import raise_partitions
from runweaver.shared.settings import WorkerSettings
from runweaver.worker import DeadLetters, JobQueue, Merger, Replay


def replaying(client: Redis, jobs_client: Redis, settings: WorkerSettings) -> tuple[DeadLetters, Replay]:
    """The dead letters, and what replays one.

    Args:
        client: of the server, as a user that may do what a worker may.
        jobs_client: of RQ's server; it should not try again for long.
        settings: those of the workers.

    Raises:
        RedisError: the server does not answer, or refuses.
    """
    keys = Keys(settings.namespace)
    letters = DeadLetters(client, keys)
    partitions = raise_partitions(client, keys, settings.partitions)
    merger = Merger(client, JobQueue(jobs_client, keys), keys, settings, partitions=partitions)
    return letters, Replay(letters, merger, max_message_bytes=settings.max_message_bytes)
