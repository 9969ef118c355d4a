"""Runs that go on, as if they had been summarised just now."""

from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary
from runweaver.worker import PlainNarrator


def live_summary(run: Run) -> RunSummary:
    run.narrative = run.narrative or PlainNarrator().narrate(run)
    return RunSummary.from_run(run, revision=0)
