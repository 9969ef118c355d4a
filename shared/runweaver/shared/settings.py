"""What can be set, a small object for each role, read once at the edge from `RUNWEAVER_*` and passed inward."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from runweaver.shared.attention import DEFAULT_THRESHOLDS, AttentionThresholds
from runweaver.shared.errors import SettingsError
from runweaver.shared.messages import MAX_MESSAGE_BYTES
from runweaver.shared.server_url import Kind, kind_of

DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"
DEFAULT_LLM_URL: Final = "https://api.openai.com/v1"

#: Where people look for the console.
CONSOLE_PORT: Final = 8080

_ENVIRONMENT_PREFIX: Final = "RUNWEAVER_"
_DAY_S: Final = 24 * 60 * 60
_CENTURY_S: Final = 36_500 * _DAY_S

Namespace = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,50}$")]
#: The server counts them in milliseconds, as whole numbers of 64 bits: a hundred years are far within that.
Seconds = Annotated[float, Field(gt=0, le=_CENTURY_S)]
Many = Annotated[int, Field(ge=1, le=10**12)]
#: From nothing on.
Threshold = Annotated[int, Field(ge=0, le=10**12)]
#: How many replicas must have what was written, before it counts as written.
Replicas = Annotated[int, Field(ge=0, le=100)]
Partitions = Annotated[int, Field(ge=1, le=1024)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class ServerSettings(BaseSettings):
    """Where the data lies. All that a reader needs."""

    model_config = SettingsConfigDict(env_prefix=_ENVIRONMENT_PREFIX, frozen=True, extra="ignore")

    redis_url: str = DEFAULT_REDIS_URL
    namespace: Namespace = "rw"

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment; what is given (and not None) comes before it.

        Raises:
            SettingsError: it names the variable, its value and what is allowed.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise SettingsError("; ".join(_told(problem) for problem in error.errors())) from None

    @property
    def names_a_server(self) -> bool:
        """Whether somebody said which server to use."""
        return "redis_url" in self.model_fields_set


class ProducerSettings(ServerSettings):
    """For what runs inside an agent."""

    partitions: Partitions = 1
    wait_replicas: Replicas = 0
    max_message_bytes: Annotated[int, Field(ge=1024)] = MAX_MESSAGE_BYTES
    #: What may wait in memory for a server that is away.
    buffer_messages: Annotated[int, Field(ge=1)] = 100_000
    buffer_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    #: About how many messages a stream may hold before producers wait with more.
    max_backlog: Many = 1_000_000
    #: A directory for messages that the server does not take; absent: they wait in memory only.
    spool_dir: Path | None = None
    #: What all files in that directory may have together.
    spool_bytes: Annotated[int, Field(ge=1024 * 1024)] = 512 * 1024 * 1024
    #: Which share of the runs is told, by run id.
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    #: Whether runs that fail are told although they are not in the sample.
    keep_failed: bool = False


class JobSettings(ServerSettings):
    """For those who talk to RQ."""

    #: RQ's server; absent: the same as `redis_url`.
    jobs_url: str | None = None

    @property
    def effective_jobs_url(self) -> str:
        """Where RQ's data lies.

        Raises:
            SettingsError: in a cluster, on which RQ does not run.
        """
        url = self.jobs_url or self.redis_url
        if kind_of(url) is Kind.CLUSTER:
            said = "RUNWEAVER_JOBS_URL names a cluster" if self.jobs_url else "RUNWEAVER_JOBS_URL is not set"
            raise SettingsError(
                f"{said}, and RQ, which carries the jobs of finalizers, does not run on one: start a server by itself "
                "for it, and set RUNWEAVER_JOBS_URL=redis://host:6379/0 for workers, finalizers and `runweaver status`"
            )
        return url


class MonitoredSettings(ServerSettings):
    """For those who can be asked over HTTP how they are."""

    #: Absent: nobody can ask, but the exporter, which has a port of its own; 0: a free one.
    metrics_port: Port | None = None
    metrics_host: str = "127.0.0.1"


class ExporterSettings(JobSettings, MonitoredSettings):
    """For what tells of the whole pipeline."""


class StoringSettings(JobSettings):
    """For those who decide what is kept."""

    wait_replicas: Replicas = 0
    #: A run takes no more messages than this, but for its beginnings and ends.
    max_run_messages: Many = 200_000
    #: Nor, about, more of the server's memory than this.
    max_run_bytes: Many = 256 * 1024 * 1024
    #: About how many dead letters a partition keeps, and for how long.
    dead_letters_kept: Many = 10_000
    dead_letter_ttl_s: Annotated[int, Field(ge=1, le=_CENTURY_S)] = 30 * _DAY_S
    #: How long RQ keeps a job that failed for good.
    failed_job_ttl_s: Annotated[int, Field(ge=1, le=_CENTURY_S)] = 7 * _DAY_S


class WorkerSettings(StoringSettings, MonitoredSettings):
    """For a worker."""

    partitions: Partitions = 1
    max_message_bytes: Annotated[int, Field(ge=1024)] = MAX_MESSAGE_BYTES
    #: How long an ended run may wait for messages that its producers declared, or did not say that they had sent.
    settle_s: Seconds = 5.0
    #: How long a run may be silent before it is summarised as stuck.
    stuck_after_s: Seconds = 600.0
    #: How long to gather messages that come after a run was summarised, before it is summarised again.
    late_after_s: Seconds = 10.0
    #: How long an entry may lie with a worker before another takes it over.
    claim_after_s: Seconds = 60.0


class AttentionSettings(ServerSettings):
    """For those who say which runs need attention: what goes unnoticed. More than that is flagged."""

    #: How often one thing may be tried again after it has failed.
    attention_retries: Threshold = DEFAULT_THRESHOLDS.retries
    #: How long one outcome may take.
    attention_slow_s: Annotated[float, Field(ge=0, le=_CENTURY_S)] = DEFAULT_THRESHOLDS.slow_ms / 1_000
    #: How many tokens a run may use.
    attention_tokens: Threshold = DEFAULT_THRESHOLDS.tokens
    #: How often in a row the same choice may fail.
    attention_loop: Threshold = DEFAULT_THRESHOLDS.loop
    #: How many decisions a run may take.
    attention_steps: Threshold = DEFAULT_THRESHOLDS.steps
    #: How many messages of an ended run may be missing, and how many of its decisions may have no outcome.
    attention_missing: Threshold = DEFAULT_THRESHOLDS.missing
    attention_pending: Threshold = DEFAULT_THRESHOLDS.pending

    @property
    def thresholds(self) -> AttentionThresholds:
        return AttentionThresholds(
            retries=self.attention_retries,
            slow_ms=round(self.attention_slow_s * 1_000),
            tokens=self.attention_tokens,
            loop=self.attention_loop,
            steps=self.attention_steps,
            missing=self.attention_missing,
            pending=self.attention_pending,
        )


class LlmSettings(ServerSettings):
    """For the narrator that asks a language model, `RUNWEAVER_NARRATOR=llm`."""

    #: Where a server speaks OpenAI's protocol, up to what comes before `/chat/completions`.
    llm_url: str = DEFAULT_LLM_URL
    #: Absent: none is shown, which servers of one's own often do not want.
    llm_key: SecretStr | None = None
    #: As that server calls it.
    llm_model: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = None
    #: How the model is told the form of its answer: by `response_format`, as a tool, or in words.
    llm_output: Literal["schema", "tool", "prompt"] = "schema"
    #: Which runs it tells: those that failed, got stuck or need attention; or all.
    llm_runs: Literal["attention", "all"] = "attention"
    #: How long a run waits for it, whatever happens meanwhile.
    llm_timeout_s: Annotated[float, Field(gt=0, le=120)] = 20.0
    #: The most that one request may take, prompt and answer.
    llm_run_tokens: Annotated[int, Field(ge=2_000, le=1_000_000)] = 6_000
    #: The most that one finalizer asks for within a minute: tokens, and seconds of waiting.
    llm_minute_tokens: Many = 60_000
    llm_minute_s: Annotated[float, Field(gt=0, le=60)] = 30.0


class FinalizerSettings(StoringSettings, AttentionSettings, MonitoredSettings, LlmSettings):
    """For a finalizer."""

    #: About how many announcements of summaries are kept.
    finished_kept: Many = 100_000
    summary_ttl_s: Annotated[int, Field(ge=1, le=_CENTURY_S)] = 30 * _DAY_S
    archive_ttl_s: Annotated[int, Field(ge=1, le=_CENTURY_S)] = 7 * _DAY_S
    #: Another narrator, as `module:attribute`, or `llm`; absent: the deterministic one.
    narrator: str | None = None


class WebhookSettings(ServerSettings):
    """For what posts summaries to URLs."""

    #: The file that says where to.
    webhooks: Path | None = None
    #: About how many dead letters of webhooks are kept, and for how long.
    dead_letters_kept: Many = 10_000
    dead_letter_ttl_s: Annotated[int, Field(ge=1, le=_CENTURY_S)] = 30 * _DAY_S
    #: How long an announcement may lie with a process that does nothing before another takes it over.
    claim_after_s: Seconds = 60.0


class McpSettings(JobSettings):
    """For the server that LLMs ask."""

    #: What clients have to show, over HTTP; absent: nothing.
    mcp_token: SecretStr | None = None


class ConsoleSettings(JobSettings):
    """For the page that people look at."""

    #: What people have to show; absent: nothing.
    console_token: SecretStr | None = None
    #: Whether nothing can be changed from there.
    console_read_only: bool = False


def _told(problem: Any) -> str:
    variable = _ENVIRONMENT_PREFIX + "_".join(map(str, problem["loc"])).upper()
    return f"{variable}={problem['input']!r}: {problem['msg']}"
