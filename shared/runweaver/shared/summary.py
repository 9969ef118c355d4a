"""What a Builder reads first."""

from collections.abc import Sequence
from typing import Final, Self

from pydantic import Field, ValidationError

from runweaver.shared.attention import DEFAULT_THRESHOLDS, Attention, AttentionThresholds, attention_of
from runweaver.shared.errors import CorruptSummaryError
from runweaver.shared.evidence import Evidence
from runweaver.shared.fields import Schema, UtcDatetime
from runweaver.shared.run import Completeness, Run, RunStatus

MAX_KEY_DECISIONS: Final = 5
MAX_SUCCESSES: Final = 3

#: An evaluated decision of more than this quality is worth telling.
KEY_QUALITY: Final = 0.8


class RunSummary(Schema):
    """A condensed view of a run, to scan quickly."""

    run_id: str
    goal_id: str
    status: RunStatus
    duration_ms: int

    decision_count: int
    #: 0 to 1.
    success_rate: float
    problem_count: int

    narrative: str

    #: Failed ones and those of high quality, in order, at most five, one line each.
    key_decisions: list[str] = Field(default_factory=list)
    #: Descriptions.
    critical_problems: list[str] = Field(default_factory=list)
    #: Descriptions.
    warnings: list[str] = Field(default_factory=list)
    #: What successful outcomes say of themselves, at most three.
    successes: list[str] = Field(default_factory=list)

    #: 1 for the first summary of a run; one more whenever messages came after it.
    revision: int = 1
    goal_description: str = ""
    tags: list[str] = Field(default_factory=list)
    #: The distributed trace, and the span in it, that it began in; none where nobody said so.
    trace_id: str | None = None
    span_id: str | None = None
    started_at: UtcDatetime
    finished_at: UtcDatetime
    failed_decisions: int = 0
    pending_decisions: int = 0
    tokens: int = 0
    #: Milliseconds, summed over the outcomes.
    latency_ms: int = 0
    nodes: list[str] = Field(default_factory=list)
    completeness: Completeness = Field(default_factory=Completeness)
    #: What the narrative rests on, sentence by sentence; none for a narrative that somebody else wrote.
    evidence: list[Evidence] = Field(default_factory=list)
    #: Reasons to look at it, if any.
    attention: list[Attention] = Field(default_factory=list)
    #: Who wrote the narrative: `runweaver` (the narrator that comes along), `agent`, `llm:` and the name of a model, or
    #: where another narrator was imported from. Empty where an earlier release did not say.
    narrator: str = ""

    @classmethod
    def read(cls, run_id: str, raw: bytes | str) -> Self:
        """Read what is stored as the summary of this run.

        Raises:
            CorruptSummaryError: it is none.
        """
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            # Where, but not what: it may be anything.
            places = ", ".join(".".join(map(str, problem["loc"])) or problem["msg"] for problem in error.errors()[:3])
            raise CorruptSummaryError(f"what is stored as the summary of {run_id} is none: {places:.200}") from None

    @classmethod
    def from_run(
        cls,
        run: Run,
        *,
        revision: int = 1,
        evidence: Sequence[Evidence] = (),
        thresholds: AttentionThresholds = DEFAULT_THRESHOLDS,
        narrator: str = "",
    ) -> Self:
        """Condense a run. Pure: the same run and arguments give the same summary.

        Args:
            run: with its narrative.
            revision: how often it was summarised, with this time.
            evidence: what the narrative rests on, where that is known.
            thresholds: from where on it needs attention.
            narrator: who wrote the narrative.
        """
        return cls(
            run_id=run.id,
            goal_id=run.goal_id,
            status=run.status,
            duration_ms=run.duration_ms,
            decision_count=run.metrics.total_decisions,
            success_rate=run.metrics.success_rate,
            problem_count=len(run.problems),
            narrative=run.narrative,
            key_decisions=_key_decisions(run),
            critical_problems=[p.description for p in run.problems if p.severity == "critical"],
            warnings=[p.description for p in run.problems if p.severity == "warning"],
            successes=_successes(run),
            revision=revision,
            goal_description=run.goal_description,
            tags=run.tags,
            trace_id=run.trace_id,
            span_id=run.span_id,
            started_at=run.started_at,
            finished_at=run.finished_at,
            failed_decisions=run.metrics.failed_decisions,
            pending_decisions=run.metrics.pending_decisions,
            tokens=run.metrics.total_tokens,
            latency_ms=run.metrics.total_latency_ms,
            nodes=run.metrics.nodes_executed,
            completeness=run.completeness,
            evidence=list(evidence),
            attention=attention_of(run, thresholds),
            narrator=narrator,
        )


def _key_decisions(run: Run) -> list[str]:
    key = (
        decision
        for decision in run.decisions
        if decision.has_failed
        or (decision.evaluation is not None and decision.evaluation.outcome_quality > KEY_QUALITY)
    )
    return [decision.summary_for_builder() for decision, _ in zip(key, range(MAX_KEY_DECISIONS), strict=False)]


def _successes(run: Run) -> list[str]:
    told = [d.outcome.summary for d in run.decisions if d.outcome and d.outcome.success and d.outcome.summary]
    return told[:MAX_SUCCESSES]
