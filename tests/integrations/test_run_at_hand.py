"""Agents of any framework take part in the run that their caller works for, and leave its end to the caller."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from agents import Agent as OpenAiAgent
from agents import RunConfig, Runner, function_tool, set_trace_processors
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from opentelemetry.sdk.trace import TracerProvider
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings

from runweaver.producer import Producer
from runweaver.producer.integrations.langchain import RunweaverCallbackHandler
from runweaver.producer.integrations.openai_agents import RunweaverTracingProcessor
from runweaver.producer.integrations.opentelemetry import RunweaverSpanProcessor
from tests.support.processes import Pipeline
from tests.support.scripted_chat import asks, says, scripted
from tests.support.scripted_openai import call, responses_model, text


def look(to: str) -> str:
    """Look for flights."""
    if to == "nowhere":
        raise LookupError("There is no such place")
    return f"3 flights to {to}"


def _pydantic_ai(producer: Producer, to: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(RunweaverSpanProcessor(producer))

    def model(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        is_new = not any(isinstance(message, ModelResponse) for message in messages)
        return ModelResponse([ToolCallPart("look", {"to": to}, "c1") if is_new else TextPart("Fly")])

    traced = Instrumentation(settings=InstrumentationSettings(tracer_provider=provider))
    agent = PydanticAgent(FunctionModel(model), name="helper", tools=[look], capabilities=[traced])
    asyncio.run(agent.run("Where to?"))


def _openai_agents(producer: Producer, to: str) -> None:
    set_trace_processors([RunweaverTracingProcessor(producer)])
    model = responses_model([call("look", f'{{"to": "{to}"}}', "c1")], [text("Fly")])
    agent = OpenAiAgent("helper", tools=[function_tool(look, failure_error_function=None)], model=model)
    try:
        asyncio.run(Runner.run(agent, "Where to?", run_config=RunConfig(workflow_name="Not mine")))
    finally:
        set_trace_processors([])


def _langgraph(producer: Producer, to: str) -> None:
    model = scripted(asks(("look", {"to": to}, "c1")), says("Fly")).bind_tools([tool(look)])
    graph = StateGraph(MessagesState)
    graph.add_node("helper", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([tool(look)], handle_tool_errors=False))
    graph.add_edge(START, "helper")
    graph.add_conditional_edges("helper", tools_condition)
    graph.add_edge("tools", "helper")
    compiled: Any = graph.compile()
    compiled.invoke({"messages": [HumanMessage("Where to?")]}, {"callbacks": [RunweaverCallbackHandler(producer)]})


_each_framework = pytest.mark.parametrize("agent", [_pydantic_ai, _openai_agents, _langgraph])


@_each_framework
def test_agents_take_part_in_the_run_at_hand(
    pipeline: Pipeline, producer: Producer, agent: Callable[[Producer, str], None]
) -> None:
    """Their steps are the run's, and two of them that call under one id stay apart. The caller goes on after them."""
    sent_before = producer.stats().taken_messages
    with producer.start_run("mine") as run:
        agent(producer, "Oslo")
        agent(producer, "Rome")
        run.record_outcome(run.quick_decision("Decide", "Go", node_id="caller"), success=True)

    summary = pipeline.summary(run.run_id)
    folded = pipeline.runs.get(run.run_id)

    assert folded is not None
    assert [
        ("helper", "Call look"),
        ("helper", "Answer"),
        ("helper", "Call look"),
        ("helper", "Answer"),
        ("caller", "Decide"),
    ] == [(decision.node_id, decision.intent) for decision in folded.decisions]
    assert ["to Oslo", "to Rome"] == [
        str(decision.outcome.result)[-7:]
        for decision in folded.decisions
        if decision.intent == "Call look" and decision.outcome is not None
    ]
    assert ("completed", 0, []) == (summary.status, summary.completeness.missing, folded.problems)
    # All that this producer said was said in this run: there is no other.
    assert summary.completeness.received == producer.stats().taken_messages - sent_before


@_each_framework
def test_an_error_of_an_agent_is_for_its_caller(
    pipeline: Pipeline, producer: Producer, agent: Callable[[Producer, str], None]
) -> None:
    """Who may get over it: the run has not failed, and the problem is no critical one."""
    with producer.start_run("mine") as run, pytest.raises(Exception, match="There is no such place"):
        agent(producer, "nowhere")

    summary = pipeline.summary(run.run_id)
    folded = pipeline.runs.get(run.run_id)

    assert folded is not None
    assert ("completed", 1) == (summary.status, summary.failed_decisions)
    assert {"warning"} == {problem.severity for problem in folded.problems}
