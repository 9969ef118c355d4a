"""A run that an agent of aden hive records: what hive takes is made into what can be sent."""

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from runweaver.producer.active_run import EndStatus
from runweaver.producer.integrations.agent_steps import shortened
from runweaver.producer.integrations.hive.recorded_run import RecordedRun
from runweaver.producer.message_kind import safe_repr
from runweaver.producer.producer import Producer
from runweaver.shared.fields import as_identifier, utc_now
from runweaver.shared.log import get_logger
from runweaver.shared.messages import RunStartedMessage
from runweaver.shared.run import UNKNOWN_GOAL, Run, Severity

_SEVERITIES: Final[Mapping[str, Severity]] = {severity: severity for severity in get_args(Severity)}

#: What hive says of an option that does not say what it does.
_UNKNOWN_ACTION: Final = "unknown"

_log = get_logger(__name__)


class HiveRun:
    """One run in progress. For one thread at a time."""

    def __init__(
        self, producer: Producer, goal_id: str, goal_description: str, input_data: Mapping[str, Any] | None
    ) -> None:
        """Begin a run. What cannot be sent of these is left out: the run is worth more."""
        started_at = utc_now()
        run_id = f"run_{started_at:%Y%m%d_%H%M%S}_{secrets.token_hex(6)}"
        goal = as_identifier(goal_id if isinstance(goal_id, str) else safe_repr(goal_id), UNKNOWN_GOAL)
        try:
            description = goal_description or ("" if goal == goal_id else goal_id)
            start = RunStartedMessage(
                run_id=run_id,
                goal_id=goal,
                goal_description=description,
                input_data=input_data or {},
                started_at=started_at,
            )
            self.run = producer.start_run(goal, description, input_data=input_data, run_id=run_id, at=started_at)
        except Exception as error:  # noqa: BLE001 - whatever an agent hands over, it goes on
            _log.warning("the run starts without its input", run_id=run_id, reason=shortened(safe_repr(error)))
            start = RunStartedMessage(run_id=run_id, goal_id=goal, started_at=started_at)
            self.run = producer.start_run(goal, run_id=run_id, at=started_at)
        self._record = RecordedRun(start)
        self.run._channel.observer = self._record.add  # noqa: SLF001
        self._decisions = 0
        self._problems = 0
        # Part of the ids of a child that goes on with its parent's run: both count on from the same number.
        self._mark = ""
        self._node_id: str | None = None

    @property
    def run_id(self) -> str:
        return self.run.run_id

    def look(self) -> Run:
        """What was recorded so far."""
        return self._record.look()

    def enter(self, node_id: str) -> None:
        """Go on in this node."""
        if self._node_id not in (None, node_id):
            self.run.traverse(str(self._node_id), node_id)
        self._node_id = node_id

    def decide(
        self, intent: str, options: Sequence[Mapping[str, Any]], chosen: str, reasoning: str, **details: Any
    ) -> str:
        """Record a decision under the next id; its details are those of `ActiveRun.decide`."""
        decision_id = f"dec_{self._mark}{self._decisions}"
        listed = [_as_option(option) for option in options]
        if chosen and all(option["id"] != chosen for option in listed):
            # Hive takes any word for what was chosen: it was an option.
            listed.append({"id": chosen, "description": chosen, "action_type": _UNKNOWN_ACTION})
        self.run.decide(intent, listed, chosen or None, reasoning, decision_id=decision_id, **details)
        self._decisions += 1
        return decision_id

    def report_problem(
        self,
        severity: str,
        description: str,
        decision_id: str | None,
        root_cause: str | None,
        suggested_fix: str | None,
    ) -> str:
        """Record a problem under the next id. Hive takes any word for how severe it is."""
        problem_id = f"prob_{self._mark}{self._problems}"
        known = _SEVERITIES.get(severity.lower())
        self.run.report_problem(
            known or "warning",
            description if known else f"[{severity}] {description}",
            decision_id=decision_id,
            root_cause=root_cause,
            suggested_fix=suggested_fix,
            problem_id=problem_id,
        )
        self._problems += 1
        return problem_id

    def end(self, status: EndStatus, narrative: str = "", output_data: Mapping[str, Any] | None = None) -> None:
        """End it. What cannot be sent of these is left out: that it has ended is worth more."""
        try:
            self.run.end(status, output_data=output_data, narrative=narrative)
        except Exception as error:  # noqa: BLE001 - whatever an agent hands over, it goes on
            _log.warning("the run ends without its output", run_id=self.run_id, reason=shortened(safe_repr(error)))
            self.run.end(status)

    def go_on_in_child(self) -> None:
        """Be the run of a forked child."""
        self._mark = f"{os.getpid()}_"
        self._record.begin()


def is_true(value: object) -> bool:
    """Whether this is true; what cannot say so (an array of several numbers, say) is not."""
    try:
        return bool(value)
    except Exception:  # noqa: BLE001 - whatever it is
        return False


def _as_option(option: Mapping[str, Any]) -> dict[str, Any]:
    confidence = option.get("confidence")
    # Hive takes any number.
    bounded = {"confidence": min(1.0, max(0.0, confidence))} if isinstance(confidence, int | float) else {}
    return {"description": "", "action_type": _UNKNOWN_ACTION, **option, **bounded}
