"""What the tools answer: its shape is told to clients as a JSON schema.

Small on purpose: what is said of many runs is a row for each, and what a run holds comes in pages.
"""

from typing import Any, ClassVar

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from runweaver.console.mcp.bounding import as_json, fit, rounded
from runweaver.query import (
    ChangeFinding,
    Comparison,
    ErrorFinding,
    Explanation,
    GoalContrast,
    GoalFinding,
    GoalSuggestion,
    HabitFinding,
    IntentFinding,
    LossFinding,
    NodeFinding,
    PairFinding,
    Rate,
    SignFinding,
    Trend,
)
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.fields import UtcDatetime
from runweaver.shared.run import RunStatus, Severity
from runweaver.shared.summary import RunSummary


class Compact(BaseModel):
    """Fields that say nothing are left out of its JSON."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in handler(self).items()
            if fields[name].is_required() or value != fields[name].default
        }


class Answer(Compact):
    """What every answer may have."""

    #: The list of which an answer holds a page, if it does.
    rows: ClassVar[str] = ""
    #: Whether its numbers were computed: then they are told shortly.
    computed: ClassVar[bool] = False

    cut: list[str] = Field(default=[], description="What was cut to keep this answer small, if anything.")
    note: str = Field(default="", description="How to get what is not here.")


class RunRow(Compact):
    """One run in a list."""

    run_id: str
    goal: str
    status: RunStatus
    ended_at: UtcDatetime = Field(description="Of a run that goes on: when it was last heard of.")
    took_ms: int
    decisions: int
    failed: int = Field(description="Decisions that failed.")
    problems: int
    tokens: int
    attention: list[AttentionFlag] = Field(default=[], description="Why to look at it.")
    told: str = Field(default="", description="How its narrative begins.")


class RunPage(Answer):
    """Some runs."""

    rows = "runs"

    runs: list[RunRow]
    next_cursor: str | None = Field(default=None, description="For the next page; absent: there are no more.")


class GoalPage(Answer):
    """The goals that there are, those that lost the most runs first."""

    computed = True

    goals: list[GoalFinding]


class SummaryAnswer(Answer):
    """One summary."""

    goes_on: bool = Field(description="Not summarised yet: this is how the run stands now.")
    summary: RunSummary


class OptionEntry(Compact):
    """One thing that the agent could have done."""

    id: str
    description: str
    action_type: str
    confidence: float
    pros: list[str] = []
    cons: list[str] = []
    action_params: Any = None


class DecisionEntry(Compact):
    """One decision."""

    number: int = Field(description="Its place in the run, from 0.")
    id: str
    at_ms: int = Field(description="Milliseconds since the run started.")
    node: str
    intent: str
    chosen: str = ""
    result: str = Field(description="succeeded, failed or pending.")
    error: str = ""
    told: str = Field(default="", description="What the outcome says of itself.")
    took_ms: int | None = None
    tokens: int | None = None
    # With detail "reasoning".
    decision_type: str = ""
    chosen_option_id: str = ""
    options: list[OptionEntry] = []
    reasoning: str = ""
    constraints: list[str] = []
    evaluation: Any = None
    # With detail "payloads".
    input_context: Any = None
    outcome_result: Any = None
    state_changes: Any = None


class ProblemEntry(Compact):
    """Something that was reported to have gone wrong."""

    id: str
    severity: Severity
    description: str
    root_cause: str = ""
    decision_id: str = ""
    suggested_fix: str = ""


class RunAnswer(Answer):
    """A run, and some of its decisions in order of time."""

    rows = "decisions"

    run_id: str
    goal: str
    goal_description: str = ""
    status: RunStatus
    started_at: UtcDatetime
    ended_at: UtcDatetime | None = None
    decisions_total: int = Field(description="How many it has.")
    matching: int = Field(description="How many of these are asked for.")
    decisions: list[DecisionEntry]
    next_offset: int | None = Field(default=None, description="For the next page; absent: there are no more.")
    problems_total: int = Field(default=0, description="How many were reported; on the first page.")
    problems: list[ProblemEntry] = Field(default=[], description="The first of them; on the first page.")
    input_data: Any = None
    output_data: Any = None


class ValueAnswer(Answer):
    """A part of one value."""

    run_id: str
    decision_id: str = ""
    field: str
    offset: int
    text: str = Field(description="A text as it is; anything else as JSON.")
    characters: int = Field(description="How many the whole of it has.")
    next_offset: int | None = Field(default=None, description="Where the rest begins; absent: this is the end.")


class ExplanationAnswer(Answer):
    """Why a run ended as it did."""

    explanation: Explanation


class ComparisonAnswer(Answer):
    """Two runs side by side."""

    comparison: Comparison


class InsightsAnswer(Answer):
    """What many runs of a goal tell: the facts, and of the sections those that were asked for."""

    computed = True

    goal: str | None = Field(default=None, description="Absent: all goals.")
    tag: str | None = None
    since: UtcDatetime | None = None
    until: UtcDatetime
    truncated: bool = Field(default=False, description="There were more runs: these are the newest.")
    runs: int
    statuses: dict[RunStatus, int]
    success: Rate = Field(description="Of the runs that were not cancelled, how many completed.")
    attention: dict[AttentionFlag, int] = {}
    decisions: int
    tokens: int
    duration_p50_ms: int | None = None
    duration_p95_ms: int | None = None
    without_figures: int = Field(default=0, description="Runs of which only the counts are known.")
    sampled_out: int = Field(
        default=0, description="Runs with the tag sampled-out, kept because they failed: they are left out."
    )

    suggestions: list[GoalSuggestion] | None = None
    losses: list[LossFinding] | None = None
    errors: list[ErrorFinding] | None = None
    changes: list[ChangeFinding] | None = None
    trend: Trend | None = None
    nodes: list[NodeFinding] | None = None
    intents: list[IntentFinding] | None = None
    pairs: list[PairFinding] | None = None
    signs: list[SignFinding] | None = None
    contrasts: list[GoalContrast] | None = None
    habits: list[HabitFinding] | None = None
    goals: list[GoalFinding] | None = None


class PipelineAnswer(Answer):
    """How the pipeline is doing."""

    waiting_entries: int = Field(description="Entries of messages that no worker has merged yet.")
    lag_s: float = Field(description="How old the oldest of them is.")
    open_runs: int
    due_runs: int = Field(description="Runs that wait for their summary.")
    summaries: int
    dead_letters: int
    workers: int
    finalizers: int
    jobs_waiting: int
    jobs_failed: int
    concerns: list[str] = Field(default=[], description="What a person should see to.")


class LetterRow(Compact):
    """A message that was refused."""

    id: str
    at: UtcDatetime
    code: str
    reason: str
    message: str
    bytes: int


class LetterPage(Answer):
    """Some of them, the oldest first."""

    rows = "letters"

    letters: list[LetterRow]
    total: int
    next_after: str | None = Field(default=None, description="For the next page; absent: there are no more.")


def tell(answer: Answer) -> CallToolResult:
    """An answer as it is sent: as JSON in a text, and the same for programs; no longer than it may be.

    Raises:
        InvalidArgumentError: it cannot be made small enough.
    """
    dumped = answer.model_dump(mode="json")
    document, cuts = fit(rounded(dumped) if answer.computed else dumped, rows=answer.rows)
    if cuts:
        document["cut"] = cuts
    return CallToolResult(content=[TextContent(type="text", text=as_json(document))], structured_content=document)
