"""How long `decide()` keeps an agent's thread, against a span of OpenTelemetry that says the same.

Both are called in one process, a block of calls of each in turn. Between blocks is a pause in which both send what they
have, so that neither queue is ever full.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.machine import version
from benchmarks.messages import message_of
from benchmarks.processes import ROOT, fresh_site
from benchmarks.quantiles import quantile
from runweaver.producer import Producer

_PACKAGE: Final = "opentelemetry-sdk"
_BLOCKS: Final = 40
#: More than a batch of either, so that both send in the background while they are called; less than either queue takes.
_CALLS_A_BLOCK: Final = 600
_PAUSE_S: Final = 0.1
_FLUSH_S: Final = 30.0

_DECISION: Final[dict[str, Any]] = message_of(0, 1, 4)["decision"]
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


def _measure(scale: float) -> Rounds:
    command = [sys.executable, "-m", "benchmarks.producer_span", str(max(1, int(_BLOCKS * scale)))]
    while True:
        if not version(_PACKAGE):
            yield dict.fromkeys(_QUANTILES, f"{_PACKAGE} is not installed")
            continue
        with fresh_site() as site:
            environment = site.processes.environment
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        yield {name: Pair(*pair) for name, pair in json.loads(done.stdout).items()}


def main() -> None:
    """Call both in turn, and print the quantiles in microseconds."""
    producer = Producer(name="bench")
    start_span, flush_spans = _spans()
    with producer.start_run("bench") as run:

        def decide() -> None:
            run.decide(
                _DECISION["intent"],
                _DECISION["options"],
                _DECISION["chosen_option_id"],
                _DECISION["reasoning"],
                node_id=_DECISION["node_id"],
                decision_type=_DECISION["decision_type"],
                input_context=_DECISION["input_context"],
            )

        def send_all() -> None:
            producer.flush(_FLUSH_S)
            flush_spans()
            time.sleep(_PAUSE_S)

        ours_ns, others_ns = _interleaved(decide, start_span, send_all, blocks=int(sys.argv[1]))
    assert producer.dropped == 0
    producer.close()
    print(json.dumps({name: _pair(ours_ns, others_ns, share) for name, share in _QUANTILES.items()}))


def _interleaved(
    ours: Callable[[], None], others: Callable[[], None], pause: Callable[[], None], *, blocks: int
) -> tuple[list[int], list[int]]:
    took_ns: tuple[list[int], list[int]] = ([], [])
    for call in (ours, others):
        _timed(call)  # what is done once is not what is measured
    for _ in range(blocks):
        for call, took in zip((ours, others), took_ns, strict=True):
            took.extend(_timed(call))
            pause()
    return took_ns


def _timed(call: Callable[[], None]) -> list[int]:
    took_ns = []
    for _ in range(_CALLS_A_BLOCK):
        began_ns = time.perf_counter_ns()
        call()
        took_ns.append(time.perf_counter_ns() - began_ns)
    return took_ns


def _pair(ours_ns: Sequence[int], others_ns: Sequence[int], share: float) -> tuple[float, float]:
    return quantile(ours_ns, share) / 1000, quantile(others_ns, share) / 1000


def _spans() -> tuple[Callable[[], None], Callable[[], Any]]:
    """What starts and ends a span, and what sends all that were ended."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - it need not be installed
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    def export(_exporter: Any, _spans: Sequence[Any]) -> Any:
        return SpanExportResult.SUCCESS

    discarding = type("Discarding", (SpanExporter,), {"export": export})
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(discarding()))
    tracer = provider.get_tracer("bench")

    def start_span() -> None:
        attributes = {
            "intent": _DECISION["intent"],
            "options": json.dumps(_DECISION["options"]),
            "chosen_option_id": _DECISION["chosen_option_id"],
            "reasoning": _DECISION["reasoning"],
            "node_id": _DECISION["node_id"],
            "decision_type": _DECISION["decision_type"],
            "input_context": json.dumps(_DECISION["input_context"]),
        }
        tracer.start_span("decide", attributes=attributes).end()

    return start_span, provider.force_flush


ROWS: Final = (
    Row(
        "producer",
        "decide() with 2 options on the agent's thread, redaction on, against an OpenTelemetry span that says the same",
        (
            Kind("p50", "µs", "span", at_most(0.5)),
            Kind("p99", "µs", "span", at_most(1)),
        ),
        _measure,
    ),
)

if __name__ == "__main__":
    main()
