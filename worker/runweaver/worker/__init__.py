"""What turns messages into runs and summaries: the worker, the finalizer, and what they set aside."""

from runweaver.worker.dead_letters import DeadLetter, DeadLetters
from runweaver.worker.failed_jobs import FailedJob, read_failed_jobs
from runweaver.worker.finalizer_process import FinalizerProcess
from runweaver.worker.jobs import JobQueue, JobsStatus
from runweaver.worker.merge import Merger
from runweaver.worker.narrate import Narrator, PlainNarrator, story_of
from runweaver.worker.replay import Replay
from runweaver.worker.stopping import stop_on_signals
from runweaver.worker.story import Story
from runweaver.worker.worker import Worker

__all__ = [
    "DeadLetter",
    "DeadLetters",
    "FailedJob",
    "FinalizerProcess",
    "JobQueue",
    "JobsStatus",
    "Merger",
    "Narrator",
    "PlainNarrator",
    "Replay",
    "Story",
    "Worker",
    "read_failed_jobs",
    "stop_on_signals",
    "story_of",
]
