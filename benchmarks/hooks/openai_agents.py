"""What a step of an agent of the OpenAI Agents SDK costs with Runweaver's processor next to the SDK's own."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.hooks.framework_step import STEPS, hook_row, print_steps
from runweaver.producer import Producer


def main() -> None:
    """Let a scripted model call a tool again and again, and print what a step took."""
    from agents import Agent, Runner, function_tool, set_trace_processors  # noqa: PLC0415 - it need not be installed
    from agents.testing import ScriptedModel  # noqa: PLC0415
    from agents.tracing.processor_interface import TracingExporter  # noqa: PLC0415
    from agents.tracing.processors import BatchTraceProcessor  # noqa: PLC0415
    from openai.types.responses import ResponseFunctionToolCall  # noqa: PLC0415

    from runweaver.producer.integrations.openai_agents import RunweaverTracingProcessor  # noqa: PLC0415

    class Discarding(TracingExporter):
        def export(self, items: Sequence[Any]) -> None:
            """Take them, and do nothing."""

    @function_tool
    def look(to: str) -> str:
        return f"3 flights to {to}"

    calls = [
        [ResponseFunctionToolCall(call_id=f"c{step}", name="look", arguments='{"to":"Oslo"}', type="function_call")]
        for step in range(STEPS)
    ]
    producer = Producer(name="bench")
    own: Any = BatchTraceProcessor(Discarding())
    hook = RunweaverTracingProcessor(producer)
    loop = asyncio.new_event_loop()

    def run() -> None:
        agent = Agent("Planner", tools=[look], model=ScriptedModel([*calls, []], emit_traces=True))
        loop.run_until_complete(Runner.run(agent, "To Oslo", max_turns=STEPS + 1))

    @contextmanager
    def processors(*chosen: Any) -> Iterator[None]:
        set_trace_processors(list(chosen))
        yield
        set_trace_processors([])

    def flush() -> None:
        own.force_flush()
        producer.flush(30.0)

    ways = {
        "bare": processors,
        "traced": lambda: processors(own),
        "hooked": lambda: processors(own, hook),
    }
    print_steps(run, ways, flush)
    assert producer.dropped == 0
    producer.close()


ROWS: Final = (
    hook_row(
        "hook-openai-agents",
        "the OpenAI Agents SDK",
        "openai-agents",
        "benchmarks.hooks.openai_agents",
        "its batch processor, whose exporter does nothing,",
    ),
)

if __name__ == "__main__":
    main()
