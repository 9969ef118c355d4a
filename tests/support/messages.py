"""Messages as JSON, the way another language would write them."""

import json
from itertools import count
from typing import Any


class Script:
    """One producer's messages for one run, numbered as they are written."""

    def __init__(self, run_id: str, producer: str | None = "p") -> None:
        self.run_id = run_id
        self.producer = producer
        self._numbers = count()
        self.written = 0

    def write(self, kind: str, **fields: Any) -> str:
        """One message."""
        identity = {} if self.producer is None else {"producer": self.producer, "seq": next(self._numbers)}
        self.written += 1
        return json.dumps({"type": kind, "run_id": self.run_id, **identity, **fields})

    def started(self, goal_id: str = "goal", **fields: Any) -> str:
        return self.write("run_started", goal_id=goal_id, **fields)

    def decision(self, decision_id: str, intent: str = "Choose", node_id: str = "node", **fields: Any) -> str:
        options = [{"id": "a", "description": "The first way"}, {"id": "b", "description": "The second way"}]
        decision = {"id": decision_id, "node_id": node_id, "intent": intent, "options": options}
        return self.write("decision", decision={**decision, "chosen_option_id": "a", **fields})

    def outcome(self, decision_id: str, *, success: bool = True, **fields: Any) -> str:
        return self.write("outcome", decision_id=decision_id, outcome={"success": success, **fields})

    def problem(self, problem_id: str, severity: str = "warning", description: str = "Odd", **fields: Any) -> str:
        problem = {"id": problem_id, "severity": severity, "description": description}
        return self.write("problem", problem={**problem, **fields})

    def ended(self, status: str = "completed", *, declare: bool = True, **fields: Any) -> str:
        """The end; it declares what was written so far and itself."""
        sent = {"sent": self.written + 1} if declare else {}
        return self.write("run_ended", status=status, **sent, **fields)

    def left(self) -> str:
        return self.write("producer_left", sent=self.written + 1)
