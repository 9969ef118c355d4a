"""A run as an agent holds it while it goes on."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, overload

from runweaver.producer.carrier import HEADER, VARIABLE, carried
from runweaver.producer.channel import Channel
from runweaver.producer.current import bound_to, in_place
from runweaver.producer.decision_scope import DecisionScope, OptionLike, decision
from runweaver.producer.failures import described, origin
from runweaver.producer.message_kind import (
    DECISION,
    DEFAULT_NODE,
    EDGE,
    EVALUATION,
    HEARTBEAT,
    OUTCOME,
    PROBLEM,
    PRODUCER_LEFT,
    RUN_ENDED,
    RUN_STARTED,
    Fields,
    check_choice,
)
from runweaver.shared.decision import DecisionType, Option
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import utc_now
from runweaver.shared.run import Severity

if TYPE_CHECKING:
    from runweaver.producer.producer import Producer

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

EndStatus = Literal["completed", "failed", "cancelled"]


class ActiveRun:
    """Records what happens in one run. Made by `Producer.start_run` and `Producer.join_run`.

    All methods return at once and can be called from any thread. They raise `InvalidArgumentError` for arguments
    that make no sense, and nothing else.

    As a context manager (`with` or `async with`) it is the current run of the block. A started run ends as completed,
    or as failed with a critical problem that carries the exception. A joined run is left, not ended.
    """

    def __init__(self, producer: "Producer", channel: Channel, run_id: str, *, joined: bool, is_sampled: bool) -> None:
        #: Names this run everywhere. Another process can join it with this.
        self.run_id = run_id
        #: Whether the run is in the sample. What is not, sends nothing, unless it fails and such runs are kept.
        self.is_sampled = is_sampled
        self._producer = producer
        self._channel = channel
        self._joined = joined
        self._has_ended = False
        self._entered: list[AbstractContextManager[None]] = []

    def decide(
        self,
        intent: str,
        options: Sequence[Option | Mapping[str, Any]],
        chosen: str | None,
        reasoning: str = "",
        *,
        node_id: str = DEFAULT_NODE,
        decision_type: DecisionType | str = DecisionType.CUSTOM,
        active_constraints: Sequence[str] = (),
        input_context: Mapping[str, Any] | None = None,
        decision_id: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Record a decision.

        Args:
            intent: what the agent wanted to find out or achieve.
            options: what it could have done; each needs an `id` and a `description`.
            chosen: the id of the option that it took, or none.
            reasoning: why.
            node_id: where in the agent's graph this happened.
            decision_type: see `DecisionType`.
            active_constraints: what it had to obey.
            input_context: what it knew.
            decision_id: its id, where it has one already (a tool call's, say).
            at: when, if not now.

        Returns:
            The decision's id, for `record_outcome`.
        """
        decision_id = decision_id if decision_id is not None else self._new_decision_id()
        given: Fields = {
            "id": decision_id,
            "node_id": node_id,
            "intent": intent,
            "options": options,
            "chosen_option_id": chosen,
        }
        # What says nothing is the schema's default anyway, and would cost bytes a million times.
        if decision_type != DecisionType.CUSTOM:
            given["decision_type"] = decision_type
        if reasoning:
            given["reasoning"] = reasoning
        if active_constraints:
            given["active_constraints"] = active_constraints
        if input_context:
            given["input_context"] = input_context
        fields = DECISION.build({"decision": given})
        decision = fields["decision"]
        if chosen is not None:
            check_choice(decision["chosen_option_id"], decision["options"])
        decision["timestamp"] = _moment(at)
        self._channel.send(DECISION, fields)
        return decision_id

    def record_outcome(
        self,
        decision_id: str,
        success: bool,  # noqa: FBT001 - the fixed signature
        *,
        result: Any = None,
        error: str | None = None,
        summary: str = "",
        tokens_used: float = 0,
        latency_ms: float = 0,
        state_changes: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Record what came of a decision. Recorded again, the latest counts.

        Args:
            decision_id: what `decide` returned, here or in another process.
            success: whether it did what was intended.
            result: anything; what JSON does not know is told by its `repr`.
            error: what went wrong.
            summary: one line for the Builder.
            tokens_used: how many tokens it took.
            latency_ms: how long it took, in milliseconds.
            state_changes: what is different now.
            at: when, if not now.
        """
        given: Fields = {"success": success}
        if result is not None:
            given["result"] = result
        if error:
            given["error"] = error
        if summary:
            given["summary"] = summary
        if tokens_used:
            given["tokens_used"] = tokens_used
        if latency_ms:
            given["latency_ms"] = latency_ms
        if state_changes:
            given["state_changes"] = state_changes
        fields = OUTCOME.build({"decision_id": decision_id, "outcome": given})
        fields["outcome"]["timestamp"] = _moment(at)
        self._channel.send(OUTCOME, fields)

    @overload
    def decide_and_execute(
        self,
        intent: str,
        options: Sequence[Option | Mapping[str, Any]],
        chosen: str | None,
        reasoning: str,
        executor: Callable[[], Awaitable[_Result]],
        **details: Any,
    ) -> Awaitable[tuple[str, _Result]]: ...

    @overload
    def decide_and_execute(
        self,
        intent: str,
        options: Sequence[Option | Mapping[str, Any]],
        chosen: str | None,
        reasoning: str,
        executor: Callable[[], _Result],
        **details: Any,
    ) -> tuple[str, _Result]: ...

    def decide_and_execute(
        self,
        intent: str,
        options: Sequence[Option | Mapping[str, Any]],
        chosen: str | None,
        reasoning: str,
        executor: Callable[[], Any],
        **details: Any,
    ) -> Any:
        """Record a decision, do it, and record what came of it and how long it took.

        An exception of the executor is recorded as a failure, and goes on to the caller.

        Args:
            intent, options, chosen, reasoning, details: as for `decide`.
            executor: does what was decided; takes nothing. It may be async: then await what this returns.

        Returns:
            The decision's id and what the executor returned.
        """
        decision_id = self.decide(intent, options, chosen, reasoning, **details)
        started_at = utc_now()
        try:
            result = executor()
        except Exception as error:
            self._record_failure(decision_id, error, started_at)
            raise
        if inspect.isawaitable(result):
            return self._finish_async(decision_id, result, started_at)
        self._record_success(decision_id, result, started_at)
        return decision_id, result

    def quick_decision(self, intent: str, action: str, reasoning: str = "", *, node_id: str = DEFAULT_NODE) -> str:
        """Record a decision that had no alternative.

        Returns:
            The decision's id, for `record_outcome`.
        """
        return self.decide(intent, [{"id": "action", "description": action}], "action", reasoning, node_id=node_id)

    def decision(
        self,
        intent: str,
        options: Sequence[OptionLike] = (),
        chosen: str | None = None,
        reasoning: str = "",
        **details: Any,
    ) -> DecisionScope:
        """Make a block or a function a decision of this run, and how it ends the decision's outcome.

            with run.decision("Answer", ["draft", "escalate"]) as made:
                made.choose("draft", "It is simple")

        Args:
            intent, options, chosen, reasoning, details: as for `runweaver.producer.decision`.
        """
        return decision(intent, options, chosen, reasoning, run=self, **details)

    def evaluate(
        self,
        decision_id: str,
        *,
        outcome_quality: float = 1.0,
        goal_aligned: bool = True,
        alignment_score: float = 1.0,
        better_option_existed: bool = False,
        better_option_id: str | None = None,
        why_better: str | None = None,
        contributed_to_success: bool | None = None,
        explanation: str = "",
        at: datetime | None = None,
    ) -> None:
        """Judge a decision after the fact: see `DecisionEvaluation`. The latest judgement counts."""
        fields = {
            "outcome_quality": outcome_quality,
            "goal_aligned": goal_aligned,
            "alignment_score": alignment_score,
            "better_option_existed": better_option_existed,
            "contributed_to_success": contributed_to_success,
            **_given(
                better_option_id=better_option_id,
                why_better=why_better,
                explanation=explanation,
            ),
        }
        self._channel.send(
            EVALUATION, EVALUATION.build({"decision_id": decision_id, "sent_at": _moment(at), "evaluation": fields})
        )

    def report_problem(
        self,
        severity: Severity,
        description: str,
        *,
        root_cause: str | None = None,
        decision_id: str | None = None,
        suggested_fix: str | None = None,
        problem_id: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Record that something went wrong.

        Args:
            severity: `critical`, `warning` or `minor`.
            description: what went wrong.
            root_cause: why.
            decision_id: the decision that it belongs to.
            suggested_fix: what could be done about it.
            problem_id: its id, where it has one already.
            at: when, if not now.

        Returns:
            The problem's id.
        """
        problem_id = problem_id if problem_id is not None else self._producer._new_id("prob")  # noqa: SLF001
        fields = {
            "id": problem_id,
            "timestamp": _moment(at),
            "severity": severity,
            "description": description,
            **_given(root_cause=root_cause, decision_id=decision_id, suggested_fix=suggested_fix),
        }
        self._channel.send(PROBLEM, PROBLEM.build({"problem": fields}))
        return problem_id

    def traverse(self, source: str, target: str, *, at: datetime | None = None) -> None:
        """Record that the run went from one node to another."""
        self._channel.send(EDGE, EDGE.build({"source": source, "target": target, "at": _moment(at)}))

    def heartbeat(self) -> None:
        """Say that the run is alive, for instance before a long call."""
        self._channel.send(HEARTBEAT, {"sent_at": utc_now()})

    def end(
        self,
        status: EndStatus = "completed",
        *,
        output_data: Mapping[str, Any] | None = None,
        narrative: str = "",
        at: datetime | None = None,
    ) -> None:
        """End the run. It will be summarised as soon as all messages of all its producers are there.

        Args:
            status: `completed`, `failed` or `cancelled`.
            output_data: what the run produced.
            narrative: its story; absent: one is made from what was recorded.
            at: when, if not now.
        """
        self._channel.declare(
            RUN_ENDED,
            status=status,
            ended_at=_moment(at),
            **_given(output_data=output_data, narrative=narrative),
        )
        self._has_ended = True

    def leave(self) -> None:
        """Say how many messages this process sent for the run, without ending it: others go on."""
        self._channel.declare(PRODUCER_LEFT, sent_at=utc_now())

    def carrier(self) -> dict[str, str]:
        """What tells another process to take part, as headers of a request, a message or a job.

        requests.post(url, headers=run.carrier())       # there: producer.join_run(request.headers)
        """
        return {HEADER: carried(self.run_id, is_sampled=self.is_sampled)}

    def environment(self) -> dict[str, str]:
        """The same as an environment variable.

        subprocess.run(command, env={**os.environ, **run.environment()})    # there: producer.join_run(os.environ)
        """
        return {VARIABLE: carried(self.run_id, is_sampled=self.is_sampled)}

    def bind(self, function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        """Make this the current run of a function's code, wherever it is called: in a thread of a pool, say.

        pool.map(run.bind(look_up), customers)
        """
        return bound_to(self, function)

    def as_current(self) -> AbstractContextManager[None]:
        """Make this the current run of a block. Nothing is ended after it."""
        return in_place(self)

    def __enter__(self) -> Self:
        entered = self.as_current()
        entered.__enter__()
        self._entered.append(entered)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            self._entered.pop().__exit__(None, None, None)
        if isinstance(error, Exception):
            self.report_problem("critical", described(error), root_cause=origin(error))
        if self._has_ended:
            return
        if self._joined:
            self.leave()
        else:
            # What is not an Exception (Ctrl-C, a cancelled task) stops a run from outside.
            self.end("completed" if error is None else "failed" if isinstance(error, Exception) else "cancelled")

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _start(self, at: datetime | None, **fields: Any) -> None:
        self._channel.send(RUN_STARTED, RUN_STARTED.build({"started_at": _moment(at), **fields}))

    def _leave_unless_declared(self) -> None:
        if not self._channel.is_declared:
            self.leave()

    def _after_fork_in_child(self) -> None:
        self._channel.after_fork_in_child()

    def _new_decision_id(self) -> str:
        return self._producer._new_id("dec")  # noqa: SLF001

    async def _finish_async(
        self, decision_id: str, awaitable: Awaitable[_Result], started_at: datetime
    ) -> tuple[str, _Result]:
        try:
            result = await awaitable
        except Exception as error:
            self._record_failure(decision_id, error, started_at)
            raise
        self._record_success(decision_id, result, started_at)
        return decision_id, result

    def _record_success(self, decision_id: str, result: Any, started_at: datetime) -> None:
        self.record_outcome(decision_id, success=True, result=result, latency_ms=_milliseconds_since(started_at))

    def _record_failure(self, decision_id: str, error: Exception, started_at: datetime) -> None:
        self.record_outcome(
            decision_id, success=False, error=described(error), latency_ms=_milliseconds_since(started_at)
        )


def _given(**fields: Any) -> dict[str, Any]:
    """Only what says something: the rest is the schema's default anyway, and would cost bytes a million times."""
    return {name: value for name, value in fields.items() if value}


def _moment(at: datetime | None) -> datetime:
    if at is None:
        return utc_now()
    if at.tzinfo is None:
        raise InvalidArgumentError(f"at: {at.isoformat()} has no time zone: which moment it was cannot be told")
    return at


def _milliseconds_since(moment: datetime) -> float:
    return (utc_now() - moment).total_seconds() * 1000
