"""All that `runweaver status` looks at."""

from datetime import UTC, datetime

from pydantic import BaseModel
from redis import Redis

from runweaver.query import PipelineStatus, read_status
from runweaver.query.announced import AnnouncementStatus, read_announcements
from runweaver.query.dead_letter_status import DeadLettersStatus, read_dead_letters
from runweaver.query.servers import ServerStatus, read_servers
from runweaver.shared.connection import SOCKET_TIMEOUT_S, check_server, connect, server_errors
from runweaver.shared.errors import ServerError
from runweaver.shared.keys import Keys
from runweaver.shared.settings import JobSettings, ProducerSettings, WorkerSettings
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


class Observer:
    """Looks at the server and at RQ's, as often as somebody asks."""

    def __init__(
        self, settings: JobSettings, expected: Expected, *, timeout_s: float = SOCKET_TIMEOUT_S, retries: int = 3
    ) -> None:
        """Nothing is connected yet.

        Args:
            settings: where they are.
            expected: what to hold them against.
            timeout_s: how long to wait for an answer.
            retries: how often to ask again after a broken connection.

        Raises:
            SettingsError: a URL is none, or RQ's server would be a cluster.
        """
        self._url, self._jobs_url = settings.redis_url, settings.effective_jobs_url
        self._keys = Keys(settings.namespace)
        self._expected = expected
        self._client = connect(self._url, name="query", timeout_s=timeout_s, retries=retries)
        self._jobs_client = connect(self._jobs_url, name="query", timeout_s=timeout_s, retries=retries)

    def look(self) -> Facts:
        """Look at both.

        Raises:
            ServerError: one of them does not answer.
        """
        client, keys = self._client, self._keys
        check_server(client, self._url)
        with server_errors(self._url):
            pipeline = read_status(client, keys)
            servers = read_servers(client)
            dead_letters = read_dead_letters(client, keys, pipeline)
            announcements = read_announcements(client, keys)
            seconds, microseconds = client.time()
        with server_errors(self._jobs_url):
            jobs = JobQueue(self._jobs_client, keys).status()
            has_own_server = self._jobs_url != self._url
            jobs_server = read_servers(self._jobs_client)[0] if has_own_server else None
        return Facts(
            at=datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
            servers=servers,
            jobs_server=jobs_server,
            pipeline=pipeline,
            jobs=jobs,
            dead_letters=dead_letters,
            announcements=announcements,
            expected=self._expected,
        )

    def who_answers(self) -> dict[str, bool]:
        """Whether the server (each primary, of a cluster) and RQ's answer now."""
        return {
            "redis": _answers(self._client, self._url),
            "jobs": _answers(self._jobs_client, self._jobs_url),
        }


def _answers(client: Redis, url: str) -> bool:
    try:
        check_server(client, url)
    except ServerError:
        return False
    return True
