"""Runs that go on, as if they had been summarised just now."""

from collections.abc import Iterable, Iterator

from runweaver.query import Wanted
from runweaver.shared.run import Run
from runweaver.shared.settings import AttentionSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker import story_of


def running_summaries(runs: Iterable[Run], wanted: Wanted) -> Iterator[RunSummary]:
    """Of runs that go on those that match, as they stand; the last sign of life stands for the end.

    Raises:
        SettingsError: as for `live_summary`.
    """
    for run in runs:
        summary = live_summary(run)
        if wanted.matches(summary, [decision.intent for decision in run.decisions]):
            yield summary


def live_summary(run: Run) -> RunSummary:
    """Raises SettingsError where a threshold in the environment makes no sense."""
    story = story_of(run)
    run.narrative = story.text
    thresholds = AttentionSettings.load().thresholds
    return RunSummary.from_run(run, revision=0, evidence=story.evidence, thresholds=thresholds, narrator=story.narrator)
