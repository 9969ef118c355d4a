"""What a Builder reads: summaries of finished runs, and full runs, finished or still going on."""

from runweaver.query.open_runs import Look, OpenRun, OpenRuns
from runweaver.query.runs import Runs
from runweaver.query.status import PartitionStatus, PipelineStatus, WorkerStatus, read_status
from runweaver.query.subscription import BEGINNING, Subscription
from runweaver.query.summaries import Page, Summaries

__all__ = [
    "BEGINNING",
    "Look",
    "OpenRun",
    "OpenRuns",
    "Page",
    "PartitionStatus",
    "PipelineStatus",
    "Runs",
    "Subscription",
    "Summaries",
    "WorkerStatus",
    "read_status",
]
