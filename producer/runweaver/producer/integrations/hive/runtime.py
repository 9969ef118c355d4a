"""What an agent of hive calls, as it is called there."""

import inspect
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from runweaver.producer.failures import described
from runweaver.producer.integrations.agent_steps import shortened
from runweaver.producer.integrations.hive.hive_run import HiveRun, is_true
from runweaver.producer.message_kind import safe_repr
from runweaver.producer.producer import Producer
from runweaver.shared.decision import DecisionType
from runweaver.shared.log import get_logger
from runweaver.shared.run import Run

#: Where decisions are taken before anybody has said where.
UNKNOWN_NODE: Final = "unknown"

_log = get_logger(__name__)


class Runtime:
    """Records what one agent does, one run after the other.

        runtime = Runtime("./storage")
        runtime.start_run("qualify-leads", "Qualify sales leads")
        decision_id = runtime.decide(
            intent="Is there a budget?",
            options=[{"id": "ask", "description": "Ask the lead"}, {"id": "infer", "description": "Infer it"}],
            chosen="infer",
            reasoning="The size of the company is known",
        )
        runtime.record_outcome(decision_id, success=True, summary="A budget of 50,000")
        runtime.end_run(success=True)

    No call waits for the server, and none raises because of what it is given: what cannot be sent is left out, with a
    warning in the log. Threads may share it.
    """

    def __init__(self, storage: str | os.PathLike[str] | Producer) -> None:
        """Nothing is connected before there is something to send.

        Args:
            storage: a directory, as in hive: messages wait there while the server at `RUNWEAVER_REDIS_URL` takes
                none. Or the URL of a server; or a producer, which several may share.

        Raises:
            SettingsError: the URL or a variable makes no sense.
        """
        self._producer = storage if isinstance(storage, Producer) else _producer(os.fspath(storage))
        self._current: HiveRun | None = None
        self._node_id = UNKNOWN_NODE
        self._refusals = 0
        self._lock = threading.Lock()
        _living.add(self)

    def start_run(self, goal_id: str, goal_description: str = "", input_data: dict[str, Any] | None = None) -> str:
        """Begin a run. One that is still in progress ends as cancelled.

        Args:
            goal_id: what all runs with the same purpose share. Characters that it cannot have become `-`.
            goal_description, input_data: as for `Producer.start_run`.

        Returns:
            The run's id.
        """
        with self._lock:
            if self._current is not None:
                _log.warning("start_run called with a run in progress: it is cancelled", run_id=self._current.run_id)
                self._current.end("cancelled")
            self._current = HiveRun(self._producer, goal_id, goal_description, input_data)
            return self._current.run_id

    def end_run(
        self,
        success: bool,  # noqa: FBT001 - hive's signature
        narrative: str = "",
        output_data: dict[str, Any] | None = None,
    ) -> None:
        """End the run in progress, as completed or failed; see `ActiveRun.end`. It is summarised seconds later."""
        with self._lock:
            if self._current is None:
                _log.warning("end_run called with no run in progress")
                return
            current, self._current = self._current, None
            current.end("completed" if is_true(success) else "failed", narrative, output_data)

    def set_node(self, node_id: str) -> None:
        """Say where in the agent's graph the next decisions are taken. From one node to another is an edge."""
        self._node_id = node_id if isinstance(node_id, str) and node_id else UNKNOWN_NODE
        if self._current is not None:
            with self._in_run("set_node", node_id) as current:
                if current is not None:
                    current.enter(self._node_id)

    @property
    def current_run(self) -> Run | None:
        """The run in progress as far as this process has recorded it, and as it was sent: secrets are masked.

        It is kept up to date. Of very long runs it has the newest decisions and problems, see `RecordedRun`; its
        metrics count all.
        """
        current = self._current
        return current.look() if current is not None else None

    def decide(  # noqa: PLR0917 - hive's signature
        self,
        intent: str,
        options: list[dict[str, Any]],
        chosen: str,
        reasoning: str,
        node_id: str | None = None,
        decision_type: DecisionType | str = DecisionType.CUSTOM,
        constraints: list[str] | None = None,
        context: dict[str, Any] | None = None,
    ) -> str:
        """Record a decision.

        Args:
            intent, reasoning, constraints, context: as for `ActiveRun.decide`.
            options: what it could have done; each has an `id`, and may have a `description`, an `action_type`,
                `action_params`, `pros`, `cons` and a `confidence` from 0 to 1.
            chosen: the id of the option that it took. Where it is none of them, it becomes one.
            node_id: where; absent: see `set_node`.
            decision_type: see `DecisionType`; hive's own will do.

        Returns:
            The decision's id, for `record_outcome`: `dec_0`, `dec_1` … Empty where no run is in progress.
        """
        with self._in_run("decide", intent) as current:
            if current is not None:
                return current.decide(
                    intent,
                    options,
                    chosen,
                    reasoning,
                    node_id=node_id or self._node_id,
                    decision_type=decision_type,
                    active_constraints=constraints or (),
                    input_context=context,
                )
        return ""

    def record_outcome(  # noqa: PLR0917 - hive's signature
        self,
        decision_id: str,
        success: bool,  # noqa: FBT001 - hive's signature
        result: Any = None,
        error: str | None = None,
        summary: str = "",
        state_changes: dict[str, Any] | None = None,
        tokens_used: int = 0,
        latency_ms: int = 0,
    ) -> None:
        """Record what came of a decision; the arguments are those of `ActiveRun.record_outcome`.

        Recorded again, the latest counts. Where no decision has this id, nothing is counted.
        """
        with self._in_run("record_outcome", decision_id) as current:
            if current is not None:
                current.run.record_outcome(
                    decision_id,
                    success,
                    result=result,
                    error=error,
                    summary=summary,
                    state_changes=state_changes,
                    tokens_used=max(0, tokens_used or 0),
                    latency_ms=max(0, latency_ms or 0),
                )

    def report_problem(
        self,
        severity: str,
        description: str,
        decision_id: str | None = None,
        root_cause: str | None = None,
        suggested_fix: str | None = None,
    ) -> str:
        """Record that something went wrong.

        Args:
            severity: `critical`, `warning` or `minor`; another word counts as `warning`, and is told.
            description, decision_id, root_cause, suggested_fix: as for `ActiveRun.report_problem`.

        Returns:
            The problem's id: `prob_0`, `prob_1` … Empty where no run is in progress.
        """
        with self._in_run("report_problem", description) as current:
            if current is not None:
                return current.report_problem(severity, description, decision_id, root_cause, suggested_fix)
        return ""

    def decide_and_execute(  # noqa: PLR0917 - hive's signature
        self,
        intent: str,
        options: list[dict[str, Any]],
        chosen: str,
        reasoning: str,
        executor: Callable[[], Any],
        node_id: str | None = None,
        **kwargs: Any,
    ) -> tuple[str, Any]:
        """Record a decision, do it, and record what came of it and how long it took.

        An exception of the executor is recorded as a failure, and goes on to the caller.

        Args:
            intent, options, chosen, reasoning, node_id, kwargs: as for `decide`.
            executor: does what was decided, whether or not a run is in progress; takes nothing. What it returns may
                be awaitable: the outcome is recorded when it was awaited.

        Returns:
            The decision's id and what the executor returned.
        """
        decision_id = self.decide(intent, options, chosen, reasoning, node_id, **kwargs)
        began = time.perf_counter()
        try:
            result = executor()
        except Exception as error:
            self._came_of(decision_id, began, success=False, error=described(error))
            raise
        if inspect.isawaitable(result):
            return decision_id, self._awaited(decision_id, result, began)
        self._came_of(decision_id, began, success=True, result=result)
        return decision_id, result

    def quick_decision(self, intent: str, action: str, reasoning: str, node_id: str | None = None) -> str:
        """Record a decision that had no alternative.

        Returns:
            As for `decide`.
        """
        option = {"id": "action", "description": action, "action_type": "execute"}
        return self.decide(intent, [option], "action", reasoning, node_id)

    @contextmanager
    def _in_run(self, call: str, about: str) -> Iterator[HiveRun | None]:
        """The run in progress, for one call at a time: so ids have no gaps. What fails inside is logged, and over."""
        with self._lock:
            if self._current is None:
                _log.warning(f"{call} called with no run in progress", about=_in_short(about))
            try:
                yield self._current
            except Exception as error:  # noqa: BLE001 - whatever an agent hands over, it goes on
                self._refusals += 1
                # The 1st, 2nd, 4th, 8th …: what is wrong with one call is wrong with all of its kind.
                if not self._refusals & (self._refusals - 1):
                    _log.warning(f"{call} left out", reason=_in_short(error), left_out=self._refusals)

    async def _awaited(self, decision_id: str, result: Awaitable[Any], began: float) -> Any:
        try:
            value = await result
        except Exception as error:
            self._came_of(decision_id, began, success=False, error=described(error))
            raise
        self._came_of(decision_id, began, success=True, result=value)
        return value

    def _came_of(self, decision_id: str, began: float, **outcome: Any) -> None:
        if decision_id:
            latency_ms = round((time.perf_counter() - began) * 1000)
            self.record_outcome(decision_id, latency_ms=latency_ms, **outcome)

    def _after_fork_in_child(self) -> None:
        # A thread that does not exist here may have held it.
        self._lock = threading.Lock()
        if self._current is not None:
            self._current.go_on_in_child()


#: All runtimes of this process, for the children that it may fork.
_living: weakref.WeakSet[Runtime] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for runtime in list(_living):
        runtime._after_fork_in_child()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _producer(storage: str) -> Producer:
    return Producer(storage) if "://" in storage else Producer(spool=storage)


def _in_short(what: object) -> str:
    return shortened(what if isinstance(what, str) else safe_repr(what))
