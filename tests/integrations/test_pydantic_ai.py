"""Agents of pydantic-ai report by the spans that it makes of itself."""

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    AgentRunResult,
    ApprovalRequired,
    DeferredToolRequests,
    DeferredToolResults,
    ModelRetry,
    RunContext,
    ToolApproved,
    ToolDenied,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

from runweaver.producer import Producer
from runweaver.producer.integrations.opentelemetry import RunweaverSpanProcessor
from runweaver.shared import Decision, DecisionType, Run, RunStatus
from tests.support.processes import Pipeline

Version = Literal[2, 3, 4, 5, 6]


class Traced:
    """Agents are instrumented, and the run of the last one of them can be read."""

    def __init__(self, pipeline: Pipeline, producer: Producer) -> None:
        self.pipeline = pipeline
        self.provider = TracerProvider()
        self.provider.add_span_processor(RunweaverSpanProcessor(producer))
        self.exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.instrument()

    def instrument(self, version: Version = 5, **settings: Any) -> None:
        """As somebody would once in the process."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that are going away
            Agent.instrument_all(InstrumentationSettings(tracer_provider=self.provider, version=version, **settings))

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def run(self) -> Run:
        """The run of the last agent that ended."""
        [root] = [span for span in self.spans() if span.parent is None][-1:]
        assert root.context is not None
        run_id = f"{root.context.trace_id:032x}"
        self.pipeline.summary(run_id)
        run = self.pipeline.runs.get(run_id)
        assert run is not None
        return run


@pytest.fixture
def traced(pipeline: Pipeline, producer: Producer) -> Iterator[Traced]:
    """Instrumented as long as the test goes on."""
    yield Traced(pipeline, producer)
    Agent.instrument_all(instrument=False)


def _scripted(*answers: list[Any]) -> FunctionModel:
    """A model that says one after the other."""

    def answer(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=answers[sum(isinstance(message, ModelResponse) for message in messages)])

    return FunctionModel(answer)


def _planner(*answers: list[Any]) -> Agent:
    agent = Agent(_scripted(*answers), name="planner")
    asked: list[str] = []

    @agent.tool_plain
    def search(to: str) -> str:
        """Look for flights."""
        asked.append(to)
        if to == "Nowhere":
            raise ModelRetry("Which one?")
        if to == "Moon":
            raise ValueError("No flights")
        return f"3 flights to {to}"

    @agent.tool_plain
    def book(seat: int) -> dict[str, int]:
        """Book one."""
        return {"seat": seat}

    return agent


def _search(to: str, call_id: str = "c1") -> ToolCallPart:
    return ToolCallPart("search", {"to": to}, call_id)


def _run(agent: Agent[Any, Any], prompt: str | None, **details: Any) -> AgentRunResult[Any]:
    return asyncio.run(agent.run(prompt, **details))


def _told(decision: Decision) -> tuple[str, str, bool]:
    return decision.id, decision.intent, decision.was_successful


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_an_agent_that_calls_a_tool_is_a_run(traced: Traced, version: Version) -> None:
    """In each version of what pydantic-ai tells."""
    traced.instrument(version)
    agent = _planner([ThinkingPart("It is cheap"), _search("Oslo")], [TextPart("Fly on Monday")])

    result = _run(agent, "Where to?")

    run = traced.run()
    search, answer = run.decisions
    assert ("planner", RunStatus.COMPLETED, run.id) == (run.goal_id, run.status, run.trace_id)
    assert ({"input": "Where to?"}, {"output": "Fly on Monday"}) == (run.input_data, run.output_data)
    assert ("c1", "planner", "Call search", "It is cheap", DecisionType.TOOL_SELECTION) == (
        search.id,
        search.node_id,
        search.intent,
        search.reasoning,
        search.decision_type,
    )
    assert ["search", "book"] == [option.id for option in search.options]
    assert search.chosen_option is not None
    assert ("Look for flights.", {"to": "Oslo"}) == (
        search.chosen_option.description,
        search.chosen_option.action_params,
    )
    assert search.outcome is not None
    assert "3 flights to Oslo" == search.outcome.result
    assert ("Answer", True) == (answer.intent, answer.was_successful)
    assert answer.chosen_option is not None
    assert "Fly on Monday" == answer.chosen_option.description
    assert result.usage.total_tokens == run.metrics.total_tokens > 0
    assert [] == run.problems


@pytest.mark.parametrize("version", [2, 5, 6])
def test_without_content_it_is_known_what_was_called(traced: Traced, version: Version) -> None:
    """Names, options, tokens, what failed with which error; nothing that anybody said."""
    traced.instrument(version, include_content=False)
    agent = _planner([ThinkingPart("Secret"), _search("Nowhere")], [_search("Secret", "c2")], [TextPart("Secret")])

    _run(agent, "Secret")

    run = traced.run()
    first, second, answer = run.decisions
    assert [("c1", "Call search", False), ("c2", "Call search", True)] == [_told(first), _told(second)]
    assert first.outcome is not None
    assert "ToolRetryError" == first.outcome.error
    assert ["search", "book"] == [option.id for option in second.options]
    assert ("Answer", True) == (answer.intent, answer.was_successful)
    assert run.metrics.total_tokens > 0
    assert "Secret" not in run.model_dump_json()


def test_a_tool_that_asks_for_another_try_has_failed(traced: Traced) -> None:
    """And is called again: another decision."""
    agent = _planner([_search("Nowhere")], [_search("Oslo", "c2")], [TextPart("Done")])

    _run(agent, "Where to?")

    run = traced.run()
    assert [("c1", "Call search", False), ("c2", "Call search", True), (run.decisions[2].id, "Answer", True)] == [
        _told(decision) for decision in run.decisions
    ]
    assert run.decisions[0].outcome is not None
    assert "ToolRetryError: Which one?" == run.decisions[0].outcome.error
    assert RunStatus.COMPLETED == run.status


def test_arguments_that_do_not_fit_are_a_failure(traced: Traced) -> None:
    """The tool has not even been called."""
    agent = _planner([ToolCallPart("book", {"seat": "window"}, "c1")], [TextPart("Sorry")])

    _run(agent, "Book")

    book, _ = traced.run().decisions
    assert ("c1", "Call book", False) == _told(book)


def test_an_exception_fails_the_run(traced: Traced) -> None:
    """The tool's decision has it, and the run as its problem."""
    agent = _planner([_search("Moon")])

    with pytest.raises(ValueError, match="No flights"):
        _run(agent, "To the moon")

    run = traced.run()
    [search] = run.decisions
    assert RunStatus.FAILED == run.status
    assert search.outcome is not None
    assert "ValueError: No flights" == search.outcome.error
    assert [("critical", "ValueError: No flights")] == [
        (problem.severity, problem.description) for problem in run.problems
    ]
    assert {"input": "To the moon"} == run.input_data


def test_a_model_that_fails_is_a_failure(traced: Traced) -> None:
    """What it was asked is known nevertheless."""

    def refuse(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        raise RuntimeError("429 Too many requests")

    with pytest.raises(RuntimeError):
        _run(Agent(FunctionModel(refuse), name="planner"), "Hello")

    run = traced.run()
    assert ["✗ [planner] Ask the model → Ask the model"] == [each.summary_for_builder() for each in run.decisions]
    assert (RunStatus.FAILED, 1) == (run.status, len(run.problems))


def test_an_agent_that_is_a_tool_is_delegation(traced: Traced) -> None:
    """Its steps are part of the run, at a node of their own, and an edge leads there."""
    expert = Agent(TestModel(call_tools=["prices"]), name="expert")

    @expert.tool_plain
    def prices() -> list[int]:
        return [90]

    agent = _planner(
        [ToolCallPart("ask_expert", {"question": "Cheap?"}, "c1"), _search("Oslo", "c2")], [TextPart("Go")]
    )

    @agent.tool
    async def ask_expert(_context: RunContext, question: str) -> str:
        return (await expert.run(question)).output

    _run(agent, "Where to?")

    run = traced.run()
    by_id = {decision.id: decision for decision in run.decisions}
    assert ("planner", "Hand over to ask_expert", DecisionType.DELEGATION, True) == (
        by_id["c1"].node_id,
        by_id["c1"].intent,
        by_id["c1"].decision_type,
        by_id["c1"].was_successful,
    )
    assert ["search", "book", "ask_expert"] == sorted(
        (option.id for option in by_id["c1"].options), key=["search", "book", "ask_expert"].index
    )
    assert DecisionType.TOOL_SELECTION == by_id["c2"].decision_type
    inner = [decision for decision in run.decisions if decision.node_id == "expert"]
    assert ["Call prices", "Answer"] == [decision.intent for decision in inner]
    assert ["planner->expert"] == run.metrics.edges_traversed
    assert 5 == len(run.decisions)


def test_a_stream_is_a_run(traced: Traced) -> None:
    """As soon as it has been read to its end."""
    agent = Agent(TestModel(call_tools=["search"]), name="streamer")

    @agent.tool_plain
    def search(to: str) -> str:
        return f"3 flights to {to}"

    async def stream() -> str:
        async with agent.run_stream("Where to?") as result:
            return [text async for text in result.stream_text(debounce_by=None)][-1]

    said = asyncio.run(stream())

    run = traced.run()
    assert [("Call search", True), ("Answer", True)] == [_told(decision)[1:] for decision in run.decisions]
    assert (RunStatus.COMPLETED, "streamer") == (run.status, run.goal_id)
    assert said
    assert run.metrics.total_tokens > 0


def test_structured_output_is_a_call_with_an_outcome(traced: Traced) -> None:
    """No tool runs, but what the model is told shows whether it was right."""

    class Trip(BaseModel):
        nights: int

    agent = Agent(
        _scripted(
            [ToolCallPart("final_result", {"nights": "many"}, "c1")],
            [ToolCallPart("final_result", {"nights": 3}, "c2")],
        ),
        name="planner",
        output_type=Trip,
    )

    _run(agent, "How long?")

    run = traced.run()
    assert [("c1", "Call final_result", False), ("c2", "Call final_result", True)] == [
        _told(decision) for decision in run.decisions
    ]
    assert run.decisions[0].outcome is not None
    assert (run.decisions[0].outcome.error or "").startswith("nights: Input should be a valid integer")
    assert {"output": {"nights": 3}} == run.output_data


@pytest.mark.parametrize("version", [2, 5])
def test_a_tool_that_waits_for_approval_is_open(traced: Traced, version: Version) -> None:
    """It has not failed. Carried out, it is a decision of the run that goes on with it."""
    traced.instrument(version)
    agent = Agent(TestModel(), name="planner", output_type=[str, DeferredToolRequests])

    @agent.tool
    def pay(context: RunContext, amount: int) -> str:
        if not context.tool_call_approved:
            raise ApprovalRequired
        return f"Paid {amount}"

    asked = _run(agent, "Pay")
    first = traced.run()
    approvals: dict[str, bool | ToolApproved | ToolDenied] = {
        call.tool_call_id: True for call in asked.output.approvals
    }
    _run(
        agent,
        None,
        message_history=asked.all_messages(),
        deferred_tool_results=DeferredToolResults(approvals=approvals),
    )
    second = traced.run()

    assert [("Call pay", None)] == [(decision.intent, decision.outcome) for decision in first.decisions]
    assert [("Call pay", True), ("Answer", True)] == [_told(decision)[1:] for decision in second.decisions]
    assert RunStatus.COMPLETED == first.status == second.status


def test_a_conversation_goes_on_in_another_run(traced: Traced) -> None:
    """Its input is what was said now, not what had been said before."""
    agent = Agent(TestModel(custom_output_text="Fine"), name="talker")
    before = _run(agent, "How are you?")
    _run(agent, "And now?", message_history=before.all_messages())

    run = traced.run()

    assert ({"input": "And now?"}, 1) == (run.input_data, len(run.decisions))


def test_agents_at_once_do_not_mix(traced: Traced) -> None:
    """The ids of a test model's calls are the same in each of them."""

    async def all_at_once() -> None:
        await asyncio.gather(*(_planner([_search(city)], [TextPart(city)]).run(city) for city in ("Oslo", "Rome")))

    asyncio.run(all_at_once())

    roots = [span for span in traced.spans() if span.parent is None]
    for root in roots:
        assert root.context is not None
        run_id = f"{root.context.trace_id:032x}"
        traced.pipeline.summary(run_id)
        run = traced.pipeline.runs.get(run_id)
        assert run is not None
        city = run.input_data["input"]
        assert run.decisions[0].outcome is not None
        assert (f"3 flights to {city}", {"output": city}) == (run.decisions[0].outcome.result, run.output_data)
    assert 2 == len(roots)
