"""What a Builder reads: summaries of finished runs, and full runs, finished or still going on."""

from runweaver.query.filters import Filters, Wanted
from runweaver.query.runs import Runs
from runweaver.query.status import PartitionStatus, PipelineStatus, WorkerStatus, read_status
from runweaver.query.summaries import Batch, Page, Summaries

__all__ = [
    "Batch",
    "Filters",
    "Page",
    "PartitionStatus",
    "PipelineStatus",
    "Runs",
    "Summaries",
    "Wanted",
    "WorkerStatus",
    "read_status",
]
