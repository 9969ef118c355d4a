"""A namespace as a fleet leaves it after two days: what tests look at in a browser, and what is on the screenshots.

Everything is the same each time but the present moment, which all times are before.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from examples.recorded_insights import messages_of
from examples.replay_conversations import read_conversations
from runweaver.console.demo_agents import _GOALS
from runweaver.shared.fields import utc_now
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.recordings import RECORDINGS

#: Of the recorded runs, so many, both tries of a task among them.
_RECORDED: Final = 40
_DEMO: Final = 160
_SPAN: Final = timedelta(hours=46)
_LONG: Final = 120


@dataclass(frozen=True)
class Filled:
    """Runs to look at, by what is special about them."""

    completed: str = "trip/2026:completed"
    failed: str = "trip/2026:failed"
    cancelled: str = "trip/2026:cancelled"
    stuck: str = "trip/2026:stuck"
    running: str = "trip/2026:running"
    #: It has many decisions.
    long: str = "trip/2026:long"
    goal: str = "plan-trip"


def fill(pipeline: Pipeline) -> Filled:
    """Fill a namespace in which a worker and a finalizer run, and wait until all is summarised."""
    filled, now, dice = Filled(), utc_now(), random.Random(8)
    ended = [*_demo_runs(dice, now), *_recorded_runs(now), *_special_runs(filled, dice, now)]
    for messages in ended:
        pipeline.send(*messages)
    stuck = _steps(Script(filled.stuck, begin=now - timedelta(hours=2)), filled.goal, dice, worked=True)
    running = _steps(Script(filled.running, begin=now - timedelta(minutes=1)), filled.goal, dice, worked=True)
    pipeline.send(*stuck.written[:-1])
    pipeline.send(*running.written[:-1])
    # A message that nobody can read, for who looks after such.
    pipeline.send(json.dumps({"type": "decision", "run_id": filled.failed, "decision": {"id": "d"}}))
    pipeline.wait_until_merged()
    # As if it had been silent for as long as its times say.
    for partition in range(int(pipeline.redis.get(pipeline.keys.partitions) or 1)):
        pipeline.redis.zadd(pipeline.keys.active(partition), {filled.stuck: 1}, xx=True)
    pipeline.summary(filled.stuck, timeout_s=60)
    pipeline.wait_until_idle()
    return filled


def _special_runs(filled: Filled, dice: random.Random, now: datetime) -> Iterator[Sequence[str]]:
    for minutes, (run_id, status) in enumerate(
        [(filled.completed, "completed"), (filled.failed, "failed"), (filled.cancelled, "cancelled")], start=3
    ):
        script = Script(run_id, begin=now - timedelta(minutes=minutes))
        yield _ended(_steps(script, filled.goal, dice, worked=status != "failed"), status)
    script = Script(filled.long, begin=now - timedelta(hours=30))
    script.started(filled.goal, goal_description=_GOALS[filled.goal][0], tags=["long"])
    script.steps(2 * _LONG)
    yield _ended(script, "completed")


def _demo_runs(dice: random.Random, now: datetime) -> Iterator[Sequence[str]]:
    for number in range(_DEMO):
        script = Script(f"demo-{number:04d}", begin=now - _SPAN * (1 - number / _DEMO) - timedelta(minutes=10))
        goal_id = dice.choice(sorted(_GOALS))
        # One of them got worse on the second day.
        worked = dice.random() < (0.5 if number > _DEMO / 2 and goal_id == Filled.goal else 0.88)
        yield _ended(_steps(script, goal_id, dice, worked=worked), "completed" if worked else "failed")


def _recorded_runs(now: datetime) -> Iterator[Sequence[str]]:
    if not RECORDINGS.exists():
        return
    for number, each in enumerate(islice(read_conversations(RECORDINGS), _RECORDED), start=1):
        yield [json.dumps(message) for message in messages_of(each, now - number * _SPAN / _RECORDED)]


def _steps(script: Script, goal_id: str, dice: random.Random, *, worked: bool) -> Script:
    """What an agent of the demo does on the way to a goal, but for the end."""
    description, steps = _GOALS[goal_id]
    script.started(goal_id, goal_description=description, tags=["demo"], input_data={"case": dice.randrange(10_000)})
    fails_at = dice.randrange(len(steps)) if not worked else -1
    for index, step in enumerate(steps):
        if index:
            script.edge(steps[index - 1].node, step.node)
        options = [{"id": name, "description": text, "action_type": "tool_call"} for name, text in step.options]
        for attempt, option in enumerate(options):
            fails = index == fails_at or (attempt == 0 and dice.random() < step.risk)
            decision_id = f"{step.node}-{attempt + 1}"
            reasoning = "It is the usual way" if attempt == 0 else "The usual way did not work"
            chosen = {"options": options, "chosen_option_id": option["id"], "reasoning": reasoning}
            script.decision(decision_id, step.intent, step.node, **chosen)
            cost = {
                "tokens_used": round(step.tokens * dice.uniform(0.7, 1.4)),
                "latency_ms": round(step.latency_ms * dice.uniform(0.6, 1.6)),
            }
            told = {"error": step.error} if fails else {"summary": step.success}
            script.outcome(decision_id, success=not fails, **told, **cost)
            if not fails:
                break
        if index == fails_at:
            fix = {"root_cause": step.error, "suggested_fix": f"Give {step.node} another way"}
            script.problem("no-way", "critical", f"{step.intent}: no way worked", **fix)
            break
    return script


def _ended(script: Script, status: str) -> Sequence[str]:
    script.ended(status, output_data={"messages": len(script.written)})
    return script.written
