"""Agents of LangChain and LangGraph report in through callbacks. Their own fake models stand in for the network."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict
from uuid import UUID, uuid4

import pytest
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.callbacks import CallbackManager
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, RetryPolicy, Send, interrupt

from runweaver.producer import Producer
from runweaver.producer.integrations.langchain import RunweaverCallbackHandler
from runweaver.shared import Decision, Run
from tests.support.missing import without
from tests.support.processes import Pipeline
from tests.support.scripted_chat import asks, says, scripted

Told = Callable[..., Run]


def _invoke(runnable: Runnable[Any, Any], inputs: Any, config: RunnableConfig) -> None:
    runnable.invoke(inputs, config)


def _stream(runnable: Runnable[Any, Any], inputs: Any, config: RunnableConfig) -> None:
    for _ in runnable.stream(inputs, config):
        pass


def _ainvoke(runnable: Runnable[Any, Any], inputs: Any, config: RunnableConfig) -> None:
    asyncio.run(runnable.ainvoke(inputs, config))


def _astream(runnable: Runnable[Any, Any], inputs: Any, config: RunnableConfig) -> None:
    async def stream() -> None:
        async for _ in runnable.astream(inputs, config):
            pass

    asyncio.run(stream())


@tool
def search(to: str) -> dict[str, Any]:
    """Look for flights."""
    return {"to": to, "flights": 3}


@tool
def book() -> str:
    """Book one."""
    raise ValueError("Sold out")


@tool
def ask_boss(what: str) -> str:
    """Ask whether it may be done."""
    return f"The boss says {interrupt(what)}"


@pytest.fixture
def handler(producer: Producer) -> RunweaverCallbackHandler:
    """A handler for the pipeline that is always running."""
    return RunweaverCallbackHandler(producer)


@pytest.fixture
def told(pipeline: Pipeline, handler: RunweaverCallbackHandler) -> Told:
    """Invoke something, and get what its run says."""

    def tell(
        runnable: Runnable[Any, Any],
        inputs: Any,
        raises: type[BaseException] | None = None,
        how: Callable[[Runnable[Any, Any], Any, RunnableConfig], Any] = _invoke,
        **config: Any,
    ) -> Run:
        run_id = uuid4()
        with_handler: RunnableConfig = {"callbacks": [handler], "run_id": run_id, **config}  # type: ignore[typeddict-item]
        if raises is None:
            how(runnable, inputs, with_handler)
        else:
            with pytest.raises(raises):
                how(runnable, inputs, with_handler)
        assert not handler._runs
        assert not handler._roots
        return _run(pipeline, run_id)

    return tell


def _run(pipeline: Pipeline, run_id: UUID | str) -> Run:
    pipeline.summary(str(run_id))
    run = pipeline.runs.get(str(run_id))
    assert run is not None
    return run


def _agent(*answers: AIMessage, tools: Any = (search, book), errors: bool = True, **compiled: Any) -> Any:
    """A graph of a model and its tools."""
    model = scripted(*answers).bind_tools(tools)
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(list(tools), handle_tool_errors=errors))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(**compiled)


def _question(text: str = "To Oslo") -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def _steps(run: Run) -> list[tuple[str, str, bool]]:
    return [(decision.node_id, decision.intent, decision.was_successful) for decision in run.decisions]


def _outcome(decision: Decision) -> tuple[bool, Any, str | None, float]:
    outcome = decision.outcome
    assert outcome is not None
    return outcome.success, outcome.result, outcome.error, outcome.tokens_used


@pytest.mark.parametrize("how", [_invoke, _stream, _ainvoke, _astream])
def test_a_call_of_a_graph_is_a_run(told: Told, pipeline: Pipeline, how: Any) -> None:
    """Tool calls are decisions in the node that asks for them, nodes are the run's, and transitions its edges."""
    answers = [asks(("search", {"to": "Oslo"}, "c1"), text="It is cheap"), says("Fly on Monday")]

    run = told(
        _agent(*answers, name="Trip planner!"),
        _question(),
        how=how,
        tags=["night"],
        metadata={"customer": 4},
        configurable={"thread_id": "t7"},
    )

    assert ("Trip-planner", "Trip planner!", "completed") == (run.goal_id, run.goal_description, run.status)
    assert ({"customer": 4, "thread_id": "t7"}, "To Oslo") == (
        run.input_data["metadata"],
        run.input_data["input"]["messages"][0]["content"],
    )
    assert ["night", "thread:t7"] == list(pipeline.summary(run.id).tags)
    assert [("model", "Call search", True), ("model", "Answer", True)] == _steps(run)
    first, answer = run.decisions
    assert ("c1", "It is cheap") == (first.id, first.reasoning)
    assert [("search", "Look for flights."), ("book", "Book one.")] == [
        (option.id, option.description) for option in first.options
    ]
    assert first.chosen_option is not None
    assert {"to": "Oslo"} == first.chosen_option.action_params
    assert [(True, '{"to": "Oslo", "flights": 3}', None, 30), (True, None, None, 30)] == [
        _outcome(decision) for decision in (first, answer)
    ]
    assert ["__start__->model", "model->tools", "tools->model", "model->__end__"] == run.metrics.edges_traversed
    assert "Fly on Monday" in str(run.output_data["output"])


def test_tools_fail_and_are_tried_again(told: Told) -> None:
    """An error that the model hears of is a failure of the tool, and not of the run."""
    answers = [asks(("book", {}, "c1")), asks(("search", {"to": "Oslo"}, "c1")), says("No")]

    run = told(_agent(*answers), _question())

    assert [("c1", False), ("c1#2", True)] == [(each.id, each.was_successful) for each in run.decisions[:2]]
    assert "ValueError: Sold out" == _outcome(run.decisions[0])[2]
    assert ("completed", []) == (run.status, run.problems)


@pytest.mark.parametrize("how", [_invoke, _ainvoke])
def test_an_error_that_nobody_catches_fails_the_run(told: Told, how: Any) -> None:
    """One problem says which decision it comes from."""
    run = told(_agent(asks(("book", {}, "c1")), errors=False), _question(), ValueError, how=how)

    assert [("model", "Call book", False)] == _steps(run)
    assert "failed" == run.status
    assert [("critical", "tools: ValueError: Sold out", "c1")] == [
        (problem.severity, problem.description, problem.decision_id) for problem in run.problems
    ]
    assert {} == run.output_data


def test_a_tool_that_there_is_not_fails(told: Told) -> None:
    """LangGraph does not call it, and tells the model. The node's result says so."""
    run = told(_agent(asks(("fly", {}, "c1")), says("I cannot fly")), _question())

    assert [("Call fly", False), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert "not a valid tool" in str(_outcome(run.decisions[0])[2])


def test_tools_called_at_once_get_their_own_outcomes(told: Told) -> None:
    """Whichever ends first."""

    @tool
    async def wait(turns: int) -> str:
        """Let others go first."""
        for _ in range(turns):
            await asyncio.sleep(0)
        return f"waited {turns}"

    calls = [("wait", {"turns": turns}, f"c{turns}") for turns in (9, 1, 5)]

    run = told(_agent(asks(*calls), says("Done"), tools=[wait]), _question(), how=_ainvoke)

    assert [("c9", "waited 9"), ("c1", "waited 1"), ("c5", "waited 5")] == [
        (decision.id, _outcome(decision)[1]) for decision in run.decisions[:3]
    ]
    assert [30, 0, 0, 30] == [_outcome(decision)[3] for decision in run.decisions]


class _State(TypedDict, total=False):
    number: int


def test_nodes_that_run_at_once_and_graphs_within_graphs(told: Told) -> None:
    """A node of an inner graph stands after the node that it is in. All nodes of a step lead to those of the next."""
    inner = StateGraph(MessagesState)
    answer = scripted(says("Found"))
    inner.add_node("look", lambda state: {"messages": [answer.invoke(state["messages"])]})
    inner.add_edge(START, "look")
    graph = StateGraph(MessagesState)
    graph.add_node("split", lambda _state: {})
    graph.add_node("research", inner.compile())
    graph.add_node("other", lambda _state: {})
    graph.add_node("join", lambda _state: Command(goto="last"))
    graph.add_node("last", lambda _state: {})
    graph.add_edge(START, "split")
    graph.add_conditional_edges(
        "split", lambda state: [Send("research", state), Send("research", state), "other"], ["research", "other"]
    )
    graph.add_edge(["research", "other"], "join")

    run = told(graph.compile(), _question())

    assert [("research/look", "Answer", True)] * 2 == _steps(run)
    assert [
        "__start__->split",
        "join->last",
        "last->__end__",
        "other->join",
        "research->join",
        "research->research/look",
        "split->other",
        "split->research",
    ] == sorted(run.metrics.edges_traversed)


def test_a_node_without_a_model_fails_the_run(told: Told) -> None:
    """The problem names the node, and where it was raised."""

    def divide(state: _State) -> _State:
        return {"number": 1 // state["number"]}

    graph = StateGraph(_State)
    graph.add_node("divide", divide)
    graph.add_edge(START, "divide")

    run = told(graph.compile(), {"number": 0}, ZeroDivisionError)

    (problem,) = run.problems
    assert ("failed", "critical") == (run.status, problem.severity)
    assert problem.description.startswith("divide: ZeroDivisionError")
    assert "raised in divide" in str(problem.root_cause)


def test_a_node_that_is_tried_again_is_a_warning(told: Told) -> None:
    """The run completes. The way is told once."""
    tries = iter([False, True])

    def flaky(_state: _State) -> _State:
        if not next(tries):
            raise ConnectionError("Away")
        return {"number": 1}

    graph = StateGraph(_State)
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ConnectionError)
    graph.add_node("flaky", RunnableLambda(flaky), retry_policy=policy)
    graph.add_edge(START, "flaky")

    run = told(graph.compile(), {"number": 0})

    assert "completed" == run.status
    assert [("warning", "flaky: ConnectionError: Away")] == [
        (problem.severity, problem.description) for problem in run.problems
    ]
    assert ["__start__->flaky", "flaky->__end__"] == run.metrics.edges_traversed


def test_with_retry_and_fallbacks(told: Told) -> None:
    """What failed before is a warning; a model that failed is a failed decision."""
    tries = iter([False, False, True])

    def flaky(text: str) -> str:
        if not next(tries):
            raise ConnectionError("Away")
        return text

    class Failing(FakeListLLM):
        def _call(self, *_: Any, **__: Any) -> str:
            raise ConnectionError("429")

    retried = RunnableLambda(flaky).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    model = Failing(responses=[]).with_fallbacks([FakeListLLM(responses=["Fly"])])

    run = told(retried.with_config(run_name="flaky") | model, "To Oslo", run_name="Chain")

    assert ("Chain", "completed", {"output": "Fly"}) == (run.goal_id, run.status, run.output_data)
    assert ["warning"] * 2 == [problem.severity for problem in run.problems]
    assert [("Ask the model", False), ("Answer", True)] == [step[1:] for step in _steps(run)]


def test_a_graph_that_asks_somebody_is_no_failure(told: Told) -> None:
    """Each call from outside is a run: one ends with what is asked, and the next one goes on in the same thread."""
    graph = _agent(
        asks(("ask_boss", {"what": "Buy?"}, "c1")), says("Bought"), tools=[ask_boss], checkpointer=InMemorySaver()
    )
    thread = {"thread_id": "t8"}

    asked = told(graph, _question(), configurable=thread)
    resumed = told(graph, Command(resume="yes"), configurable=thread)

    assert ("completed", ["Buy?"], []) == (asked.status, asked.output_data["interrupts"], asked.problems)
    assert ["__start__->model", "model->tools"] == asked.metrics.edges_traversed
    assert 1 == asked.metrics.pending_decisions
    assert [("Call ask_boss", True), ("Answer", True)] == [step[1:] for step in _steps(resumed)]
    assert "The boss says yes" == _outcome(resumed.decisions[0])[1]
    assert ["tools->model", "model->__end__"] == resumed.metrics.edges_traversed


def test_streams_and_batches_of_a_chain(pipeline: Pipeline, handler: RunweaverCallbackHandler) -> None:
    """Each input of a batch is a run."""
    chain = RunnableLambda(lambda text: text) | GenericFakeChatModel(messages=iter(says(f"a b {n}") for n in range(9)))
    ids = [uuid4() for _ in range(4)]

    chain.batch(
        [str(number) for number in range(3)],
        [{"callbacks": [handler], "run_id": run_id, "max_concurrency": 2} for run_id in ids[:3]],
    )
    for _ in chain.stream("3", {"callbacks": [handler], "run_id": ids[3]}):
        pass

    for run_id in ids:
        assert [("RunnableSequence", "Answer", True)] == _steps(_run(pipeline, run_id))


def test_a_model_by_itself_is_a_run(told: Told) -> None:
    """Its answer is the output; calls that are all that was wanted have succeeded."""
    form = scripted(asks(("search", {"to": "Oslo"}, "c1"))).bind_tools([search])
    plain = scripted(says("Fly"))

    filled, answered = told(form, "To Oslo"), told(plain, "To Oslo")

    assert [("ScriptedChatModel", "Call search", True)] == _steps(filled)
    assert ("completed", {"output": "Fly"}) == (answered.status, answered.output_data)


def test_reasoning_and_hosted_tools_of_providers(told: Told) -> None:
    """LangChain has one form for them; calls that a model wrote wrongly have failed."""
    content: list[Any] = [
        {"type": "reasoning", "reasoning": "It is cheap"},
        {"type": "server_tool_call", "id": "s1", "name": "web_search", "args": {"query": "Oslo"}},
        {"type": "server_tool_result", "tool_call_id": "s1", "status": "success", "output": ["a page"]},
        {"type": "text", "text": "Fly"},
    ]
    wrong = {"name": "search", "args": '{"to": ', "id": "w1", "error": "No JSON", "type": "invalid_tool_call"}
    message = AIMessage(content, invalid_tool_calls=[wrong], response_metadata={"output_version": "v1"})

    run = told(scripted(message), "To Oslo")

    assert [("Call search", False), ("Call web_search", True), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert ["It is cheap"] * 3 == [decision.reasoning for decision in run.decisions]
    assert ["a page"] == _outcome(run.decisions[1])[1]


def test_retrievers_are_decisions(told: Told) -> None:
    """To look is what was decided, and the documents are what came of it."""

    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
            if not query:
                raise ValueError("Nothing to look for")
            return [Document(f"about {query}")]

    found = told(Shelf() | RunnableLambda(len), "Oslo")
    missed = told(Shelf() | RunnableLambda(len), "", ValueError)

    assert ["Call Shelf"] == [decision.intent for decision in found.decisions]
    assert "about Oslo" == _outcome(found.decisions[0])[1][0]["page_content"]
    assert ("failed", [False]) == (missed.status, [decision.was_successful for decision in missed.decisions])


def test_classical_agents_find_their_actions_in_texts(pipeline: Pipeline, handler: RunweaverCallbackHandler) -> None:
    """What the agent makes of a text is the decision, with the text's tokens; other texts are answers."""
    manager = CallbackManager.configure([handler])
    agent = manager.on_chain_start({"name": "AgentExecutor"}, {"input": "To Oslo"})
    model = FakeListLLM(responses=["I should look\nAction: search", "Final: fly"])

    model.invoke("?", {"callbacks": agent.get_child()})
    agent.on_agent_action(AgentAction("search", "Oslo", "I should look"))
    search.invoke({"to": "Oslo"}, {"callbacks": agent.get_child()})
    model.invoke("?", {"callbacks": agent.get_child()})
    agent.on_agent_finish(AgentFinish({"output": "fly"}, "Final: fly"))
    agent.on_chain_end({"output": "fly"})

    run = _run(pipeline, agent.run_id)
    assert [("Call search", True), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert "I should look" == run.decisions[0].reasoning
    assert {"to": "Oslo", "flights": 3} == _outcome(run.decisions[0])[1]


def test_a_model_that_retries_by_itself_is_a_minor_problem(
    pipeline: Pipeline, handler: RunweaverCallbackHandler
) -> None:
    """Models of providers tell of it with the state of tenacity."""
    from tenacity import Future, RetryCallState, Retrying  # noqa: PLC0415 - comes with LangChain

    (model,) = CallbackManager.configure([handler]).on_llm_start({"name": "Model"}, ["?"])
    state = RetryCallState(Retrying(), None, (), {})
    state.outcome = Future.construct(1, ConnectionError("Away"), has_exception=True)

    model.on_retry(state)
    model.on_llm_error(ConnectionError("Away for good"))

    run = _run(pipeline, model.run_id)
    assert [
        ("minor", "Model is tried again after attempt 1: ConnectionError: Away"),
        ("critical", "ConnectionError: Away for good"),
    ] == [(problem.severity, problem.description) for problem in run.problems]


def test_a_cancelled_call_is_cancelled(told: Told) -> None:
    """It is stopped from outside, and has not failed."""

    async def stop(_text: str) -> str:
        raise asyncio.CancelledError

    assert "cancelled" == told(RunnableLambda(stop), "To Oslo", asyncio.CancelledError, how=_ainvoke).status


@pytest.mark.parametrize("odd", [b"\xff\x00", object(), {1: {2}}, "x" * 3_000_000, "\ud83d", None, "circle"])
def test_whatever_goes_in_and_comes_out_is_told(told: Told, odd: Any) -> None:
    """The run has a beginning, an end, and an outcome, at worst without the value."""
    if odd == "circle":
        odd = []
        odd.append(odd)

    @tool
    def strange() -> Any:
        """Give back something odd."""
        return odd

    run = told(RunnableLambda(lambda given: (strange.invoke({}), given)), odd)

    assert [("RunnableLambda", "Call strange", True)] == _steps(run)
    assert "completed" == run.status


def test_several_runs_at_once_do_not_mix(pipeline: Pipeline, handler: RunweaverCallbackHandler) -> None:
    """One handler does for all threads and tasks."""
    ids = [uuid4() for _ in range(12)]

    def config(number: int) -> RunnableConfig:
        return {"callbacks": [handler], "run_id": ids[number]}

    def agent(number: int) -> Any:
        return _agent(asks(("search", {"to": str(number)}, "c")), says(str(number)))

    async def work() -> None:
        await asyncio.gather(*(agent(number).ainvoke(_question(), config(number)) for number in range(6)))

    asyncio.run(work())
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: agent(number).invoke(_question(), config(number)), range(6, 12)))

    for number, run_id in enumerate(ids):
        run = _run(pipeline, run_id)
        assert [("Call search", True), ("Answer", True)] == [step[1:] for step in _steps(run)]
        assert run.decisions[0].chosen_option is not None
        assert {"to": str(number)} == run.decisions[0].chosen_option.action_params


def test_tools_that_a_node_calls_by_itself(told: Told) -> None:
    """No callback tells of them: the messages that the node gives back do."""
    model = scripted(asks(("search", {"to": "Oslo"}, "c1"), ("book", {}, "c2")))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    results = [
        ToolMessage("3 flights", tool_call_id="c1"),
        ToolMessage("Sold out", tool_call_id="c2", status="error"),
    ]
    graph.add_node("by hand", lambda _state: {"messages": results})
    graph.add_edge(START, "model")
    graph.add_edge("model", "by hand")
    graph.add_edge("by hand", END)

    run = told(graph.compile(), _question())

    assert [(True, "3 flights", None, 30), (False, "Sold out", "Sold out", 0)] == [
        _outcome(decision) for decision in run.decisions
    ]


def test_of_too_many_open_runs_the_first_is_left(pipeline: Pipeline, producer: Producer) -> None:
    """Nothing more is told of it, and it is no run of several others."""
    handler = RunweaverCallbackHandler(producer, goal_id="mine", max_open_runs=1)
    outer, inner = uuid4(), uuid4()

    def work(_text: str, config: RunnableConfig) -> str:
        RunnableLambda(str).invoke("other", {"callbacks": [handler], "run_id": inner})
        return str(scripted(says("Fly")).invoke("?", config).text)

    assert "Fly" == RunnableLambda(work).invoke("", {"callbacks": [handler], "run_id": outer})

    assert ("mine", "completed") == (_run(pipeline, inner).goal_id, _run(pipeline, inner).status)
    assert not handler._runs
    assert not handler._roots


def test_an_agent_does_not_notice_errors_of_its_handler(
    caplog: pytest.LogCaptureFixture, handler: RunweaverCallbackHandler
) -> None:
    """They are logged once in a while, without what the agent was asked."""
    broken: Any = None
    handler._producer = broken  # no run can begin

    result = _agent(asks(("search", {"to": "Oslo"}, "c")), says("Fly")).invoke(_question(), {"callbacks": [handler]})

    assert "Fly" == result["messages"][-1].text
    told = [record.getMessage() for record in caplog.records if record.name.startswith("runweaver")]
    assert 1 == len([line for line in told if "RunweaverCallbackHandler.on_chain_start" in line])
    assert not [line for line in told if "Oslo" in line]


def test_without_the_extra_a_sentence_says_what_to_install(pipeline: Pipeline) -> None:
    """It names the extra."""
    done = pipeline.run_program(without("langchain_core") + "import runweaver.producer.integrations.langchain")

    assert "pip install 'runweaver[langchain]'" in done.stderr.splitlines()[-1]
