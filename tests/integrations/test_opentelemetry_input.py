"""Whatever attributes spans have, in whatever order they begin and end: they are told, and the agent goes on."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from runweaver.producer import Producer
from runweaver.producer.integrations.opentelemetry import RunweaverSpanProcessor
from runweaver.producer.integrations.opentelemetry.attributes import EVALUATION_EVENT, EVENTS, NAMES
from tests.support.processes import Pipeline
from tests.unit.strategies import json_values

_NAMES = ("invoke_agent", "invoke_agent x", "execute_tool y", "anything", "")
_KINDS = ("invoke_agent", "invoke_workflow", "chat", "execute_tool", "handoff", "evaluate", "LLM", "embeddings", "")
_PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "reasoning", "tool_call", "tool_call_response", "other"])},
    optional=dict.fromkeys(("id", "name", "arguments", "content", "result", "function", "tool_calls"), json_values),
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool"])},
        optional={"parts": st.lists(_PARTS, max_size=3), "content": json_values, "message": json_values},
    ),
    max_size=3,
)
_VALUES = st.one_of(
    _MESSAGES.map(json.dumps),
    json_values.map(json.dumps),
    st.text(st.characters(), max_size=20),  # also halves of characters
    st.floats(),
    st.integers(),
    st.booleans(),
    st.lists(st.text(max_size=5), max_size=3),
)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        sorted({*chain.from_iterable(NAMES.values()), "gen_ai.completion.0.content", "llm.tools.0.tool.name"})
    ),
    _VALUES,
    max_size=8,
)
_EVENTS = st.lists(
    st.tuples(st.sampled_from([*chain.from_iterable(EVENTS.values()), EVALUATION_EVENT, "exception"]), _ATTRIBUTES),
    max_size=2,
)
#: A name, a kind, the number of the span that it is in, attributes at the start, some set later, and events.
_SPANS = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(_KINDS), st.integers(0, 5), _ATTRIBUTES, _ATTRIBUTES, _EVENTS),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def producer(pipeline: Pipeline) -> Iterator[Producer]:
    """Once for all examples."""
    with Producer(settings=pipeline.producer_settings) as running:
        yield running


def _raise(*_: Any, **__: Any) -> None:
    """What would be logged is the test's failure."""
    raise  # noqa: PLE0704 - called where an exception is handled


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(spans=_SPANS, order=st.randoms(use_true_random=False))
def test_any_spans_are_told(producer: Producer, spans: list[Any], order: Any) -> None:
    """Nothing of it is a mistake, and nothing is left behind."""
    processor = RunweaverSpanProcessor(producer)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    started: list[trace.Span] = []
    with patch.object(processor, "_complain", side_effect=_raise):
        for name, kind, parent, attributes, later, events in spans:
            context = trace.set_span_in_context(started[parent]) if parent < len(started) else None
            given = {"gen_ai.operation.name": kind, **attributes}
            started.append(tracer.start_span(name, context, attributes=given))
            started[-1].set_attributes(later)
            for event, told in events:
                started[-1].add_event(event, told)
        order.shuffle(started)
        for span in started:
            span.end()

    assert ({}, {}) == (processor._runs, processor._places)
