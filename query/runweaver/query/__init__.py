"""What a Builder reads: summaries of finished runs, and full runs, finished or still going on."""

from runweaver.query.filters import Filters, Wanted
from runweaver.query.insights import Insights
from runweaver.query.many_runs.findings import (
    ChangeFinding,
    ChangeKind,
    Difference,
    Direction,
    ErrorFinding,
    GoalContrast,
    GoalFinding,
    GoalInsights,
    GoalSuggestion,
    HabitFinding,
    IntentFinding,
    LossFinding,
    NodeFinding,
    OptionFinding,
    PairFinding,
    SignFinding,
    Trend,
    TrendPoint,
)
from runweaver.query.many_runs.rate import Rate
from runweaver.query.open_runs import Look, OpenRun, OpenRuns
from runweaver.query.runs import Runs
from runweaver.query.status import PartitionStatus, PipelineStatus, WorkerStatus, read_status
from runweaver.query.subscription import BEGINNING, Subscription
from runweaver.query.summaries import Batch, Page, Summaries

__all__ = [
    "BEGINNING",
    "Batch",
    "ChangeFinding",
    "ChangeKind",
    "Difference",
    "Direction",
    "ErrorFinding",
    "Filters",
    "GoalContrast",
    "GoalFinding",
    "GoalInsights",
    "GoalSuggestion",
    "HabitFinding",
    "Insights",
    "IntentFinding",
    "Look",
    "LossFinding",
    "NodeFinding",
    "OpenRun",
    "OpenRuns",
    "OptionFinding",
    "Page",
    "PairFinding",
    "PartitionStatus",
    "PipelineStatus",
    "Rate",
    "Runs",
    "SignFinding",
    "Subscription",
    "Summaries",
    "Trend",
    "TrendPoint",
    "Wanted",
    "WorkerStatus",
    "read_status",
]
