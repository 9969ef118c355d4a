"""Spans by OpenTelemetry's GenAI conventions become runs, made by hand here and run through the real SDK."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from runweaver.producer import Producer
from runweaver.producer.integrations.opentelemetry import RunweaverSpanProcessor
from runweaver.shared import Decision, DecisionType, ProducerSettings, Run, RunStatus
from tests.support.processes import Pipeline

_TOOLS = json.dumps(
    [
        {"type": "function", "name": "search", "description": "Look for flights"},
        {"type": "function", "name": "book", "description": "Book one"},
    ]
)


class Tracing:
    """A provider with our processor, and what became of its spans."""

    def __init__(self, pipeline: Pipeline, producer: Producer, **settings: Any) -> None:
        self.pipeline = pipeline
        self.processor = RunweaverSpanProcessor(producer, **settings)
        self.provider = TracerProvider()
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("test")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Any] | None = None, **details: Any) -> Iterator[Span]:
        """A span that is the current one."""
        with self.tracer.start_as_current_span(name, attributes=attributes, **details) as span:
            assert isinstance(span, Span)
            yield span

    @contextmanager
    def agent(self, name: str = "planner", /, **attributes: Any) -> Iterator[Span]:
        """An agent's."""
        given = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, **_dotted(attributes)}
        with self.span(f"invoke_agent {name}", given) as span:
            yield span

    def chat(self, *parts: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> None:
        """A model's, that says these parts."""
        given = {
            "gen_ai.operation.name": "chat",
            "gen_ai.tool.definitions": _TOOLS,
            "gen_ai.usage.input_tokens": 50,
            "gen_ai.usage.output_tokens": 20,
        }
        if parts:
            given["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "parts": parts}])
        with self.span("chat model", {**given, **(attributes or {})}):
            pass

    @contextmanager
    def tool(self, name: str, call_id: str = "", **attributes: Any) -> Iterator[Span]:
        """A tool's."""
        given = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **_dotted(attributes)}
        with self.span(f"execute_tool {name}", given | ({"gen_ai.tool.call.id": call_id} if call_id else {})) as span:
            yield span

    def run(self, root: Span | str) -> Run:
        """The run that a span has become, as soon as it is summarised."""
        run_id = root if isinstance(root, str) else _id(root)
        self.pipeline.summary(run_id)
        run = self.pipeline.runs.get(run_id)
        assert run is not None
        return run


@pytest.fixture
def tracing(pipeline: Pipeline, producer: Producer) -> Tracing:
    """For the pipeline that is always running."""
    return Tracing(pipeline, producer)


def _dotted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"gen_ai.{name.replace('__', '.')}": value for name, value in attributes.items()}


def _id(span: Span) -> str:
    """The id of the run that a span is."""
    trace_id = f"{span.context.trace_id:032x}"
    return trace_id if span.parent is None else f"{trace_id}-{span.context.span_id:016x}"


def _call(call_id: str, name: str = "search", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def _briefly(run: Run) -> list[tuple[str, str, bool, int]]:
    """Of each decision: its node, its intent, whether it succeeded and what it cost."""
    return [(each.node_id, each.intent, each.was_successful, _tokens(each)) for each in run.decisions]


def _tokens(decision: Decision) -> int:
    return decision.outcome.tokens_used if decision.outcome is not None else -1


def test_an_agents_span_is_a_run(tracing: Tracing) -> None:
    """What its model asks for is a decision, what a tool gives is its outcome, and the times are those of the spans."""
    with tracing.agent(input__messages=json.dumps([{"role": "user", "parts": [_text("Where to?")]}])) as root:
        tracing.chat({"type": "reasoning", "content": "It is cheap"}, _call("c1", to="Oslo"))
        with tracing.tool("search", "c1", tool__call__result='{"flights": 3}') as tool:
            pass
        tracing.chat(_text("Fly on Monday"))
        root.set_attribute("gen_ai.output.messages", json.dumps([{"role": "assistant", "parts": [_text("Monday")]}]))

    run = tracing.run(root)
    search, answer = run.decisions
    assert ("planner", "planner", RunStatus.COMPLETED) == (run.goal_id, run.goal_description, run.status)
    assert (f"{root.context.trace_id:032x}", f"{root.context.span_id:016x}") == (run.trace_id, run.span_id)
    assert ({"input": "Where to?"}, {"output": "Monday"}) == (run.input_data, run.output_data)
    assert ("c1", "planner", "Call search", "It is cheap", DecisionType.TOOL_SELECTION) == (
        search.id,
        search.node_id,
        search.intent,
        search.reasoning,
        search.decision_type,
    )
    assert ["search", "book"] == [option.id for option in search.options]
    assert search.chosen_option is not None
    assert {"to": "Oslo"} == search.chosen_option.action_params
    assert search.outcome is not None
    assert ({"flights": 3}, 70) == (search.outcome.result, search.outcome.tokens_used)
    assert _time(tool.end_time) == search.outcome.timestamp
    assert ("Answer", True, 70) == (answer.intent, answer.was_successful, _tokens(answer))
    assert _time(root.end_time) == run.completed_at
    assert _time(root.start_time) - run.started_at <= timedelta(microseconds=1)
    assert (0, []) == (run.metrics.pending_decisions, run.unmatched_outcomes)


def _time(nanoseconds: int | None) -> datetime:
    assert nanoseconds is not None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)


def test_without_messages_tools_are_decisions(tracing: Tracing) -> None:
    """Content is opt-in: names, what was on offer, tokens and errors are told nevertheless."""
    with tracing.agent() as root:
        tracing.chat()
        with tracing.tool("search", "c1"):
            pass
        tracing.chat()
        with tracing.tool("book", "c2", error__type="x") as book:
            book.set_attribute("error.type", "SoldOutError")
            book.set_status(Status(StatusCode.ERROR))
        tracing.chat()

    run = tracing.run(root)
    assert [
        ("planner", "Call search", True, 70),
        ("planner", "Call book", False, 70),
        ("planner", "Answer", True, 70),
    ] == _briefly(run)
    assert ["c1", "c2"] == [decision.id for decision in run.decisions[:2]]
    assert ["search", "book"] == [option.id for option in run.decisions[0].options]
    assert run.decisions[1].outcome is not None
    assert "SoldOutError" == run.decisions[1].outcome.error
    assert ({}, {}) == (run.input_data, run.output_data)


def test_a_model_that_calls_nothing_known_keeps_its_tokens(tracing: Tracing) -> None:
    """Two answers in a row that do not say what they are: the last one is the agent's answer, and nothing is lost."""
    with tracing.agent() as root:
        tracing.chat()
        tracing.chat()
        with tracing.tool("search", "c1"):
            pass
        tracing.chat()

    assert 210 == tracing.run(root).metrics.total_tokens


def test_a_tool_without_a_span_has_its_outcome_from_the_messages(tracing: Tracing) -> None:
    """Where only the model's client is instrumented: what came back stands in what the model is told next."""
    with tracing.agent() as root:
        tracing.chat(_call("c1"), _call("c2", "book"))
        told = [
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": "3 flights"}]},
            {"role": "tool", "content": "Booked", "tool_call_id": "c2"},
        ]
        tracing.chat(_text("Done"), attributes={"gen_ai.input.messages": json.dumps(told)})

    run = tracing.run(root)
    assert [("c1", "3 flights"), ("c2", "Booked")] == [
        (each.id, each.outcome.result if each.outcome else None) for each in run.decisions[:2]
    ]
    assert 3 == run.metrics.successful_decisions


def test_what_ends_inside_of_a_model_belongs_to_its_calls(tracing: Tracing) -> None:
    """Children end first. The tool's result waits for the decision that it is the outcome of."""
    with tracing.agent() as root:
        messages = json.dumps([{"role": "assistant", "parts": [_call("c1")]}])
        with (
            tracing.span(
                "generate_content model",
                {
                    "gen_ai.operation.name": "generate_content",
                    "gen_ai.output.messages": messages,
                    "gen_ai.usage.input_tokens": 9,
                },
            ),
            tracing.tool("search", "c1"),
        ):
            pass

    run = tracing.run(root)
    assert [("planner", "Call search", True, 9)] == _briefly(run)
    assert [] == run.unmatched_outcomes


_OLDER: dict[str, dict[str, Any]] = {
    "before input_tokens": {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.usage.prompt_tokens": 50,
        "gen_ai.usage.completion_tokens": 20,
        "gen_ai.completion": json.dumps(
            [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "function": {"name": "search", "arguments": '{"to": "Oslo"}'}}],
                }
            ]
        ),
        "gen_ai.request.tools": json.dumps([{"type": "function", "function": {"name": "search"}}, {"name": "book"}]),
    },
    "OpenLLMetry": {
        "llm.request.type": "chat",
        "llm.usage.total_tokens": 70,
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "search",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"to": "Oslo"}',
        "gen_ai.prompt.name": "the name of a prompt",
        "llm.request.functions.0.name": "search",
        "llm.request.functions.1.name": "book",
    },
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 50,
        "llm.token_count.completion": 20,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "search",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"to": "Oslo"}',
        "llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "search"}}',
        "llm.tools.1.tool.name": "book",
    },
    "a list of events": {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.output_tokens": 20,
        "events": json.dumps(
            [
                {"event.name": "gen_ai.user.message", "role": "user", "content": "Where to?"},
                {
                    "event.name": "gen_ai.choice",
                    "message": {
                        "role": "assistant",
                        "tool_calls": [{"id": "c1", "function": {"name": "search", "arguments": {"to": "Oslo"}}}],
                    },
                },
            ]
        ),
        "model_request_parameters": json.dumps({"function_tools": [{"name": "search"}, {"name": "book"}]}),
    },
}


@pytest.mark.parametrize("attributes", _OLDER.values(), ids=_OLDER)
def test_older_names_and_others_are_known(tracing: Tracing, attributes: dict[str, Any]) -> None:
    """The same decision, whatever its attributes are called."""
    with tracing.agent() as root:
        with tracing.span("openai.chat", attributes):
            pass
        with tracing.span("running tool", {"gen_ai.tool.name": "search", "tool_response": "3 flights"}):
            pass

    run = tracing.run(root)
    assert [("planner", "Call search", True, 70)] == _briefly(run)
    [search] = run.decisions
    assert ("c1", ["search", "book"]) == (search.id, [option.id for option in search.options])
    assert search.chosen_option is not None
    assert {"to": "Oslo"} == search.chosen_option.action_params
    assert search.outcome is not None
    assert "3 flights" == search.outcome.result


@pytest.mark.parametrize(
    ("event", "attributes"),
    [
        ("gen_ai.choice", {"message": '{"content": "Fly on Monday"}', "finish_reason": "stop"}),
        ("gen_ai.choice", {"message": "Fly on Monday"}),
        ("gen_ai.content.completion", {"gen_ai.completion": '[{"role": "assistant", "content": "Fly on Monday"}]'}),
        (
            "gen_ai.client.inference.operation.details",
            {"gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "text": "Fly on Monday"}]}]'},
        ),
    ],
)
def test_messages_may_be_events_of_the_span(tracing: Tracing, event: str, attributes: dict[str, str]) -> None:
    """As older conventions have it, and newer ones for those who want no attributes."""
    with tracing.agent() as root, tracing.span("chat model", {"gen_ai.operation.name": "chat"}) as chat:
        chat.add_event(event, attributes)

    [answer] = tracing.run(root).decisions
    assert answer.chosen_option is not None
    assert ("Answer", "Fly on Monday") == (answer.intent, answer.chosen_option.description)


def test_agents_of_older_releases_of_pydantic_ai_are_known(tracing: Tracing) -> None:
    """Their names for agents' spans, and for what was said in them."""
    events = [
        {"event.name": "gen_ai.system.message", "role": "system", "content": "Be brief"},
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Where to?"},
        {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": "Oslo"}},
    ]
    attributes = {"agent_name": "planner", "all_messages_events": json.dumps(events), "final_result": "Oslo"}
    with tracing.span("agent run", attributes) as root:
        pass

    run = tracing.run(root)
    messages = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Where to?"}]
    assert ("planner", {"input": messages}, {"output": "Oslo"}) == (run.goal_id, run.input_data, run.output_data)
    assert [("planner", "Answer", True, 0)] == _briefly(run)


def test_kinds_of_other_conventions_are_known(tracing: Tracing) -> None:
    """What they call workflow, agent and tool, told when the span has already begun."""
    with tracing.span("trip.workflow") as root:
        root.set_attribute("traceloop.span.kind", "workflow")
        root.set_attribute("traceloop.entity.name", "trip")
        with tracing.span("some.task"), tracing.span("planner.agent") as agent:
            agent.set_attribute("traceloop.span.kind", "agent")
            agent.set_attribute("traceloop.entity.name", "planner")
            with tracing.span("search.tool") as tool:
                tool.set_attribute("traceloop.span.kind", "tool")
                tool.set_attribute("traceloop.entity.name", "search")
                tool.set_attribute("traceloop.entity.output", '"3 flights"')

    run = tracing.run(root)
    assert "trip" == run.goal_id
    assert {("planner", "Call search"), ("trip", "Hand over to planner")} == {
        (decision.node_id, decision.intent) for decision in run.decisions
    }
    assert ["trip->planner"] == run.metrics.edges_traversed


def test_what_is_known_only_at_the_end_is_a_run_too(tracing: Tracing) -> None:
    """Nothing inside of it: there was no sooner time to look."""
    with tracing.span("work") as root:
        root.set_attribute("openinference.span.kind", "AGENT")
        root.set_attribute("input.value", "Where to?")
        root.set_attribute("llm.token_count.total", 7)

    run = tracing.run(root)
    assert ("work", {"input": "Where to?"}, 7) == (run.goal_id, run.input_data, run.metrics.total_tokens)
    assert ({}, {}) == (tracing.processor._places, tracing.processor._runs)
    assert _time(root.start_time) - run.started_at <= timedelta(microseconds=1)


def test_a_workflow_hands_over_from_agent_to_agent(tracing: Tracing) -> None:
    """Each is a decision of the workflow; edges lead from one to the next."""
    workflow = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "Trip planner!"}
    with tracing.span("invoke_workflow", workflow) as root:
        with tracing.agent("research"):
            tracing.chat(_text("Oslo"))
        with tracing.agent("booking") as booking:
            tracing.chat(_text("Sold out"))
            booking.set_status(Status(StatusCode.ERROR, "SoldOutError: none left"))

    run = tracing.run(root)
    assert ("Trip-planner", "Trip planner!", RunStatus.COMPLETED) == (run.goal_id, run.goal_description, run.status)
    assert {
        ("Trip planner!", "Hand over to research", True, 0),
        ("research", "Answer", True, 70),
        ("Trip planner!", "Hand over to booking", False, 0),
        ("booking", "Answer", True, 70),
    } == set(_briefly(run))
    assert {DecisionType.DELEGATION} == {each.decision_type for each in run.decisions if "Hand" in each.intent}
    assert ["Trip planner!->research", "research->booking"] == run.metrics.edges_traversed
    assert 0 == run.metrics.pending_decisions


def test_agents_without_spans_are_nodes(tracing: Tracing) -> None:
    """Where models and tools of a workflow say whose they are."""
    with tracing.span("invoke_workflow trip") as root:
        for agent, call_id in (("research", "c1"), ("booking", "c2")):
            tracing.chat(_call(call_id), attributes={"gen_ai.agent.name": agent})
            with tracing.tool("search", call_id):
                pass
        with tracing.tool("book", agent__name="booking"):
            pass

    run = tracing.run(root)
    assert ["research", "booking", "booking"] == [decision.node_id for decision in run.decisions]
    assert 3 == run.metrics.successful_decisions


def test_an_agent_that_is_asked_comes_back(tracing: Tracing) -> None:
    """Both edges begin at the one that asks."""
    with tracing.agent() as root:
        for name in ("flights", "hotels"):
            with tracing.agent(name):
                pass

    assert ["planner->flights", "planner->hotels"] == tracing.run(root).metrics.edges_traversed


@pytest.mark.parametrize("told_by", ["a tool that transfers", "a span of its own"])
def test_a_handoff_is_delegation(tracing: Tracing, told_by: str) -> None:
    """The tool that the model called for it, and an edge to where it went."""
    with tracing.span("invoke_workflow support") as root:
        with tracing.agent("Triage agent"):
            tracing.chat(_call("c1", "transfer_to_refund_agent"))
            if told_by == "a span of its own":
                handoff = {"gen_ai.handoff.from_agent": "Triage agent", "gen_ai.handoff.to_agent": "Refund agent"}
                with tracing.span("handoff", {"traceloop.span.kind": "handoff", **handoff}):
                    pass
            else:
                with tracing.tool("transfer_to_refund_agent", "c1", transfer__target__name="Refund agent"):
                    pass
        with tracing.agent("Refund agent"):
            pass

    run = tracing.run(root)
    by_id = {decision.id: decision for decision in run.decisions}
    assert (DecisionType.DELEGATION, "Hand over to transfer_to_refund_agent", True) == (
        by_id["c1"].decision_type,
        by_id["c1"].intent,
        by_id["c1"].was_successful,
    )
    assert ["support->Triage agent", "Triage agent->Refund agent"] == run.metrics.edges_traversed
    assert 0 == run.metrics.pending_decisions


def test_two_instrumentations_of_one_call_are_told_once(tracing: Tracing) -> None:
    """The framework's span, and inside of it that of the model's client."""
    with tracing.agent() as root:
        with tracing.span("chat model", {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 70}):
            tracing.chat(_text("Hello"))
        with tracing.tool("search", "c1"), tracing.tool("search", "c1"):
            pass

    assert [("planner", "Call search", True, 70)] == _briefly(tracing.run(root))


def test_what_an_agent_used_in_all_is_not_counted_again(tracing: Tracing) -> None:
    """But it is, where its models are not told of."""
    usage: dict[str, Any] = {"usage__input_tokens": 100, "usage__output_tokens": 40}
    with tracing.agent(**usage) as whole:
        tracing.chat(_text("Hello"))
    with tracing.agent(**usage) as alone:
        pass

    assert [70, 140] == [tracing.run(root).metrics.total_tokens for root in (whole, alone)]


def test_an_exception_is_why_a_run_failed(tracing: Tracing) -> None:
    """Its text is the problem's."""
    with pytest.raises(ValueError, match="no"), tracing.agent() as root, tracing.tool("search", "c1"):
        raise ValueError("no")

    run = tracing.run(root)
    assert (RunStatus.FAILED, [("critical", "ValueError: no")]) == (
        run.status,
        [(problem.severity, problem.description) for problem in run.problems],
    )
    assert run.decisions[0].outcome is not None
    assert "ValueError: no" == run.decisions[0].outcome.error


def test_what_is_stopped_from_outside_is_cancelled(tracing: Tracing) -> None:
    """Nothing is wrong with it."""
    with tracing.agent() as root:
        root.record_exception(KeyboardInterrupt())
        root.set_status(Status(StatusCode.ERROR))

    run = tracing.run(root)
    assert (RunStatus.CANCELLED, []) == (run.status, run.problems)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"gen_ai.evaluation.score.value": 0.25, "gen_ai.evaluation.explanation": "Dear"},
            (0.25, True, "price 0.25: Dear"),
        ),
        ({"gen_ai.evaluation.score.label": "fail", "gen_ai.evaluation.score.value": 4}, (0.0, False, "price fail")),
        ({"gen_ai.evaluation.score.label": "pass"}, (1.0, True, "price pass")),
        ({"gen_ai.evaluation.score.value": 4}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("where", ["on the tool", "on the agent", "in a span of its own"])
def test_an_evaluation_judges_a_decision(
    tracing: Tracing, where: str, given: dict[str, Any], expected: tuple[float, bool, str] | None
) -> None:
    """That of the span, or the last one of the agent; unless nobody can tell what its score means."""
    attributes = {"gen_ai.evaluation.name": "price", **given}
    with tracing.agent() as root:
        with tracing.tool("search", "c1") as tool:
            if where == "in a span of its own":
                with tracing.span("evaluate", {"openinference.span.kind": "EVALUATOR", **attributes}):
                    pass
            elif where == "on the tool":
                tool.add_event("gen_ai.evaluation.result", attributes)
        if where == "on the agent":
            root.add_event("gen_ai.evaluation.result", attributes)

    [decision] = tracing.run(root).decisions
    judged = decision.evaluation
    assert expected == (judged and (judged.outcome_quality, judged.goal_aligned, judged.explanation))


def test_an_agent_inside_of_a_request_is_a_run(tracing: Tracing, producer: Producer) -> None:
    """Each of them, with ids that differ. What is outside of agents costs nothing."""
    with tracing.span("GET /trips", {"http.request.method": "GET"}):
        with tracing.span("SELECT", {"db.system.name": "postgresql"}):
            pass
        tracing.chat(_text("Nobody's"))
        assert (0, {}) == (producer.stats().taken_messages, tracing.processor._places)
        with tracing.agent("one") as first, tracing.span("SELECT"), tracing.tool("search", "c1"):
            pass
        with tracing.agent("two") as second:
            pass

    one, two = tracing.run(first), tracing.run(second)
    assert ("one", "two") == (one.goal_id, two.goal_id)
    assert one.trace_id == two.trace_id
    assert one.id == f"{one.trace_id}-{one.span_id}" != two.id
    assert ["Call search"] == [decision.intent for decision in one.decisions]
    assert {} == tracing.processor._places


def _from_elsewhere(carrier: Mapping[str, str]) -> Context:
    """The context of a request from another process."""
    parent = SpanContext(
        0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_remote=True, trace_flags=TraceFlags(1)
    )
    context = trace.set_span_in_context(NonRecordingSpan(parent))
    for name, value in carrier.items():
        context = baggage.set_baggage(name, value, context)
    return context


def test_an_agent_that_another_process_calls_has_a_run_of_its_own(tracing: Tracing) -> None:
    """Nobody knows whether the caller is an agent. Its trace links the two; baggage alone does not make it join."""
    with tracing.span("invoke_agent remote", context=_from_elsewhere({"runweaver-run": "run-1"})) as root:
        pass

    run = tracing.run(root)
    assert ("4bf92f3577b34da6a3ce929d0e0e4736", f"4bf92f3577b34da6a3ce929d0e0e4736-{run.span_id}") == (
        run.trace_id,
        run.id,
    )


def test_an_agent_that_another_process_calls_may_join_its_run(pipeline: Pipeline, producer: Producer) -> None:
    """The caller names its run in the baggage, and ends it."""
    caller, called = Tracing(pipeline, producer), Tracing(pipeline, producer, join=True)
    with caller.agent() as root:
        run = caller.processor.current_run()
        assert run is not None
        with called.span("invoke_agent remote", context=_from_elsewhere(run.carrier())):
            called.chat(_text("Here"))

    assert [("remote", "Answer", True, 70)] == _briefly(caller.run(root))


@pytest.mark.parametrize("named", ["", "{no id}", None])
def test_a_run_that_cannot_be_joined_is_not(pipeline: Pipeline, producer: Producer, named: str | None) -> None:
    """The agent then has a run of its own."""
    called = Tracing(pipeline, producer, join=True)
    context = _from_elsewhere({} if named is None else {"runweaver-run": named})
    with called.span("invoke_agent remote", context=context) as root:
        pass

    assert RunStatus.COMPLETED == called.run(root).status


def test_an_agent_that_is_called_in_a_run_is_part_of_it(tracing: Tracing, producer: Producer) -> None:
    """Whoever began the run ends it, and goes on in between."""
    with producer.start_run("trip") as run:
        with tracing.agent() as first:
            tracing.chat(_text("Oslo"))
            first.set_status(Status(StatusCode.ERROR, "Lost my way"))
        run.quick_decision("Go on", "Do it", node_id="loop")
        with tracing.agent("other"):
            tracing.chat(_text("Rome"))

    told = tracing.run(run.run_id)
    assert ("trip", RunStatus.COMPLETED, {}) == (told.goal_id, told.status, told.input_data)
    assert ["planner", "loop", "other"] == told.metrics.nodes_executed
    assert [("warning", "Lost my way")] == [(problem.severity, problem.description) for problem in told.problems]
    assert 0 == told.completeness.missing


def test_agents_of_one_run_may_call_under_one_id(tracing: Tracing, producer: Producer) -> None:
    """Models that count their calls do. None of them is lost."""
    with producer.start_run("trip") as run:
        for _ in range(2):
            with tracing.agent():
                tracing.chat(_call("1"))
                with tracing.tool("search", "1"):
                    pass

    told = tracing.run(run.run_id)
    assert (["1", "1#2"], 2) == ([decision.id for decision in told.decisions], told.metrics.successful_decisions)


def test_of_runs_that_are_sampled_out_failed_ones_say_so(pipeline: Pipeline) -> None:
    """Also when what they began with is told at their end."""
    with Producer(settings=pipeline.producer_settings, sample=0, keep_failed=True) as producer:
        tracing = Tracing(pipeline, producer)
        with tracing.agent() as root:
            root.set_attribute("input.value", "Where to?")
            root.set_status(Status(StatusCode.ERROR, "Lost my way"))

    run = tracing.run(root)
    assert (["sampled-out"], {"input": "Where to?"}) == (run.tags, run.input_data)


def test_a_run_can_be_watched_while_it_goes_on(tracing: Tracing) -> None:
    """It begins with its span. When the process dies, it will be found to be stuck."""
    with tracing.agent() as root:
        tracing.chat(_call("c1"))
        assert tracing.provider.force_flush()
        tracing.pipeline.wait_until_merged()

        run = tracing.pipeline.runs.get(_id(root))

        assert run is not None
        assert (RunStatus.RUNNING, "planner", ["c1"]) == (
            run.status,
            run.goal_id,
            [decision.id for decision in run.decisions],
        )


def test_the_current_run_can_be_reported_to(tracing: Tracing) -> None:
    """Anywhere inside of an agent, and nowhere else."""
    assert tracing.processor.current_run() is None
    with tracing.agent() as root, tracing.span("anything"):
        run = tracing.processor.current_run()
        assert run is not None
        run.report_problem("minor", "It rains")

    assert ["It rains"] == [problem.description for problem in tracing.run(root).problems]


def test_threads_do_not_disturb_each_other(tracing: Tracing) -> None:
    """Many agents at once, each with a run."""
    roots: list[Span] = []

    def work(number: int) -> None:
        with tracing.agent(f"agent-{number}") as root:
            for step in range(20):
                tracing.chat(_call(f"c{step}"))
                with tracing.tool("search", f"c{step}"):
                    pass
            roots.append(root)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(20, 1400)] * 4 == [
        (run.metrics.successful_decisions, run.metrics.total_tokens) for run in map(tracing.run, roots)
    ]


@pytest.mark.parametrize(
    "value", ["no JSON", '{"half": ', "[[[]]]", '[null, 1, {"parts": 7}]', b"bytes", ["a", "b"], 7, True, "[" * 10_000]
)
def test_whatever_attributes_hold_is_taken(tracing: Tracing, caplog: pytest.LogCaptureFixture, value: Any) -> None:
    """Of any type, whole or cut off. The agent does not notice, and its run is told."""
    names = ("input.messages", "output.messages", "tool.definitions", "usage.input_tokens", "tool.call.arguments")
    weird = {f"gen_ai.{name}": value for name in (*names, "tool.call.result", "tool.call.id", "agent.description")}
    with tracing.agent(**{name.replace(".", "__"): value for name in names}) as root:
        tracing.chat(attributes=weird)
        with tracing.tool("search") as tool:
            tool.set_attributes(weird)
        root.add_event("gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": value})

    assert RunStatus.COMPLETED == tracing.run(root).status
    assert [] == caplog.records


def test_a_failure_of_ours_does_not_reach_the_agent(
    tracing: Tracing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, once in a while."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("runweaver.producer.integrations.opentelemetry.processor.kind_of", broken)
    for _ in range(100):
        with tracing.agent():
            pass

    assert 1 == caplog.text.count("a span cannot be told times=1")
    assert [logging.WARNING] == [record.levelno for record in caplog.records]


def test_a_run_ends_whatever_cannot_be_told(tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it to be found stuck."""

    def broken(*_: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("runweaver.producer.integrations.opentelemetry.traced_run.input_of", broken)
    with tracing.agent() as root:
        tracing.chat(_text("Hello"))

    assert RunStatus.COMPLETED == tracing.run(root).status


def test_too_many_open_spans_let_the_eldest_run_go(pipeline: Pipeline, producer: Producer) -> None:
    """It stays as it is, and the others go on. Nothing grows without bound."""
    tracing = Tracing(pipeline, producer, max_open_spans=10)
    spans = [tracing.tracer.start_span(f"invoke_agent agent-{number}") for number in range(30)]
    places = len(tracing.processor._places)
    for span in reversed(spans):
        span.end()
    last = spans[-1]
    assert isinstance(last, Span)
    tracing.run(last)
    tracing.pipeline.wait_until_merged()
    assert isinstance(spans[0], Span)
    first = tracing.pipeline.runs.get(_id(spans[0]))

    assert first is not None
    assert (10, RunStatus.RUNNING) == (places, first.status)
    assert (0, 0) == (len(tracing.processor._places), len(tracing.processor._runs))
    assert 10 >= len(tracing.processor._let_go_of)


def test_spans_that_never_end_go_with_their_run(tracing: Tracing) -> None:
    """A stream that nobody read to its end, say."""
    with tracing.agent() as root:
        names = ("chat model", "invoke_agent expert", "execute_tool search")
        lost = [tracing.tracer.start_span(name) for name in names]
    for span in lost:
        span.end()

    assert [("planner", "Hand over to expert", False, -1)] == _briefly(tracing.run(root))
    assert ({}, {}, {}) == (tracing.processor._places, tracing.processor._runs, tracing.processor._let_go_of)


def test_spans_that_announce_others_are_none(tracing: Tracing, producer: Producer) -> None:
    """Logfire has such."""
    with tracing.span("invoke_agent planner", {"logfire.span_type": "pending_span"}):
        pass

    assert 0 == producer.stats().taken_messages


def test_without_a_producer_it_has_one_of_its_own(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment; closed when the provider is shut down."""
    for name in ("RUNWEAVER_REDIS_URL", "RUNWEAVER_NAMESPACE"):
        monkeypatch.setenv(name, pipeline.environment[name])
    provider = TracerProvider(shutdown_on_exit=False)
    processor = RunweaverSpanProcessor()
    provider.add_span_processor(processor)
    with provider.get_tracer("test").start_as_current_span("invoke_agent planner") as root:
        pass
    assert provider.force_flush()
    open_span = provider.get_tracer("test").start_span("invoke_agent other")
    provider.shutdown()
    open_span.end()

    assert isinstance(root, Span)
    assert "planner" == pipeline.summary(_id(root)).goal_id
    assert isinstance(open_span, Span)
    pipeline.wait_until_merged()
    other = pipeline.runs.get(_id(open_span))
    assert other is not None
    assert RunStatus.RUNNING == other.status


def test_a_producer_that_was_given_stays_open(tracing: Tracing, producer: Producer) -> None:
    """It may have more to tell."""
    tracing.provider.shutdown()

    with producer.start_run("later") as run:
        pass
    assert "later" == tracing.pipeline.summary(run.run_id).goal_id


def test_flushing_tells_whether_all_arrived(pipeline: Pipeline) -> None:
    """As the SDK asks for it, in milliseconds."""
    nowhere = ProducerSettings(redis_url="redis://127.0.0.1:1", namespace=pipeline.namespace)
    with_nobody = Producer(settings=nowhere)
    tracing = Tracing(pipeline, with_nobody)
    with tracing.agent():
        pass

    assert not tracing.processor.force_flush(50)
    with_nobody.close(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_leaves_the_parents_runs_alone(tracing: Tracing) -> None:
    """It may end its copy of their spans. What begins in it is its own."""
    with tracing.agent() as root:
        child = os.fork()
        if child == 0:  # pragma: no cover - in another process
            with tracing.agent("child"):
                pass
            root.end()
            tracing.processor.force_flush()
            os._exit(0)
        assert 0 == os.waitpid(child, 0)[1]
        tracing.chat(_text("Still here"))

    run = tracing.run(root)
    assert [("planner", "Answer", True, 70)] == _briefly(run)
    assert (1, []) == (len(run.completeness.producers), run.metrics.edges_traversed)


def test_the_missing_extra_is_named() -> None:
    """One sentence says what to install."""
    program = "import sys; sys.modules['opentelemetry'] = None; import runweaver.producer.integrations.opentelemetry"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (
        "runweaver.shared.errors.MissingExtraError: opentelemetry-sdk is not installed: reporting what it traces needs "
        "pip install 'runweaver[otel]'" == done.stderr.splitlines()[-1]
    )
