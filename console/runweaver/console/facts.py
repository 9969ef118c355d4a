"""All that `runweaver status` looks at."""

from datetime import UTC, datetime

from pydantic import BaseModel

from runweaver.query import PipelineStatus, read_status
from runweaver.query.announced import AnnouncementStatus, read_announcements
from runweaver.query.dead_letter_status import DeadLettersStatus, read_dead_letters
from runweaver.query.servers import ServerStatus, read_servers
from runweaver.shared.connection import check_server, connect, server_errors
from runweaver.shared.keys import Keys
from runweaver.shared.settings import ProducerSettings, WorkerSettings
from runweaver.worker import JobQueue, JobsStatus


class Expected(BaseModel):
    """What the environment says: the pipeline is held against it."""

    #: None where it says nothing.
    partitions: int | None
    max_backlog: int
    settle_s: float
    late_after_s: float
    stuck_after_s: float
    claim_after_s: float

    @classmethod
    def of(cls, workers: WorkerSettings, producers: ProducerSettings) -> "Expected":
        """What these settings say."""
        return cls(
            partitions=workers.partitions if "partitions" in workers.model_fields_set else None,
            max_backlog=producers.max_backlog,
            settle_s=workers.settle_s,
            late_after_s=workers.late_after_s,
            stuck_after_s=workers.stuck_after_s,
            claim_after_s=workers.claim_after_s,
        )


class Facts(BaseModel):
    """The pipeline and its servers at one moment."""

    #: By the server's clock.
    at: datetime
    servers: list[ServerStatus]
    #: RQ's server, where it is another.
    jobs_server: ServerStatus | None
    pipeline: PipelineStatus
    jobs: JobsStatus
    dead_letters: DeadLettersStatus
    #: None where this user may not look at them.
    announcements: AnnouncementStatus | None
    expected: Expected


def read_facts(settings: WorkerSettings, expected: Expected) -> Facts:
    """Look at the server and at RQ's.

    Raises:
        ServerError: one of them does not answer.
    """
    keys = Keys(settings.namespace)
    client = connect(settings.redis_url, name="query")
    check_server(client, settings.redis_url)
    with server_errors(settings.redis_url):
        pipeline = read_status(client, keys)
        servers = read_servers(client)
        dead_letters = read_dead_letters(client, keys, pipeline)
        announcements = read_announcements(client, keys)
        seconds, microseconds = client.time()
    with server_errors(settings.effective_jobs_url):
        jobs_client = connect(settings.effective_jobs_url, name="query")
        jobs = JobQueue(jobs_client, keys).status()
        has_own_server = settings.effective_jobs_url != settings.redis_url
        jobs_server = read_servers(jobs_client)[0] if has_own_server else None
    return Facts(
        at=datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
        servers=servers,
        jobs_server=jobs_server,
        pipeline=pipeline,
        jobs=jobs,
        dead_letters=dead_letters,
        announcements=announcements,
        expected=expected,
    )
