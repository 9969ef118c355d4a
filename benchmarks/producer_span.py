"""How long `decide()` keeps an agent's thread, against a span of OpenTelemetry that says the same.

Both are called in one process, a block of calls of each in turn. Between blocks is a pause in which both send what they
have, so that neither queue is ever full.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmarks.child import in_turn, measured_in_child
from benchmarks.figures import Kind, Row, at_most
from benchmarks.messages import message_of
from benchmarks.quantiles import quantile
from runweaver.producer import Producer

_BLOCKS: Final = 40
#: More than a batch of either, so that both send in the background while they are called; less than either queue takes.
_CALLS_A_BLOCK: Final = 600
_FLUSH_S: Final = 30.0

_DECISION: Final[dict[str, Any]] = message_of(0, 1, 4)["decision"]
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


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

        took_us = in_turn(
            {"decide": decide, "span": start_span},
            send_all,
            blocks=int(sys.argv[1]),
            calls_a_block=_CALLS_A_BLOCK,
        )
    assert producer.dropped == 0
    producer.close()
    pairs = {name: [quantile(took_us[call], share) for call in took_us] for name, share in _QUANTILES.items()}
    print(json.dumps(pairs))


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
        measured_in_child(
            "benchmarks.producer_span", tuple(_QUANTILES), blocks=_BLOCKS, packages=["opentelemetry-sdk"]
        ),
    ),
)

if __name__ == "__main__":
    main()
