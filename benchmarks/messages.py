"""The made-up messages: a start, decisions (about 750 bytes) and outcomes (about 230) in turn, and an end."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from benchmarks.processes import STREAM
from benchmarks.sender import pack

RUNS_AT_ONCE: Final = 100
ENTRY_MESSAGES: Final = 200
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)

#: A run id and a message's JSON.
Sent = tuple[str, bytes]


@dataclass(frozen=True)
class Load:
    """So many runs of so many messages each, of which some overlap, as in a fleet."""

    runs: int
    messages: int
    runs_at_once: int = RUNS_AT_ONCE
    entry_messages: int = ENTRY_MESSAGES

    @property
    def total(self) -> int:
        """All messages of all runs."""
        return self.runs * self.messages

    def sent(self) -> Iterator[Sent]:
        """All messages, in the order in which a fleet sends them: each run of those that overlap has its turn."""
        for first in range(0, self.runs, self.runs_at_once):
            for number in range(self.messages):
                for run in range(first, min(first + self.runs_at_once, self.runs)):
                    yield f"run-{run}", encode(message_of(run, number, self.messages))

    def packed(self) -> list[bytes]:
        """All messages as the bytes of `XADD` commands."""
        return [packed(entry) for entry in entries(self.sent(), self.entry_messages)]


def staggered(runs: int, messages: int, runs_at_once: int) -> Iterator[Sent]:
    """Runs that overlap, as many at once, but begin and end one after the other."""
    step = messages // runs_at_once
    for now in range(step * (runs - 1) + messages):
        oldest = max(0, -((messages - 1 - now) // step))
        for run in range(oldest, min(runs, now // step + 1)):
            yield f"run-{run}", encode(message_of(run, now - step * run, messages))


def entries(sent: Iterable[Sent], size: int = ENTRY_MESSAGES) -> Iterator[list[Sent]]:
    """So many messages an entry."""
    sent = iter(sent)
    while entry := list(islice(sent, size)):
        yield entry


def packed(entry: Iterable[Sent]) -> bytes:
    """An entry as the bytes of its `XADD`.

    The fields' names mean nothing to a worker, and save the floor from looking into the messages.
    """
    return pack(b"XADD", STREAM.encode(), b"*", *(part for run_id, raw in entry for part in (run_id.encode(), raw)))


def encode(message: dict[str, Any]) -> bytes:
    """JSON as a producer writes it."""
    return json.dumps(message, separators=(",", ":")).encode()


def message_of(run: int, number: int, messages: int) -> dict[str, Any]:
    """The message in this place of a run of so many."""
    now = (BEGIN + timedelta(milliseconds=number)).isoformat()
    envelope = {"run_id": f"run-{run}", "producer": f"agent-{run % RUNS_AT_ONCE}", "seq": number}
    if number == 0:
        return {"type": "run_started", **envelope, "goal_id": f"goal-{run % 10}", "started_at": now}
    if number == messages - 1:
        return {"type": "run_ended", **envelope, "status": "completed", "ended_at": now, "sent": messages}
    if number % 2 == 0:
        outcome = {"success": number % 10 != 0, "timestamp": now, "tokens_used": 512, "latency_ms": 840}
        return {
            "type": "outcome",
            **envelope,
            "decision_id": f"d{number - 1}",
            "outcome": {**outcome, "summary": "It went well"},
        }
    options = [
        {"id": "ask", "description": "Ask the contact", "action_type": "tool_call", "action_params": {"to": "L-1"}},
        {
            "id": "infer",
            "description": "Infer from size",
            "action_type": "generate",
            "pros": ["fast"],
            "cons": ["vague"],
        },
    ]
    decision = {
        "id": f"d{number}",
        "timestamp": now,
        "node_id": f"node-{number % 5}",
        "intent": "Does the lead have the budget for what we offer?",
        "decision_type": "tool_selection",
        "options": options,
        "chosen_option_id": "ask",
        "reasoning": "The data at hand is two years old. " * 4,
        "input_context": {"lead": "L-1", "notes": "Has asked twice. " * 3},
    }
    return {"type": "decision", **envelope, "decision": decision}
