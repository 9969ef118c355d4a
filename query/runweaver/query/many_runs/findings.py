"""What is found out over many runs: the answer of `Insights`.

Where it says *run ids*, they are examples, the newest first, at most five. Where something is counted of runs,
cancelled ones are left out: somebody wanted them to end.
"""

from enum import StrEnum

from pydantic import BaseModel, Field

from runweaver.query.many_runs.rate import Rate
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.failures import FailureKind
from runweaver.shared.fields import UtcDatetime
from runweaver.shared.run import RunStatus


class Direction(StrEnum):
    """Where a rate is going."""

    BETTER = "better"
    WORSE = "worse"
    #: What difference there is can be chance.
    STEADY = "steady"
    #: There is nothing to compare with.
    UNKNOWN = "unknown"


class TrendPoint(BaseModel):
    """A part of the period."""

    since: UtcDatetime
    success: Rate


class Trend(BaseModel):
    """How the success rate went on."""

    #: Parts of the same length, the oldest first.
    points: list[TrendPoint]
    #: Of the time that this one is compared with.
    before: Rate
    now: Rate
    direction: Direction


class GoalFinding(BaseModel):
    """One of several goals."""

    goal: str
    success: Rate


class ErrorFinding(BaseModel):
    """An error that keeps coming."""

    node: str
    #: The id of the option that was chosen, with its numbers and ids folded.
    option: str
    #: What all of them have in common, see `runweaver.shared.gist`.
    error: str
    count: int
    #: How many of these were made up for later in their run.
    recovered: int
    #: How many of the runs that met it completed.
    runs: Rate
    #: Goals of these runs, by how many.
    goals: dict[str, int]
    first_at: UtcDatetime
    last_at: UtcDatetime
    run_ids: list[str]


class LossFinding(BaseModel):
    """Runs that were lost in the same way."""

    #: What shows it; none where nothing does.
    kind: FailureKind | None
    node: str
    intent: str
    option: str
    error: str
    runs: int
    goals: dict[str, int]
    run_ids: list[str]


class NodeFinding(BaseModel):
    """What happens in a node."""

    node: str
    runs: int
    decisions: int
    #: Of the decisions that have an outcome.
    failures: Rate
    #: Milliseconds, to within 2.5 %; none where no outcome told how long it took.
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    tokens: int
    tokens_a_run: float


class OptionFinding(BaseModel):
    """One way of doing something."""

    option: str
    description: str
    #: Of its outcomes, how many succeeded.
    successes: Rate
    #: Of the runs that took it, how many completed.
    runs: Rate
    #: The same for the runs that took it before any other way.
    first: Rate


class IntentFinding(BaseModel):
    """One thing that the agents want, and the ways that they take, the most used first."""

    node: str
    intent: str
    options: list[OptionFinding]


class PairFinding(BaseModel):
    """A node and an option that fail far more than the rest."""

    node: str
    option: str
    failures: Rate
    #: All other decisions.
    rest: Rate


class SignFinding(BaseModel):
    """A way whose runs complete clearly more, or less, often than the others. Why is not said by that.

    Runs that broke off at what failed for good are left out, here and in contrasts and habits: what they have not done
    tells nothing, for they did not come so far.
    """

    node: str
    intent: str
    option: str
    #: Of the runs that took it, how many completed, and of the others.
    taken: Rate
    others: Rate
    #: Lost runs that took it.
    run_ids: list[str]


class ChangeKind(StrEnum):
    """What is different from the time before."""

    NEW_ERROR = "new_error"
    GONE_ERROR = "gone_error"


class ChangeFinding(BaseModel):
    """An error that came or went. It is one only where chance is an unlikely reason."""

    kind: ChangeKind
    node: str
    option: str
    error: str
    #: Runs that met it, of all runs, cancelled ones included.
    before: Rate
    now: Rate
    run_ids: list[str]


class Difference(BaseModel):
    """A way that completed runs took more, or less, often than lost runs of the same goal."""

    node: str
    intent: str
    option: str
    #: Of the completed runs and of the lost ones, how many took it.
    completed: Rate
    lost: Rate
    #: How often a run took it, on average.
    completed_times: float
    lost_times: float


class GoalContrast(BaseModel):
    """What the completed runs of a goal did differently from the lost ones."""

    goal: str
    success: Rate
    #: The largest first.
    differences: list[Difference]


class HabitFinding(BaseModel):
    """A way that completed runs take more, or less, often, over all goals that have both completed and lost runs."""

    node: str
    intent: str
    option: str
    #: Goals whose completed runs took it more often on average, and those where they took it less often.
    more_in: list[str]
    less_in: list[str]
    #: How likely so lopsided a result is by chance alone.
    chance: float


class GoalSuggestion(BaseModel):
    """Something to change, and the runs that it would save."""

    sentence: str
    #: How many of the lost runs, at most: all that were lost in this way, or as many more as complete elsewhere. None
    #: where that cannot be told.
    saves: int | None
    #: What this rests on, in numbers.
    because: str
    run_ids: list[str]


class GoalInsights(BaseModel):
    """What many runs of a goal tell."""

    #: None for all goals.
    goal: str | None
    tag: str | None
    #: The period, by the ends of the runs: from, including; to, excluding. None of them: all that is kept.
    since: UtcDatetime | None
    until: UtcDatetime
    #: Whether there were more runs than are looked at: these are the newest.
    truncated: bool = False

    runs: int
    statuses: dict[RunStatus, int]
    success: Rate
    trend: Trend
    #: Runs with each flag.
    attention: dict[AttentionFlag, int] = Field(default_factory=dict)
    decisions: int
    tokens: int
    #: Milliseconds, to within 2.5 %.
    duration_p50_ms: int | None
    duration_p95_ms: int | None
    #: Runs that were summarised by a release that kept no figures: they are in the counts, and in nothing else.
    without_figures: int = 0
    #: Runs that were kept because they failed, though they are in no sample: they are in nothing here.
    sampled_out: int = 0

    goals: list[GoalFinding]
    suggestions: list[GoalSuggestion]
    losses: list[LossFinding]
    errors: list[ErrorFinding]
    nodes: list[NodeFinding]
    intents: list[IntentFinding]
    pairs: list[PairFinding]
    signs: list[SignFinding]
    changes: list[ChangeFinding]
    contrasts: list[GoalContrast]
    habits: list[HabitFinding]
