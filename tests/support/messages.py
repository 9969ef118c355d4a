"""Messages as JSON, the way another language would write them, and what they should come to."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from runweaver.shared import Run, RunStatus, RunSummary, fold, identity_of, parse_message
from runweaver.worker import story_of

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Script:
    """One producer's messages for one run, numbered and one second apart as they are written."""

    def __init__(self, run_id: str, producer: str = "p", *, begin: datetime = _BEGIN) -> None:
        self.run_id = run_id
        self.producer = producer
        self.begin = begin
        self.written: list[str] = []

    def write(self, kind: str, **fields: Any) -> str:
        """One message."""
        identity = {"producer": self.producer, "seq": len(self.written)}
        message = json.dumps({"type": kind, "run_id": self.run_id, **identity, **fields})
        self.written.append(message)
        return message

    def started(self, goal_id: str = "goal", **fields: Any) -> str:
        return self.write("run_started", goal_id=goal_id, **{"started_at": self._now, **fields})

    def decision(self, decision_id: str, intent: str = "Choose", node_id: str = "node", **fields: Any) -> str:
        options = [{"id": "a", "description": "The first way"}, {"id": "b", "description": "The second way"}]
        decision = {"id": decision_id, "node_id": node_id, "intent": intent, "options": options}
        decision |= {"chosen_option_id": "a", "timestamp": self._now, **fields}
        return self.write("decision", decision=decision)

    def outcome(self, decision_id: str, *, success: bool = True, **fields: Any) -> str:
        outcome = {"success": success, "timestamp": self._now, **fields}
        return self.write("outcome", decision_id=decision_id, outcome=outcome)

    def problem(self, problem_id: str, severity: str = "warning", description: str = "Odd", **fields: Any) -> str:
        problem = {"id": problem_id, "severity": severity, "description": description, "timestamp": self._now}
        return self.write("problem", problem={**problem, **fields})

    def evaluation(self, decision_id: str, **fields: Any) -> str:
        return self.write("evaluation", decision_id=decision_id, evaluation=fields, sent_at=self._now)

    def edge(self, source: str, target: str) -> str:
        return self.write("edge", source=source, target=target, at=self._now)

    def heartbeat(self) -> str:
        return self.write("heartbeat", sent_at=self._now)

    def ended(self, status: str = "completed", *, declare: bool = True, **fields: Any) -> str:
        """The end; it declares what was written so far and itself."""
        sent = {"sent": len(self.written) + 1} if declare else {}
        return self.write("run_ended", status=status, **sent, **{"ended_at": self._now, **fields})

    def left(self) -> str:
        return self.write("producer_left", sent=len(self.written) + 1, sent_at=self._now)

    def steps(self, count: int) -> list[str]:
        """Decisions with their outcomes in turn, every fifth of which failed: so many messages."""
        return [
            self.decision(f"{self.producer}-{number}", f"Step {number}", f"node-{number % 3}")
            if number % 2 == 0
            else self.outcome(f"{self.producer}-{number - 1}", success=number % 5 != 0, tokens_used=number)
            for number in range(count)
        ]

    @property
    def _now(self) -> str:
        return (self.begin + timedelta(seconds=len(self.written))).isoformat()


def finished_run(messages: Iterable[str]) -> Run:
    """The finished run that just these messages tell of. They need producers, and times of their own."""
    parsed = [parse_message(message.encode()) for message in messages]
    run = fold({identity_of(each, partition=0, entry_id="0-0", position=0): each for each in parsed})
    # A run without an end is finished only when it has been silent for too long.
    return run.as_stuck() if run.status is RunStatus.RUNNING else run


def summary_of(messages: Iterable[str]) -> RunSummary:
    """What the summary of such a run says."""
    return summarised(finished_run(messages))


def summarised(run: Run) -> RunSummary:
    """What the summary of this run says."""
    story = story_of(run)
    run.narrative = story.text
    return RunSummary.from_run(run, evidence=story.evidence, narrator=story.narrator)


def without_history(summary: RunSummary) -> RunSummary:
    """A summary without what depends on when its messages came: how many were late, and how often it was written."""
    completeness = summary.completeness.model_copy(
        update={
            "late": 0,
            "producers": {
                name: producer.model_copy(update={"late": 0})
                for name, producer in summary.completeness.producers.items()
            },
        }
    )
    return summary.model_copy(update={"completeness": completeness, "revision": 1})
