"""What a Builder reads: summaries of finished runs, full runs, finished or still going on, and what they tell."""

from runweaver.query.compare import compare
from runweaver.query.comparison import Comparison, Divergence
from runweaver.query.explain import explain
from runweaver.query.explanation import Explanation
from runweaver.query.nearest import nearest_success
from runweaver.query.runs import Runs
from runweaver.query.status import PartitionStatus, PipelineStatus, WorkerStatus, read_status
from runweaver.query.summaries import Page, Summaries
from runweaver.query.trace import TraceEntry, trace

__all__ = [
    "Comparison",
    "Divergence",
    "Explanation",
    "Page",
    "PartitionStatus",
    "PipelineStatus",
    "Runs",
    "Summaries",
    "TraceEntry",
    "WorkerStatus",
    "compare",
    "explain",
    "nearest_success",
    "read_status",
    "trace",
]
