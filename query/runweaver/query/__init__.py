"""What a Builder reads: summaries of finished runs, and full runs, finished or still going on."""

from runweaver.query.filters import Filters, Wanted
from runweaver.query.fleet import Fleet
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
from runweaver.query.many_runs.fleet_overview import FleetChanges, FleetOverview, FleetStep, GoalOverview
from runweaver.query.many_runs.rate import Rate
from runweaver.query.one_run.explain import explain
from runweaver.query.one_run.explanation import Explanation
from runweaver.query.one_run.trace import TraceEntry, trace
from runweaver.query.open_runs import Look, OpenRun, OpenRuns
from runweaver.query.runs import Runs
from runweaver.query.status import PartitionStatus, PipelineStatus, WorkerStatus, read_status
from runweaver.query.subscription import BEGINNING, Subscription
from runweaver.query.summaries import Batch, Page, Summaries
from runweaver.query.two_runs.compare import compare
from runweaver.query.two_runs.comparison import Comparison, Divergence, DivergenceKind
from runweaver.query.two_runs.side_by_side import Stretch, side_by_side

__all__ = [
    "BEGINNING",
    "Batch",
    "ChangeFinding",
    "ChangeKind",
    "Comparison",
    "Difference",
    "Direction",
    "Divergence",
    "DivergenceKind",
    "ErrorFinding",
    "Explanation",
    "Filters",
    "Fleet",
    "FleetChanges",
    "FleetOverview",
    "FleetStep",
    "GoalContrast",
    "GoalFinding",
    "GoalInsights",
    "GoalOverview",
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
    "Stretch",
    "Subscription",
    "Summaries",
    "TraceEntry",
    "Trend",
    "TrendPoint",
    "Wanted",
    "WorkerStatus",
    "compare",
    "explain",
    "read_status",
    "side_by_side",
    "trace",
]
