"""What all frameworks' agents do becomes decisions and outcomes in one way."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runweaver.producer import Producer
from runweaver.producer.integrations.agent_steps import (
    MOST_OPTIONS,
    AgentSteps,
    Answer,
    Tool,
    ToolCall,
    ToolResult,
    as_identifier,
    shortened,
)
from runweaver.shared import Decision, DecisionType, Run
from tests.support.processes import Pipeline

_TOOLS = [Tool("search", "Look for flights"), Tool("book", "Book one")]


@pytest.fixture
def told(pipeline: Pipeline, producer: Producer) -> Callable[[Callable[[AgentSteps], object]], Run]:
    """What a run says that was told these steps."""

    def tell(take: Callable[[AgentSteps], object]) -> Run:
        with producer.start_run("steps") as run:
            take(AgentSteps(run))
        pipeline.summary(run.run_id)
        folded = pipeline.runs.get(run.run_id)
        assert folded is not None
        return folded

    return tell


def test_a_call_is_a_decision_and_its_result_the_outcome(told: Callable[..., Run]) -> None:
    """The tools on offer are its options; what the model's call cost goes with the first thing that it asked for."""

    def take(steps: AgentSteps) -> None:
        calls = [ToolCall("c1", "search", '{"to": "Oslo"}'), ToolCall("c2", "book", {"seat": 1})]
        steps.model_answered("planner", Answer(calls, reasoning="It is cheap", offered=_TOOLS, tokens=70))
        steps.tool_ended("planner", ToolResult("c2", "book", error="Sold out", latency=timedelta(seconds=2)))
        steps.tool_ended("planner", ToolResult("c1", "search", result={"flights": 3}))

    run = told(take)

    search, book = run.decisions
    assert ("c1", "planner", "Call search", "It is cheap", DecisionType.TOOL_SELECTION) == (
        search.id,
        search.node_id,
        search.intent,
        search.reasoning,
        search.decision_type,
    )
    assert search.chosen_option is not None
    assert ("Look for flights", {"to": "Oslo"}) == (
        search.chosen_option.description,
        search.chosen_option.action_params,
    )
    assert ["search", "book"] == [option.id for option in search.options]
    assert [(True, 70, {"flights": 3}, 0), (False, 0, None, 2000)] == [_outcome(each) for each in (search, book)]
    assert search.outcome is not None
    assert '{"flights":3}' == search.outcome.summary


def _outcome(decision: Decision) -> tuple[object, ...]:
    outcome = decision.outcome
    assert outcome is not None
    return outcome.success, outcome.tokens_used, outcome.result, outcome.latency_ms


def test_an_answer_is_a_decision_too(told: Callable[..., Run]) -> None:
    """It has no result to wait for."""
    run = told(lambda steps: steps.model_answered("planner", Answer(text="Fly on Monday", offered=_TOOLS, tokens=12)))

    (answer,) = run.decisions
    assert ("Answer", DecisionType.TERMINATION, "answer") == (
        answer.intent,
        answer.decision_type,
        answer.chosen_option_id,
    )
    assert (True, 12, None, 0) == _outcome(answer)
    assert run.metrics.pending_decisions == 0


def test_an_id_that_comes_again_is_another_decision(told: Callable[..., Run]) -> None:
    """Models in tests, and some others, count their calls from one in each answer."""

    def take(steps: AgentSteps) -> None:
        for number in range(3):
            steps.model_answered("planner", Answer([ToolCall("1", "search")], tokens=10))
            steps.tool_ended("planner", ToolResult("1", "search", result=number))

    run = told(take)

    assert ["1", "1#2", "1#3"] == [decision.id for decision in run.decisions]
    assert [0, 1, 2] == [_outcome(decision)[2] for decision in run.decisions]


def test_two_agents_may_call_under_one_id(told: Callable[..., Run]) -> None:
    """Each result goes with its agent's call."""

    def take(steps: AgentSteps) -> None:
        for agent in ("one", "two"):
            steps.model_answered(agent, Answer([ToolCall("1", "search")]))
        for agent in ("one", "two"):
            steps.tool_ended(agent, ToolResult("1", "search", result=agent))

    run = told(take)

    assert [("one", "one"), ("two", "two")] == [(each.node_id, _outcome(each)[2]) for each in run.decisions]


def test_a_result_whose_call_nobody_told_is_a_decision(told: Callable[..., Run]) -> None:
    """Where a framework keeps to itself what models say; what they used goes with what comes next."""

    def take(steps: AgentSteps) -> None:
        steps.used_tokens("planner", 40)
        steps.tool_ended("planner", ToolResult("", "search", result="3 flights", arguments="to Oslo"))
        steps.tool_ended("planner", ToolResult("", "search", error="Away"))

    run = told(take)

    assert [(True, 40), (False, 0)] == [_outcome(decision)[:2] for decision in run.decisions]
    assert run.decisions[0].chosen_option is not None
    assert {"arguments": "to Oslo"} == run.decisions[0].chosen_option.action_params


def test_handing_over_is_delegation(told: Callable[..., Run]) -> None:
    """Another agent is what was chosen."""

    def take(steps: AgentSteps) -> None:
        steps.model_answered("triage", Answer([ToolCall("h", "refunds", kind="delegate")]))
        steps.tool_ended("triage", ToolResult("h", "refunds"))

    (decision,) = told(take).decisions

    assert ("Hand over to refunds", DecisionType.DELEGATION) == (decision.intent, decision.decision_type)


def test_what_turns_out_to_be_an_agent_was_delegation(told: Callable[..., Run]) -> None:
    """Whether a tool is one shows only when it works; the decision keeps the rest of what was told of it."""

    def take(steps: AgentSteps) -> None:
        steps.model_answered("planner", Answer([ToolCall("c1", "search")], reasoning="It is cheap", offered=_TOOLS))
        steps.tool_ended("planner", ToolResult("c1", "search", result=3, kind="delegate"))

    (decision,) = told(take).decisions

    assert ("c1", "Hand over to search", DecisionType.DELEGATION, "It is cheap", 2, True) == (
        decision.id,
        decision.intent,
        decision.decision_type,
        decision.reasoning,
        len(decision.options),
        decision.was_successful,
    )


def test_a_model_that_fails_is_a_failure(told: Callable[..., Run]) -> None:
    """Otherwise a run would end as failed, and nobody would know of what."""
    run = told(lambda steps: steps.model_failed("planner", "429 Too many requests"))

    assert ["✗ [planner] Ask the model → Ask the model"] == [each.summary_for_builder() for each in run.decisions]


@pytest.mark.parametrize("written", ["", "no JSON", '{"half": ', "[1, 2]", "\ud83d", "null", "{}" * 2])
def test_whatever_a_model_wrote_is_taken(told: Callable[..., Run], written: str) -> None:
    """Names without letters, arguments that are no JSON, tools that were not on offer."""

    def take(steps: AgentSteps) -> None:
        steps.model_answered("", Answer([ToolCall("", "", written)], text=written, offered=_TOOLS))
        steps.tool_ended("", ToolResult("", "", result=object()))

    (decision,) = told(take).decisions

    assert ("agent", "Call unnamed", True) == (decision.node_id, decision.intent, decision.was_successful)


@pytest.mark.parametrize("is_circular", [True, False])
def test_what_cannot_be_sent_is_told_without_it(told: Callable[..., Run], is_circular: bool) -> None:  # noqa: FBT001
    """A message has an end, and JSON no circles. The course of the run is told nevertheless."""
    odd: dict[str, Any] = {"text": "" if is_circular else "x" * 2_000_000}
    odd["self"] = odd if is_circular else None
    long = "because " * 200_000

    def take(steps: AgentSteps) -> None:
        steps.model_answered("a", Answer([ToolCall("1", "search", odd)], reasoning=long))
        steps.tool_ended("a", ToolResult("1", "search", result=odd))
        steps.model_answered("a", Answer([ToolCall("2", "book", odd)], reasoning="Cheap"))
        steps.tool_ended("a", ToolResult("2", "book", result=odd, error=long))
        steps.model_answered("a", Answer(text=long, reasoning=long))

    run = told(take)

    assert [("Call search", True), ("Call book", False), ("Answer", True)] == [
        (decision.intent, decision.was_successful) for decision in run.decisions
    ]
    assert 120 == len(run.decisions[0].reasoning)


def test_a_hundred_tools_are_not_told_with_each_call(told: Callable[..., Run]) -> None:
    """The one that was chosen is always among the options."""
    offered = [Tool(f"tool-{number}", "x" * 1000) for number in range(100)]

    (decision,) = told(
        lambda steps: steps.model_answered("a", Answer([ToolCall("1", "tool-99")], offered=offered))
    ).decisions

    assert MOST_OPTIONS == len(decision.options)
    assert decision.chosen_option is not None
    assert "x" * 119 + "…" == decision.chosen_option.description


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("Trip planner!", "Trip-planner"), ("ü", "goal"), ("", "goal"), ("a/b:c", "a/b:c"), ("x" * 300, "x" * 200)],
)
def test_names_become_identifiers(name: str, identifier: str) -> None:
    """Frameworks let people name agents as they like."""
    assert identifier == as_identifier(name, "goal")


def test_a_long_text_is_shortened_to_one_line() -> None:
    """Its beginning is told."""
    assert ("a b", "", 120) == (shortened(" a\n\tb "), shortened("  "), len(shortened("word " * 1000)))
