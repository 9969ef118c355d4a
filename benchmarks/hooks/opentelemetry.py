"""What the span processor costs an agent's thread, against the processors of OpenTelemetry's own SDK.

Spans by the GenAI conventions are started and ended in one process, a block of agents with each processor in turn: a
model that asks for a tool, the tool, and a model that answers, four spans an agent. What the SDK's own processors
export to forgets everything, so they pay for handing over, not for sending. The same of an agent of pydantic-ai with
its test model, traced by a batch processor, and by that and ours. Between blocks is a pause in which all send what
they have.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.child import in_turn, measured_in_child, median
from benchmarks.figures import Kind, Row
from runweaver.producer import Producer

_PACKAGES: Final = ("opentelemetry-sdk", "pydantic-ai-slim")
_BLOCKS: Final = 20
#: So many that no queue is full before the pause.
_CALLS_A_BLOCK: Final = 50
_SPANS_AN_AGENT: Final = 4
_FLUSH_S: Final = 30.0

_FIGURES: Final = ("span, simple", "span, batch", "span outside of agents", "pydantic-ai run")


def main() -> None:
    """Measure all, and print the medians in microseconds."""
    producer = Producer(name="bench")
    providers = _Providers(producer)
    took_us = in_turn(
        {
            "ours": _agent(providers.ours),
            "simple": _agent(providers.simple),
            "batch": _agent(providers.batch),
            "outside, ours": _outside(providers.ours),
            "outside, batch": _outside(providers.batch),
            "pydantic-ai, both": _pydantic_ai(providers.both),
            "pydantic-ai, batch": _pydantic_ai(providers.batch),
        },
        providers.send_all,
        blocks=int(sys.argv[1]),
        calls_a_block=_CALLS_A_BLOCK,
    )
    assert producer.dropped == 0
    producer.close()
    took = {name: median(its) for name, its in took_us.items()}
    span = {name: took[name] / _SPANS_AN_AGENT for name in ("ours", "simple", "batch")}
    pairs = (
        (span["ours"], span["simple"]),
        (span["ours"], span["batch"]),
        (took["outside, ours"], took["outside, batch"]),
        (took["pydantic-ai, both"], took["pydantic-ai, batch"]),
    )
    print(json.dumps(dict(zip(_FIGURES, pairs, strict=True))))


class _Providers:
    """One with our processor, one with each of the SDK's, and one with two."""

    def __init__(self, producer: Producer) -> None:
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: PLC0415 - it need not be installed
        from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
            BatchSpanProcessor,
            SimpleSpanProcessor,
            SpanExporter,
            SpanExportResult,
        )

        from runweaver.producer.integrations.opentelemetry import RunweaverSpanProcessor  # noqa: PLC0415

        def export(_exporter: Any, _spans: Any) -> Any:
            return SpanExportResult.SUCCESS

        forgets = type("Forgets", (SpanExporter,), {"export": export})

        def provider(*processors: SpanProcessor) -> TracerProvider:
            made = TracerProvider(shutdown_on_exit=False)
            for processor in processors:
                made.add_span_processor(processor)
            return made

        self._producer = producer
        self.ours = provider(RunweaverSpanProcessor(producer))
        self.simple = provider(SimpleSpanProcessor(forgets()))
        self.batch = provider(BatchSpanProcessor(forgets()))
        self.both = provider(BatchSpanProcessor(forgets()), RunweaverSpanProcessor(producer))

    def send_all(self) -> None:
        """Send everything that was told."""
        self._producer.flush(_FLUSH_S)
        for provider in (self.batch, self.both):
            provider.force_flush()


def _agent(provider: Any) -> Callable[[], None]:
    tracer = provider.get_tracer("bench")
    agent, asks, tool, answers = _attributes()

    def run() -> None:
        with tracer.start_as_current_span("invoke_agent planner", attributes=agent):
            for name, attributes in (("chat m", asks), ("execute_tool search", tool), ("chat m", answers)):
                with tracer.start_as_current_span(name, attributes=attributes):
                    pass

    return run


def _attributes() -> tuple[Mapping[str, Any], ...]:
    tools = [{"type": "function", "name": name, "description": "Looks it up"} for name in ("search", "book", "cancel")]
    call = {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"to": "Oslo"}}
    model = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 812,
        "gen_ai.usage.output_tokens": 64,
        "gen_ai.tool.definitions": json.dumps(tools),
    }
    says = [{"role": "assistant", "parts": [{"type": "text", "content": "Fly on Monday"}]}]
    return (
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
        {**model, "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [call]}])},
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "gen_ai.tool.call.id": "c1",
            "gen_ai.tool.call.arguments": '{"to": "Oslo"}',
            "gen_ai.tool.call.result": "3 flights",
        },
        {**model, "gen_ai.output.messages": json.dumps(says)},
    )


def _outside(provider: Any) -> Callable[[], None]:
    tracer = provider.get_tracer("bench")

    def span() -> None:
        tracer.start_span("SELECT", attributes={"db.system.name": "postgresql", "db.query.text": "SELECT 1"}).end()

    return span


def _pydantic_ai(provider: Any) -> Callable[[], object]:
    from pydantic_ai import Agent  # noqa: PLC0415 - it need not be installed
    from pydantic_ai.capabilities import Instrumentation  # noqa: PLC0415
    from pydantic_ai.models.instrumented import InstrumentationSettings  # noqa: PLC0415
    from pydantic_ai.models.test import TestModel  # noqa: PLC0415

    traced = Instrumentation(settings=InstrumentationSettings(tracer_provider=provider))
    agent = Agent(TestModel(), name="planner", capabilities=[traced])

    @agent.tool_plain
    def search(to: str) -> str:
        return f"3 flights to {to}"

    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(agent.run("Where to?"))


ROWS: Final = (
    Row(
        "hook-opentelemetry",
        "a span of an agent (model, tool, answer) from start to end with our processor, against one of the SDK's with "
        "an exporter that forgets; one outside of agents; a run of pydantic-ai's test model, traced, with ours added",
        (
            Kind("span, simple", "µs", "SimpleSpanProcessor"),
            Kind("span, batch", "µs", "BatchSpanProcessor"),
            Kind("span outside of agents", "µs", "BatchSpanProcessor"),
            Kind("pydantic-ai run", "µs", "BatchSpanProcessor alone"),
        ),
        measured_in_child("benchmarks.hooks.opentelemetry", _FIGURES, blocks=_BLOCKS, packages=_PACKAGES),
    ),
)

if __name__ == "__main__":
    main()
