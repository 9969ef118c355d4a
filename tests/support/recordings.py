"""The recorded runs of a real agent, folded without a pipeline and with times that are always the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from examples.replay_conversations import Conversation, outcome_of, read_conversations, steps_of
from runweaver.shared import Run, fold, identity_of, parse_message
from tests.support.messages import Script

RECORDINGS: Final = Path(__file__).parents[3] / "shared" / "data" / "airline_runs.jsonl.gz"

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recorded runs are not part of the repository, and not beside it either"
)


def recorded_runs() -> dict[str, Run]:
    """All of them, under their ids: `task-7-trial-1`."""
    return {run.id: run for run in map(run_of, read_conversations(RECORDINGS))}


def run_of(conversation: Conversation) -> Run:
    """The run that the replay would report, but that each message comes one second after the one before."""
    script = Script(f"task-{conversation.task_id}-trial-{conversation.trial}")
    for _ in _written(script, conversation):
        pass
    parsed = [parse_message(raw.encode()) for raw in script.written]
    return fold({identity_of(each, partition=0, entry_id="0-0", position=0): each for each in parsed})


def _written(script: Script, conversation: Conversation) -> Iterator[str]:
    yield script.started(f"task-{conversation.task_id}", goal_description=conversation.instruction)
    previous = None
    for number, step in enumerate(steps_of(conversation), start=1):
        if previous and previous != step.node_id:
            yield script.edge(previous, step.node_id)
        previous = step.node_id
        details = {name: value for name, value in step.details.items() if name != "decision_id"}
        options, decision_id = [step.option.model_dump()], step.details.get("decision_id") or f"decision-{number}"
        yield script.decision(
            decision_id, step.intent, step.node_id, options=options, chosen_option_id=step.option.id, **details
        )
        if step.reply:
            yield script.outcome(decision_id, **outcome_of(step.reply))
    reached = conversation.reward == 1.0
    if not reached:
        yield script.problem("not-reached", "critical", "The goal was not reached")
    yield script.ended("completed" if reached else "failed", output_data={"reward": conversation.reward})
