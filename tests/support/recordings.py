"""The recorded runs of a real agent, folded without a pipeline and with times that are always the same."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from examples.recorded_insights import messages_of
from examples.replay_conversations import read_conversations
from runweaver.shared import Run
from tests.support.messages import finished_run

RECORDINGS: Final = Path(__file__).parents[3] / "shared" / "data" / "airline_runs.jsonl.gz"

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recorded runs are not part of the repository, and not beside it either"
)

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


def recorded_runs() -> dict[str, Run]:
    """All of them, under their ids: `task-7-trial-1`."""
    runs = (finished_run(map(json.dumps, messages_of(each, _BEGIN))) for each in read_conversations(RECORDINGS))
    return {run.id: run for run in runs}
