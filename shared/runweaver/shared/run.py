"""A run: everything that one execution of an agent decided, met and produced."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, computed_field, model_validator

from runweaver.shared.decision import Decision
from runweaver.shared.fields import Schema, UtcDatetime, utc_now

Severity = Literal["critical", "warning", "minor"]

#: The tag of a run that was kept because it failed, and is not in its producer's sample.
SAMPLED_OUT_TAG = "sampled-out"

#: The goal of a run whose `run_started` never came.
UNKNOWN_GOAL = "unknown"


class RunStatus(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STUCK = "stuck"
    CANCELLED = "cancelled"


class Problem(Schema):
    """Something that went wrong, said explicitly so that a Builder can focus on what needs fixing."""

    id: str = Field(min_length=1)
    severity: Severity
    description: str
    root_cause: str | None = None
    decision_id: str | None = None
    timestamp: UtcDatetime = Field(default_factory=utc_now)
    suggested_fix: str | None = None


class _WithComputedFields(Schema):
    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, data: Any) -> Any:
        # Our own JSON carries the computed fields; kept as extras they would stand there twice from then on.
        # Seldom there, and looking through each field for it would cost more than all the rest of the validation.
        if isinstance(data, dict) and not data.keys().isdisjoint(computed := cls.model_computed_fields):
            return {name: value for name, value in data.items() if name not in computed}
        return data


class RunMetrics(_WithComputedFields):
    """What can be counted about a run."""

    total_decisions: int = 0
    successful_decisions: int = 0
    failed_decisions: int = 0

    total_tokens: int = 0
    #: Milliseconds, summed over the outcomes.
    total_latency_ms: int = 0

    #: In order of first use.
    nodes_executed: list[str] = Field(default_factory=list)
    #: `source->target`, in order of first traversal.
    edges_traversed: list[str] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def success_rate(self) -> float:
        """Successful decisions over all decisions, 0 to 1; 0 where there are none."""
        if self.total_decisions == 0:
            return 0.0
        return self.successful_decisions / self.total_decisions

    @property
    def pending_decisions(self) -> int:
        """Decisions that have no outcome."""
        return self.total_decisions - self.successful_decisions - self.failed_decisions


class ProducerCompleteness(Schema):
    """How much of what one producer sent has come."""

    received: int = 0
    #: How many messages it said it sent; 0 while it has not said.
    declared: int = 0
    #: Declared and not received. What nobody declared is not missing.
    missing: int = 0
    #: How many of its messages it says it had to drop, because there was no room for them. They are missing, too.
    dropped: int = 0
    #: Received without the payload, for which there was no room.
    shed: int = 0
    #: Received after the ended run had been summarised for the first time.
    late: int = 0


class Completeness(ProducerCompleteness):
    """The same over all producers, and for each: a summary that lacks something says so."""

    producers: dict[str, ProducerCompleteness] = Field(default_factory=dict)

    @property
    def is_known_complete(self) -> bool:
        """Every producer that was heard of has declared its messages, and all that it did not drop are here."""
        return all(
            producer.declared > 0 and producer.missing <= producer.dropped for producer in self.producers.values()
        )


class Run(_WithComputedFields):
    """A complete execution of an agent graph, as `fold` makes it from the run's messages."""

    id: str
    goal_id: str
    started_at: UtcDatetime

    status: RunStatus = RunStatus.RUNNING
    completed_at: UtcDatetime | None = None

    #: In order of time.
    decisions: list[Decision] = Field(default_factory=list)
    #: In order of time.
    problems: list[Problem] = Field(default_factory=list)
    metrics: RunMetrics = Field(default_factory=RunMetrics)

    narrative: str = ""

    goal_description: str = ""
    input_data: dict[str, Any] = Field(default_factory=dict)
    output_data: dict[str, Any] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    #: The distributed trace, and the span in it, that it began in; none where nobody said so.
    trace_id: str | None = None
    span_id: str | None = None

    #: The time of the latest message of any kind.
    last_activity_at: UtcDatetime
    completeness: Completeness = Field(default_factory=Completeness)
    #: Decision ids for which an outcome came, but no decision.
    unmatched_outcomes: list[str] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def duration_ms(self) -> int:
        """Milliseconds from start to end; 0 while it has not ended, or where it says that it ended before it began."""
        if self.completed_at is None:
            return 0
        return max(0, int((self.completed_at - self.started_at).total_seconds() * 1000))

    @property
    def has_ended(self) -> bool:
        """Whether an end was reported. A stuck run has not ended: it may come back."""
        return self.status not in (RunStatus.RUNNING, RunStatus.STUCK)

    @property
    def finished_at(self) -> datetime:
        """When it ended, or else when it was last heard of."""
        return self.completed_at or self.last_activity_at

    def as_stuck(self) -> "Run":
        """This run, known to be silent for too long: it counts as finished at the last sign of life."""
        return self.model_copy(update={"status": RunStatus.STUCK, "completed_at": self.last_activity_at})
