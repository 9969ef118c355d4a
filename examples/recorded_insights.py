"""What a Builder learns from recorded agent conversations: a page in Markdown.

    python -m examples.recorded_insights conversations.jsonl.gz > docs/insights.md

The conversations (see replay_conversations.py for their format) go as runs through a private server, a worker and a
finalizer, with times that are made up: recordings have none, and the page shall be the same each time. Then the page's
commands are run, and what they print is put below them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from examples.replay_conversations import BadFileError, Conversation, outcome_of, read_conversations, steps_of
from runweaver.console.fleet import Fleet
from runweaver.console.private_server import private_server
from runweaver.query import Summaries
from runweaver.shared import Keys, RunweaverError, connect

#: When the first run begins, how long after it the next one does, and how long each message of a run takes.
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NEXT_RUN: Final = timedelta(minutes=5)
_NEXT_MESSAGE: Final = timedelta(seconds=2)
_TIMEOUT_S: Final = 60.0
_TAG: Final = "airline"

_PAGE: Final = """\
# What a hundred recorded runs tell

A GPT-4o agent changed, booked and cancelled flights for simulated customers: 50 tasks of the airline benchmark of
[τ-bench](https://github.com/sierra-research/tau-bench), each tried twice. A run's goal is its task; it failed where the
task was not done at the end, and that is all that it says of itself. No decision was judged, and nothing was added by
hand: what stands here was found in the decisions and outcomes.

This page is made by `python -m examples.recorded_insights`, and a test holds it to what the commands print. The
recordings have no times, so those are made up.

## What do all the runs have in common?

{insights}

Most runs were not lost by an error that the agent saw: 55 of 57 ended with no decision that failed for good, so what
lost them has to be looked for by comparing them (below). Where something did fail, it was two tools, each with a
handful of errors that come back on several tasks; and runs that met one of them seldom reached their goal, even where
the agent got past it. Searching for flights is a sign of a task that is hard for this agent; handing over to a human,
of one that it gets right.

## And the runs of one task?

{task}

## Why did a run fail in which nothing failed?

{why}

It says that it does not know, and where to look.

## What did the successful run do differently?

{compare}

Nearly the same steps; but the agent that failed booked another flight.

{other}

The agent that failed handed over to a human what the other one did by itself.

## And where something did fail?

{failed}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write what recorded conversations tell, as a page in Markdown.")
    parser.add_argument("file", type=Path, help="JSON lines, one conversation each; gzipped if it ends in .gz")
    file: Path = parser.parse_args(arguments).file
    try:
        sys.stdout.write(page(list(read_conversations(file))))
    except (BadFileError, OSError, RunweaverError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def page(conversations: Sequence[Conversation]) -> str:
    """The page, with what the commands print."""
    for name in [name for name in os.environ if name.startswith("RUNWEAVER_")]:
        del os.environ[name]
    with private_server() as url, Fleet(url, log_level="warning") as fleet:
        fleet.start("worker")
        fleet.start("finalizer")
        _send(url, conversations)
        _wait_for_summaries(url, len(conversations))
        return _PAGE.format(
            insights=_shown(url, "insights", "--tag", _TAG, "--until", "2026-01-02", "--limit", "6"),
            task=_shown(url, "insights", "task-13", "--until", "2026-01-02"),
            why=_shown(url, "why", "task-6-trial-1"),
            compare=_shown(url, "compare", "task-6-trial-1", "--nearest"),
            other=_shown(url, "compare", "task-30-trial-0", "--nearest"),
            failed=_shown(url, "why", "task-8-trial-1"),
        )


def messages_of(conversation: Conversation, begin: datetime) -> list[dict[str, Any]]:
    """The run that a replay would report, as messages of the protocol that begin at a given time."""
    times = ((begin + number * _NEXT_MESSAGE).isoformat() for number in count())
    bodies = list(_bodies(conversation, times))
    reached = conversation.reward == 1.0
    if not reached:
        problem = {"id": "not-reached", "severity": "critical", "description": "The goal was not reached"}
        bodies.append({"type": "problem", "problem": {**problem, "timestamp": next(times)}})
    status = "completed" if reached else "failed"
    bodies.append({"type": "run_ended", "status": status, "ended_at": next(times), "sent": len(bodies) + 1})
    run_id = f"task-{conversation.task_id}-trial-{conversation.trial}"
    return [{"run_id": run_id, "producer": "recording", "seq": number, **body} for number, body in enumerate(bodies)]


def _bodies(conversation: Conversation, times: Iterator[str]) -> Iterator[dict[str, Any]]:
    goal = {"goal_id": f"task-{conversation.task_id}", "goal_description": conversation.instruction}
    yield {"type": "run_started", **goal, "tags": [_TAG], "started_at": next(times)}
    previous = None
    for number, step in enumerate(steps_of(conversation), start=1):
        if previous not in (None, step.node_id):
            yield {"type": "edge", "source": previous, "target": step.node_id, "at": next(times)}
        previous = step.node_id
        decision_id = step.details.get("decision_id") or f"decision-{number}"
        decision = {"id": decision_id, "node_id": step.node_id, "intent": step.intent, "timestamp": next(times)}
        decision |= {"options": [step.option.model_dump()], "chosen_option_id": step.option.id}
        decision |= {name: value for name, value in step.details.items() if name != "decision_id"}
        yield {"type": "decision", "decision": decision}
        if step.reply:
            outcome = {**outcome_of(step.reply), "timestamp": next(times)}
            yield {"type": "outcome", "decision_id": decision_id, "outcome": outcome}


def _send(url: str, conversations: Sequence[Conversation]) -> None:
    client, stream = connect(url, name="recordings"), Keys("rw").messages(0)
    for number, conversation in enumerate(conversations):
        messages = messages_of(conversation, _BEGIN + number * _NEXT_RUN)
        client.xadd(stream, {str(place): json.dumps(message) for place, message in enumerate(messages)})


def _wait_for_summaries(url: str, wanted: int) -> None:
    summaries, until = Summaries(url), time.monotonic() + _TIMEOUT_S
    while len(summaries.list(tag=_TAG, limit=1_000).items) < wanted:
        if time.monotonic() > until:
            raise RunweaverError(f"not all {wanted} summaries are there after {_TIMEOUT_S:.0f} s")
        time.sleep(0.1)


def _shown(url: str, *arguments: str) -> str:
    """A command, and what it prints."""
    environment = {**os.environ, "RUNWEAVER_REDIS_URL": url}
    command = [sys.executable, "-m", "runweaver.console", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RunweaverError(f"runweaver {' '.join(arguments)}: {done.stderr.strip()}")
    lines = "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())
    return f"```sh\nrunweaver {' '.join(arguments)}\n```\n\n```text\n{lines}\n```"


if __name__ == "__main__":
    sys.exit(main())
