"""What the span processor costs an agent's thread, against the processors of OpenTelemetry's own SDK.

Spans by the GenAI conventions are started and ended in one process, a block of agents with each processor in turn: a
model that asks for a tool, the tool, and a model that answers, four spans an agent. What the SDK's own processors
export to forgets everything, so they pay for handing over, not for sending. The same of an agent of pydantic-ai with
its test model, traced by a batch processor, and by that and ours. Between blocks is a pause in which all send what
they have.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.figures import Kind, Pair, Rounds, Row
from benchmarks.machine import version
from benchmarks.processes import ROOT, fresh_site
from benchmarks.quantiles import quantile
from runweaver.producer import Producer

_PACKAGES: Final = ("opentelemetry-sdk", "pydantic-ai-slim")
_BLOCKS: Final = 20
#: So many that no queue is full before the pause.
_AGENTS_A_BLOCK: Final = 50
_SPANS_AN_AGENT: Final = 4
_OTHERS_A_BLOCK: Final = 500
_PAUSE_S: Final = 0.1
_FLUSH_S: Final = 30.0

_FIGURES: Final = ("span, simple", "span, batch", "span outside of agents", "pydantic-ai run")

_Blocks = tuple[Callable[[], float], Callable[[], float]]


def _measure(scale: float) -> Rounds:
    command = [sys.executable, "-m", "benchmarks.hooks_opentelemetry", str(max(1, int(_BLOCKS * scale)))]
    while True:
        missing = next((package for package in _PACKAGES if not version(package)), None)
        if missing is not None:
            yield dict.fromkeys(_FIGURES, f"{missing} is not installed")
            continue
        with fresh_site() as site:
            environment = site.processes.environment
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        yield {name: Pair(*pair) for name, pair in json.loads(done.stdout).items()}


def main() -> None:
    """Measure all, and print the medians in microseconds."""
    blocks = int(sys.argv[1])
    producer = Producer(name="bench")
    providers = _Providers(producer)
    ours = _agents(providers.ours)
    found = {
        "span, simple": _medians((ours, _agents(providers.simple)), providers.pause, blocks),
        "span, batch": _medians((ours, _agents(providers.batch)), providers.pause, blocks),
        "span outside of agents": _medians(
            (_outside(providers.ours), _outside(providers.batch)), providers.pause, blocks
        ),
        "pydantic-ai run": _medians(
            (_pydantic_ai(providers.both), _pydantic_ai(providers.batch)), providers.pause, blocks
        ),
    }
    assert producer.dropped == 0
    producer.close()
    print(json.dumps(found))


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

    def pause(self) -> None:
        """Send everything, and wait until nobody works any more."""
        self._producer.flush(_FLUSH_S)
        for provider in (self.batch, self.both):
            provider.force_flush()
        time.sleep(_PAUSE_S)


def _medians(blocks: _Blocks, pause: Callable[[], None], rounds: int) -> tuple[float, float]:
    """How long one of each block takes, in microseconds, both in turn."""
    took_us: tuple[list[float], list[float]] = ([], [])
    for block in blocks:
        block()  # what is done once is not what is measured
    pause()
    for _ in range(rounds):
        for block, took in zip(blocks, took_us, strict=True):
            took.append(block())
            pause()
    ours_us, compared_us = (quantile(took, 0.5) for took in took_us)
    return ours_us, compared_us


def _timed(call: Callable[[], None], times: int) -> float:
    began_ns = time.perf_counter_ns()
    for _ in range(times):
        call()
    return (time.perf_counter_ns() - began_ns) / times / 1000


def _agents(provider: Any) -> Callable[[], float]:
    tracer = provider.get_tracer("bench")
    agent, asks, tool, answers = _attributes()

    def run() -> None:
        with tracer.start_as_current_span("invoke_agent planner", attributes=agent):
            for name, attributes in (("chat m", asks), ("execute_tool search", tool), ("chat m", answers)):
                with tracer.start_as_current_span(name, attributes=attributes):
                    pass

    return lambda: _timed(run, _AGENTS_A_BLOCK) / _SPANS_AN_AGENT


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


def _outside(provider: Any) -> Callable[[], float]:
    tracer = provider.get_tracer("bench")

    def span() -> None:
        tracer.start_span("SELECT", attributes={"db.system.name": "postgresql", "db.query.text": "SELECT 1"}).end()

    return lambda: _timed(span, _OTHERS_A_BLOCK)


def _pydantic_ai(provider: Any) -> Callable[[], float]:
    from pydantic_ai import Agent  # noqa: PLC0415 - it need not be installed
    from pydantic_ai.capabilities import Instrumentation  # noqa: PLC0415
    from pydantic_ai.models.instrumented import InstrumentationSettings  # noqa: PLC0415
    from pydantic_ai.models.test import TestModel  # noqa: PLC0415

    traced = Instrumentation(settings=InstrumentationSettings(tracer_provider=provider))
    agent = Agent(TestModel(), name="planner", capabilities=[traced])

    @agent.tool_plain
    def search(to: str) -> str:
        return f"3 flights to {to}"

    async def run_all() -> float:
        began_ns = time.perf_counter_ns()
        for _ in range(_AGENTS_A_BLOCK):
            await agent.run("Where to?")
        return (time.perf_counter_ns() - began_ns) / _AGENTS_A_BLOCK / 1000

    return lambda: asyncio.run(run_all())


ROWS: Final = (
    Row(
        "opentelemetry",
        "a span of an agent (model, tool, answer) from start to end with our processor, against one of the SDK's with "
        "an exporter that forgets; one outside of agents; a run of pydantic-ai's test model, traced, with ours added",
        (
            Kind("span, simple", "µs", "SimpleSpanProcessor"),
            Kind("span, batch", "µs", "BatchSpanProcessor"),
            Kind("span outside of agents", "µs", "BatchSpanProcessor"),
            Kind("pydantic-ai run", "µs", "BatchSpanProcessor alone"),
        ),
        _measure,
    ),
)

if __name__ == "__main__":
    main()
