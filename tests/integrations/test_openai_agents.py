"""Agents of the OpenAI Agents SDK report in through its tracing. Its own models run, with a script for a network."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRetrySettings,
    ModelSettings,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    Runner,
    custom_span,
    function_tool,
    gen_trace_id,
    input_guardrail,
    output_guardrail,
    retry_policies,
    set_trace_processors,
    trace,
)
from agents.exceptions import UserError
from openai import RateLimitError

from runweaver.producer import Producer
from runweaver.producer.integrations.openai_agents import RunweaverTracingProcessor
from runweaver.shared import Decision, DecisionType, Run
from tests.support.missing import without
from tests.support.processes import Pipeline
from tests.support.scripted_openai import SilentModel, call, chat_model, responses_model, text, thought

Told = Callable[..., Run]


@function_tool
def search(to: str) -> dict[str, Any]:
    """Look for flights."""
    return {"to": to, "flights": 3}


def _tell_the_model(_context: Any, error: Exception) -> str:
    return f"That did not work: {error}"


@function_tool(failure_error_function=_tell_the_model)
def book() -> str:
    """Book one."""
    raise ValueError("Sold out")


@function_tool(failure_error_function=None)
def pay() -> str:
    """Pay for it."""
    raise ValueError("No money")


@function_tool(needs_approval=True)
def refund() -> str:
    """Give money back."""
    return "Refunded"


@pytest.fixture
def processor(producer: Producer) -> Iterator[RunweaverTracingProcessor]:
    """The only processor: nothing goes to the network."""
    processor = RunweaverTracingProcessor(producer)
    set_trace_processors([processor])
    yield processor
    set_trace_processors([])


@pytest.fixture
def told(pipeline: Pipeline, processor: RunweaverTracingProcessor) -> Told:
    """Let an agent run, and get what its run says."""

    def tell(agent: Agent[Any], raises: type[Exception] | None = None, **config: Any) -> Run:
        trace_id = gen_trace_id()
        running = Runner.run(agent, "To Oslo", max_turns=4, run_config=RunConfig(trace_id=trace_id, **config))
        if raises is None:
            asyncio.run(running)
        else:
            with pytest.raises(raises):
                asyncio.run(running)
        assert not processor._runs
        return _run(pipeline, trace_id)

    return tell


def _run(pipeline: Pipeline, run_id: str) -> Run:
    pipeline.summary(run_id)
    run = pipeline.runs.get(run_id)
    assert run is not None
    return run


def _steps(run: Run) -> list[tuple[str, str, bool]]:
    return [(decision.node_id, decision.intent, decision.was_successful) for decision in run.decisions]


def _outcome(decision: Decision) -> tuple[bool, Any, str | None, float]:
    outcome = decision.outcome
    assert outcome is not None
    return outcome.success, outcome.result, outcome.error, outcome.tokens_used


def test_a_trace_is_a_run(told: Told, pipeline: Pipeline) -> None:
    """What the model asks for is decided, what tools give is the outcome, and the answer is the run's output."""
    model = responses_model([thought("It is cheap"), call("search", '{"to":"Oslo"}')], [text("Fly on Monday")])
    run = told(
        Agent("Planner", tools=[search, book], model=model),
        workflow_name="Trip planner!",
        group_id="chat 7",
        trace_metadata={"customer": 4},
    )

    assert ("Trip-planner", "Trip planner!", "completed") == (run.goal_id, run.goal_description, run.status)
    assert {"output": "Fly on Monday"} == run.output_data
    assert {"group_id": "chat 7", "metadata": {"customer": 4}} == run.input_data
    assert ("group:chat 7",) == tuple(pipeline.summary(run.id).tags)
    assert [("Planner", "Call search", True), ("Planner", "Answer", True)] == _steps(run)
    first, answer = run.decisions
    assert ("call-search", "It is cheap", DecisionType.TOOL_SELECTION) == (
        first.id,
        first.reasoning,
        first.decision_type,
    )
    assert [("search", "Look for flights"), ("book", "Book one")] == [
        (option.id, option.description.rstrip(".")) for option in first.options
    ]
    assert first.chosen_option is not None
    assert {"to": "Oslo"} == first.chosen_option.action_params
    assert (True, {"to": "Oslo", "flights": 3}, None, 30) == _outcome(first)
    assert (True, None, None, 30) == _outcome(answer)


def test_tools_fail_and_are_tried_again(told: Told) -> None:
    """An error that the model hears of is a failure of the tool, and not of the run."""
    model = responses_model([call("book")], [call("search", '{"to":"Oslo"}')], [text("Nothing to book")])

    run = told(Agent("Planner", tools=[search, book], model=model))

    assert [("Call book", False), ("Call search", True), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert "completed" == run.status
    assert (False, "That did not work: Sold out", "Sold out", 30) == _outcome(run.decisions[0])


def test_tools_called_at_once_get_their_own_outcomes(told: Told) -> None:
    """The span of a tool knows no id: its arguments tell which call it was."""

    @function_tool
    async def wait(turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return f"waited {turns}"

    calls = [call("wait", f'{{"turns":{turns}}}', f"c{turns}") for turns in (9, 1, 5)]

    run = told(Agent("Planner", tools=[wait], model=responses_model(calls, [text("Done")])))

    assert [("c9", "waited 9"), ("c1", "waited 1"), ("c5", "waited 5")] == [
        (decision.id, _outcome(decision)[1]) for decision in run.decisions[:3]
    ]
    assert [30, 0, 0, 30] == [_outcome(decision)[3] for decision in run.decisions]


def test_a_handoff_is_delegation_and_an_edge(told: Told) -> None:
    """The agent that takes over is what was chosen, whatever the tool for it is called."""
    clerk = Agent("Refund clerk", handoff_description="Gives money back", model=responses_model([text("Refunded")]))
    triage = Agent(
        "Triage", handoffs=[clerk], tools=[search], model=responses_model([call("transfer_to_refund_clerk")])
    )

    run = told(triage)

    assert [("Triage", "Hand over to Refund clerk", True), ("Refund clerk", "Answer", True)] == _steps(run)
    assert DecisionType.DELEGATION == run.decisions[0].decision_type
    assert ["Refund clerk", "search"] == [option.id for option in run.decisions[0].options]
    assert ["Triage->Refund clerk"] == run.metrics.edges_traversed
    assert {"output": "Refunded"} == run.output_data


def test_of_two_handoffs_the_first_is_carried_out(told: Told) -> None:
    """The other one did not happen, and the run says so."""
    one, two = (Agent(name, model=responses_model([text(name)])) for name in ("one", "two"))
    triage = Agent(
        "Triage", handoffs=[one, two], model=responses_model([call("transfer_to_one"), call("transfer_to_two")])
    )

    run = told(triage)

    assert [("Hand over to one", True), ("Hand over to two", False), ("Answer", True)] == [
        step[1:] for step in _steps(run)
    ]
    assert ["minor"] == [problem.severity for problem in run.problems]


def test_an_agent_as_a_tool_is_another_node(told: Told) -> None:
    """Its steps stand under its name, and its caller waits for what it says."""
    helper = Agent(
        "Helper", tools=[search], model=responses_model([call("search", '{"to":"Rome"}')], [text("3 flights")])
    )
    tool = helper.as_tool("ask_helper", "Asks somebody")
    run = told(
        Agent("Planner", tools=[tool], model=responses_model([call("ask_helper", '{"input":"?"}')], [text("Fly")]))
    )

    assert [
        ("Planner", "Call ask_helper", True),
        ("Helper", "Call search", True),
        ("Helper", "Answer", True),
        ("Planner", "Answer", True),
    ] == _steps(run)
    assert "3 flights" == _outcome(run.decisions[0])[1]
    assert ["Planner->Helper"] == run.metrics.edges_traversed
    assert {"output": "Fly"} == run.output_data


def test_an_error_of_an_agent_as_a_tool_is_for_its_caller(told: Told) -> None:
    """The run goes on, with a warning."""
    helper = Agent("Helper", model=responses_model(429))
    tool = helper.as_tool("ask_helper", "Asks somebody")
    run = told(
        Agent("Planner", tools=[tool], model=responses_model([call("ask_helper", '{"input":"?"}')], [text("Alone")]))
    )

    assert ("completed", ["warning"]) == (run.status, [problem.severity for problem in run.problems])
    assert [False, False, True] == [decision.was_successful for decision in run.decisions]


@pytest.mark.parametrize("is_input", [True, False])
def test_a_guardrail_that_trips_ends_the_run(told: Told, is_input: bool) -> None:  # noqa: FBT001 - parametrized
    """The problem names it, once."""

    @input_guardrail
    async def no_insults(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    @output_guardrail
    async def no_promises(_context: Any, _agent: Any, _output: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    agent = Agent[Any]("Planner", model=responses_model([text("I promise")]))
    if is_input:
        agent.input_guardrails = [no_insults]
    else:
        agent.output_guardrails = [no_promises]

    run = told(agent, InputGuardrailTripwireTriggered if is_input else OutputGuardrailTripwireTriggered)

    name = "no_insults" if is_input else "no_promises"
    assert "failed" == run.status
    assert [("critical", f"Guardrail {name} stopped Planner")] == [
        (problem.severity, problem.description) for problem in run.problems
    ]
    assert {} == run.output_data


@pytest.mark.parametrize(
    ("steps", "raises", "problem", "last"),
    [
        ([[call("pay")]], UserError, "No money", "Call pay"),
        ([429], RateLimitError, "Too many requests", "Ask the model"),
        ([[call("fly")]], ModelBehaviorError, "Planner: Tool not found: tool_name fly", "Call fly"),
        ([[call("search", '{"to":"X"}')]] * 4, MaxTurnsExceeded, "Planner: Max turns exceeded", "Call search"),
    ],
)
def test_an_error_that_ends_an_agent_fails_the_run(
    told: Told, steps: list[Any], raises: type[Exception], problem: str, last: str
) -> None:
    """A problem says why."""
    run = told(Agent("Planner", tools=[search, pay], model=responses_model(*steps)), raises)

    assert "failed" == run.status
    assert ["critical"] == [problem.severity for problem in run.problems]
    assert problem in run.problems[0].description
    assert last == run.decisions[-1].intent
    assert run.metrics.pending_decisions == 0


def test_streaming_tells_the_same(pipeline: Pipeline, processor: RunweaverTracingProcessor) -> None:
    """The trace ends when the stream does."""
    model = responses_model([call("search", '{"to":"Oslo"}')], [text("Fly")])
    trace_id = gen_trace_id()

    async def stream() -> None:
        config = RunConfig(trace_id=trace_id)
        running = Runner.run_streamed(Agent("Planner", tools=[search], model=model), "To Oslo", run_config=config)
        async for _ in running.stream_events():
            pass

    asyncio.run(stream())

    run = _run(pipeline, trace_id)
    assert [("Planner", "Call search", True), ("Planner", "Answer", True)] == _steps(run)
    assert [30, 30] == [_outcome(decision)[3] for decision in run.decisions]
    assert not processor._runs


def test_chat_completions_tell_the_same(told: Told) -> None:
    """Their spans do not say what was on offer; the agent's does, by name."""
    asked = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"to":"Oslo"}'}}
    model = chat_model({"tool_calls": [asked], "reasoning_content": "It is cheap"}, {"content": "Fly"})

    run = told(Agent("Planner", tools=[search, book], model=model))

    first, answer = run.decisions
    assert ("c1", "It is cheap", ["search", "book"]) == (
        first.id,
        first.reasoning,
        [option.id for option in first.options],
    )
    assert [30, 30] == [_outcome(decision)[3] for decision in (first, answer)]
    assert {"output": "Fly"} == run.output_data


def test_what_the_provider_did_by_itself_is_told_too(told: Told) -> None:
    """No span tells of such tools: their results come with the answer."""
    looked = {
        "type": "web_search_call",
        "id": "ws",
        "status": "completed",
        "action": {"type": "search", "query": "Oslo"},
    }
    ran = {
        "type": "mcp_call",
        "id": "mcp",
        "name": "weather",
        "server_label": "there",
        "arguments": '{"city":"Oslo"}',
        "error": "No such city",
    }

    run = told(Agent("Planner", model=responses_model([looked, ran, text("Rain")])))

    assert [("Call web_search", True), ("Call weather", False), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert "No such city" == _outcome(run.decisions[1])[2]
    assert [30, 0, 0] == [_outcome(decision)[3] for decision in run.decisions]


def test_a_model_that_is_asked_again_is_a_failure_and_an_answer(told: Told) -> None:
    """The SDK retries by itself where the agent's settings say so."""
    policies = retry_policies.http_status([503])
    settings = ModelSettings(retry=ModelRetrySettings(max_retries=1, backoff={"initial_delay": 0}, policy=policies))

    run = told(Agent("Planner", model=responses_model(503, [text("Fly")]), model_settings=settings))

    assert [("Ask the model", False), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert ("completed", []) == (run.status, run.problems)


@pytest.mark.parametrize("odd", [b"\xff\x00", object(), {1: {2}}, float("nan"), "x" * 3_000_000, None, [[]]])
def test_whatever_a_tool_gives_back_is_told(told: Told, odd: Any) -> None:
    """The run has an outcome, at worst without the value."""

    @function_tool
    def strange() -> Any:
        return odd

    run = told(Agent("Planner", tools=[strange], model=responses_model([call("strange")], [text("Odd")])))

    assert [("Call strange", True), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert "completed" == run.status


@pytest.mark.parametrize("is_silent", [True, False])
def test_without_content_it_is_told_what_was_called(told: Told, is_silent: bool) -> None:  # noqa: FBT001 - parametrized
    """Neither arguments nor results leave; errors, durations and the course of the run do, and tokens if known."""
    steps = [call("search", '{"to":"Oslo"}'), call("book")], [text("Fly")]
    model = SilentModel(*steps, has_spans=True) if is_silent else responses_model(*steps)

    run = told(Agent("Planner", tools=[search, book], model=model), trace_include_sensitive_data=False)

    assert [("Call search", True), ("Call book", False), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert ["search", "book"] == [option.id for option in run.decisions[0].options]
    assert "Oslo" not in run.model_dump_json()
    assert ("completed", {}) == (run.status, run.output_data)
    assert ([0, 0, 0] if is_silent else [30, 0, 30]) == [_outcome(decision)[3] for decision in run.decisions]


def test_a_model_without_spans_is_told_by_its_turns(told: Told) -> None:
    """A turn tells what it cost, once its tools are told; an answer follows from there being none."""
    model = SilentModel([call("search", '{"to":"Oslo"}')], [text("Fly")], has_spans=False)

    run = told(Agent("Planner", tools=[search], model=model))

    assert [("Call search", True), ("Answer", True)] == [step[1:] for step in _steps(run)]
    assert run.metrics.total_tokens == 60


@pytest.mark.usefixtures("processor")
def test_several_agents_in_one_trace(pipeline: Pipeline) -> None:
    """One after the other they are an edge. An error that somebody caught is a warning."""
    failing, spare = Agent("First", model=responses_model(500)), Agent("Spare", model=responses_model([text("Fly")]))

    async def work() -> str:
        with trace("Two tries") as outer, custom_span("mine"):
            try:
                await Runner.run(failing, "To Oslo")
            except Exception:  # noqa: BLE001 - whatever it is
                await Runner.run(spare, "To Oslo")
        return outer.trace_id

    run = _run(pipeline, asyncio.run(work()))

    assert ("Two-tries", "completed") == (run.goal_id, run.status)
    assert ["warning"] == [problem.severity for problem in run.problems]
    assert ["First->Spare"] == run.metrics.edges_traversed


@pytest.mark.usefixtures("processor")
def test_an_exception_between_agents_fails_the_run(pipeline: Pipeline) -> None:
    """It leaves the trace's block: no span tells of it. One that is handled around the whole trace does not count."""
    ids = []

    async def work(then: Callable[[], None]) -> None:
        with trace("Work") as outer:
            ids.append(outer.trace_id)
            await Runner.run(Agent("Planner", model=responses_model([text("Fly")])), "To Oslo")
            then()

    def fail() -> None:
        raise ValueError("No budget")

    def stop() -> None:
        raise asyncio.CancelledError

    try:
        asyncio.run(work(fail))
    except ValueError:
        asyncio.run(work(lambda: None))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work(stop))

    failed, completed, cancelled = (_run(pipeline, run_id) for run_id in ids)
    assert ["failed", "completed", "cancelled"] == [failed.status, completed.status, cancelled.status]
    assert ["ValueError: No budget"] == [problem.description for problem in failed.problems]


def test_a_tool_that_waits_for_approval_keeps_the_run_open(
    pipeline: Pipeline, processor: RunweaverTracingProcessor
) -> None:
    """It ends when the agent went on, and the call has one outcome."""
    trace_id = gen_trace_id()
    agent = Agent("Clerk", tools=[refund], model=responses_model([call("refund")], [text("Done")]))

    async def work() -> None:
        result = await Runner.run(agent, "Refund", run_config=RunConfig(trace_id=trace_id))
        assert [trace_id] == list(processor._runs)
        state = result.to_state()
        state.approve(result.interruptions[0])
        await Runner.run(agent, state)

    asyncio.run(work())

    run = _run(pipeline, trace_id)
    assert [("Clerk", "Call refund", True), ("Clerk", "Answer", True)] == _steps(run)
    assert "Refunded" == _outcome(run.decisions[0])[1]
    assert ("completed", {"output": "Done"}) == (run.status, run.output_data)
    assert not processor._runs


def test_another_process_may_go_on_after_an_approval(pipeline: Pipeline, producer: Producer) -> None:
    """It joins the run, and ends it. It does not know the call, so what came of that is a decision of its own."""
    trace_id = gen_trace_id()
    agent = Agent("Clerk", tools=[refund], model=responses_model([call("refund")], [text("Done")]))

    async def work() -> None:
        set_trace_processors([RunweaverTracingProcessor(producer)])
        result = await Runner.run(agent, "Refund", run_config=RunConfig(trace_id=trace_id))
        state = result.to_state()
        state.approve(result.interruptions[0])
        set_trace_processors([RunweaverTracingProcessor(producer)])
        await Runner.run(agent, state)

    asyncio.run(work())
    set_trace_processors([])

    run = _run(pipeline, trace_id)
    assert ("completed", {"output": "Done"}, 1) == (run.status, run.output_data, run.metrics.pending_decisions)
    assert [("Call refund", False), ("Call refund", True), ("Answer", True)] == [step[1:] for step in _steps(run)]


@pytest.mark.usefixtures("processor")
def test_several_runs_at_once_do_not_mix(pipeline: Pipeline) -> None:
    """Each trace has its own run, also in threads."""
    ids = [gen_trace_id() for _ in range(8)]

    def work(number: int, trace_id: str) -> None:
        model = responses_model([call("search", f'{{"to":"{number}"}}')], [text(str(number))])
        agent = Agent(f"Planner {number}", tools=[search], model=model)
        asyncio.run(Runner.run(agent, "Go", run_config=RunConfig(trace_id=trace_id)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(len(ids)), ids))

    for number, trace_id in enumerate(ids):
        run = _run(pipeline, trace_id)
        name = f"Planner {number}"
        assert [(name, "Call search", True), (name, "Answer", True)] == _steps(run)
        assert {"output": str(number)} == run.output_data


def test_of_too_many_open_traces_the_first_is_left(pipeline: Pipeline, producer: Producer) -> None:
    """What comes of it later still gets there, and ends it."""
    processor = RunweaverTracingProcessor(producer, max_open_runs=1)
    set_trace_processors([processor])
    agent = Agent("Planner", model=responses_model([text("Fly")]))

    async def work() -> str:
        with trace("First") as first:
            trace("Second").start()
            assert 1 == len(processor._runs)
            await Runner.run(agent, "To Oslo")
        return first.trace_id

    try:
        run = _run(pipeline, asyncio.run(work()))
    finally:
        set_trace_processors([])

    assert ("First", "completed", [("Planner", "Answer", True)]) == (run.goal_id, run.status, _steps(run))


def test_an_agent_does_not_notice_errors_of_its_processor(
    caplog: pytest.LogCaptureFixture, processor: RunweaverTracingProcessor
) -> None:
    """They are logged once in a while, without what the agent was asked."""
    broken: Any = None
    processor._producer = broken  # every hook fails

    result = asyncio.run(Runner.run(Agent("Planner", model=responses_model([text("Fly")])), "To Oslo"))

    assert "Fly" == result.final_output
    told = [record.getMessage() for record in caplog.records if record.name.startswith("runweaver")]
    assert 1 == len([line for line in told if "RunweaverTracingProcessor.on_span_start" in line])
    assert not [line for line in told if "Oslo" in line]


def test_its_own_producer_is_flushed_and_closed(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """`shutdown`, which the SDK calls when the process ends, waits until everything is there."""
    monkeypatch.setenv("RUNWEAVER_REDIS_URL", pipeline.url)
    monkeypatch.setenv("RUNWEAVER_NAMESPACE", pipeline.namespace)
    processor = RunweaverTracingProcessor()
    set_trace_processors([processor])
    asyncio.run(Runner.run(Agent("Planner", model=responses_model([text("Fly")])), "To Oslo"))

    processor.force_flush()
    assert 0 == processor._producer.stats().buffered_messages
    processor.shutdown(timeout=2.0)
    set_trace_processors([])

    assert processor._producer.dropped == 0


def test_without_the_extra_a_sentence_says_what_to_install(pipeline: Pipeline) -> None:
    """It names the extra."""
    done = pipeline.run_program(without("agents") + "import runweaver.producer.integrations.openai_agents")

    assert "pip install 'runweaver[openai-agents]'" in done.stderr.splitlines()[-1]
