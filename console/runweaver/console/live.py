"""Runs that go on, as if they had been summarised just now."""

from runweaver.shared.run import Run
from runweaver.shared.settings import AttentionSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker import story_of


def live_summary(run: Run) -> RunSummary:
    """Raises SettingsError where a threshold in the environment makes no sense."""
    story = story_of(run)
    run.narrative = story.text
    thresholds = AttentionSettings.load().thresholds
    return RunSummary.from_run(run, revision=0, evidence=story.evidence, thresholds=thresholds, narrator=story.narrator)
