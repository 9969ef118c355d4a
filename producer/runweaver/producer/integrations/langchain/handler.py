"""What LangChain calls when a step begins, ends or fails."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain_core.agents import AgentAction
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.current import current_run
from runweaver.producer.integrations.agent_steps import as_identifier
from runweaver.producer.integrations.any_data import start_run
from runweaver.producer.integrations.langchain.chain import Step, TracedChain
from runweaver.producer.integrations.langchain.messages import arguments_of, offered_by
from runweaver.producer.integrations.quietly import quietly
from runweaver.producer.producer import Producer

#: Steps of runs that were let go, of which nothing more is told.
_MOST_LET_GO: Final = 10_000
#: What frameworks write into metadata for themselves.
_OF_FRAMEWORKS: Final = ("langgraph_", "ls_", "lc_", "checkpoint_", "__")


class RunweaverCallbackHandler(BaseCallbackHandler):
    """Reports each outermost call as a run, named by LangChain's id of it. For any thread; sync and async.

    Where the caller works for a run already (`runweaver.producer.current_run`), it is a part of that one.

    It raises nothing, and never waits: so it is called in the agent's own thread, where the order of calls is kept.
    """

    run_inline = True

    def __init__(
        self, producer: Producer | None = None, *, goal_id: str | None = None, max_open_runs: int = 1000
    ) -> None:
        """Nothing is connected before there is something to send.

        Args:
            producer: takes what is reported. Absent: one is made, from the environment.
            goal_id: of all runs. Absent: what LangChain calls each of them, such as the graph's name or `run_name`.
            max_open_runs: so many are held at once. Of more, the one that began first is left, and nothing more of it
                is told.
        """
        self._producer = producer if producer is not None else Producer()
        self._goal_id = goal_id
        self._max_open_runs = max_open_runs
        self._lock = threading.Lock()
        self._runs: OrderedDict[UUID, TracedChain] = OrderedDict()
        # Which run each step belongs to, by its id.
        self._roots: dict[UUID, UUID] = {}
        self._let_go: OrderedDict[UUID, None] = OrderedDict()

    @quietly
    def on_chain_start(self, serialized: dict[str, Any] | None, inputs: Any, *, run_id: UUID, **details: Any) -> None:
        """A chain, a graph or a node of one begins."""
        self._started(run_id, Step("chain", _name(serialized, details)), details, inputs)

    @quietly
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """It ended."""
        self._end(run_id, lambda run: run.chain_ended(run_id, outputs), outputs)

    @quietly
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised an exception."""
        self._end(run_id, lambda run: run.failed(run_id, error), error=error)

    @quietly
    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: Sequence[Any], *, run_id: UUID, **details: Any
    ) -> None:
        """A chat model is asked."""
        offered = offered_by(details.get("invocation_params"))
        step = Step("model", _name(serialized, details), offered=offered)
        self._started(run_id, step, details, messages)

    @quietly
    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: Sequence[str], *, run_id: UUID, **details: Any
    ) -> None:
        """A model of texts is asked."""
        self._started(run_id, Step("model", _name(serialized, details)), details, prompts)

    @quietly
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """A model answered."""
        text = response.generations[0][0].text if response.generations and response.generations[0] else None
        self._end(run_id, lambda run: run.model_ended(run_id, response), text)

    @quietly
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """A model did not answer."""
        self._end(run_id, lambda run: run.failed(run_id, error), error=error)

    @quietly
    def on_tool_start(self, serialized: dict[str, Any] | None, input_str: str, *, run_id: UUID, **details: Any) -> None:
        """A tool is called."""
        arguments = arguments_of(details.get("inputs"), input_str)
        call_id = str(details.get("tool_call_id") or "")
        step = Step("tool", _name(serialized, details), call_id=call_id, arguments=arguments)
        self._started(run_id, step, details, arguments)

    @quietly
    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """A tool gave something back."""
        self._end(run_id, lambda run: run.tool_ended(run_id, output), output)

    @quietly
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """A tool raised an exception."""
        self._end(run_id, lambda run: run.failed(run_id, error), error=error)

    @quietly
    def on_retriever_start(
        self, serialized: dict[str, Any] | None, query: str, *, run_id: UUID, **details: Any
    ) -> None:
        """Documents are looked for."""
        step = Step("retriever", _name(serialized, details), arguments={"query": query})
        self._started(run_id, step, details, query)

    @quietly
    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **_: Any) -> None:
        """Documents were found, or none."""
        self._end(run_id, lambda run: run.tool_ended(run_id, documents), documents)

    @quietly
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Looking failed."""
        self._end(run_id, lambda run: run.failed(run_id, error), error=error)

    @quietly
    def on_agent_action(self, action: AgentAction, *, run_id: UUID, **_: Any) -> None:
        """An agent of the classical kind read in its model's answer what to do."""
        if (run := self._run_of(run_id)) is not None:
            run.agent_acted(run_id, action)

    @quietly
    def on_retry(self, retry_state: Any, *, run_id: UUID, **_: Any) -> None:
        """A model is asked again after an error."""
        if (run := self._run_of(run_id)) is not None:
            outcome = retry_state.outcome
            run.retried(run_id, retry_state.attempt_number, outcome.exception() if outcome is not None else None)

    def _started(self, step_id: UUID, step: Step, details: Mapping[str, Any], inputs: Any) -> None:
        parent_id = details.get("parent_run_id")
        with self._lock:
            if parent_id in self._let_go:
                self._forget_step(step_id)
                return
            root_id = self._roots.get(parent_id) if parent_id is not None else None
            run = self._runs.get(root_id) if root_id is not None else None
        if run is None or root_id is None:
            root_id, run = step_id, self._began(step_id, step, details, inputs)
        with self._lock:
            self._roots[step_id] = root_id
        run.started(step_id, parent_id, step, details.get("metadata") or {}, inputs)

    def _began(self, run_id: UUID, step: Step, details: Mapping[str, Any], inputs: Any) -> TracedChain:
        current = current_run()
        if current is not None:
            traced = TracedChain(current, step.name, is_guest=True)
        else:
            traced = TracedChain(self._begun(run_id, step, details, inputs), step.name)
        with self._lock:
            self._runs[run_id] = traced
            evicted = self._evicted()
        if evicted is not None:
            evicted.let_go()
        return traced

    def _begun(self, run_id: UUID, step: Step, details: Mapping[str, Any], inputs: Any) -> ActiveRun:
        metadata = details.get("metadata") or {}
        own = {name: value for name, value in metadata.items() if not name.startswith(_OF_FRAMEWORKS)}
        thread = metadata.get("thread_id")
        tags = [*map(str, details.get("tags") or ()), *([f"thread:{thread}"] if thread else [])]
        goal_id = self._goal_id or as_identifier(step.name, "chain")
        given = {"input": inputs, **({"metadata": own} if own else {})}
        return start_run(self._producer, goal_id, step.name, run_id=str(run_id), tags=tags, input_data=given)

    def _evicted(self) -> TracedChain | None:
        if len(self._runs) <= self._max_open_runs:
            return None
        _, evicted = self._runs.popitem(last=False)
        for step_id in evicted.open_steps:
            self._roots.pop(step_id, None)
            self._forget_step(step_id)
        return evicted

    def _forget_step(self, step_id: UUID) -> None:
        self._let_go[step_id] = None
        if len(self._let_go) > _MOST_LET_GO:
            self._let_go.popitem(last=False)

    def _run_of(self, step_id: UUID) -> TracedChain | None:
        with self._lock:
            return self._runs.get(self._roots.get(step_id, step_id))

    def _end(
        self,
        step_id: UUID,
        tell: Callable[[TracedChain], None],
        output: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """A step ended; with the outermost, its run."""
        run = self._run_of(step_id)
        try:
            if run is not None:
                tell(run)
        finally:
            self._ended(step_id, output, error)

    def _ended(self, step_id: UUID, output: Any, error: BaseException | None = None) -> None:
        with self._lock:
            if self._roots.pop(step_id, step_id) != step_id:
                return
            run = self._runs.pop(step_id, None)
            left = run.open_steps if run is not None else ()
            for each in left:
                self._roots.pop(each, None)
        if run is not None:
            run.end(output, error)


def _name(serialized: Mapping[str, Any] | None, details: Mapping[str, Any]) -> str:
    """What LangChain calls it; without a name of its own, its class."""
    known = details.get("name") or (serialized or {}).get("name")
    kind = (serialized or {}).get("id") or ["chain"]
    return str(known or kind[-1])
