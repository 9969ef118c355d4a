"""What `@decision` costs a call of a function, against a span of OpenTelemetry around it, and against calls by hand.

The function takes two arguments and returns at once.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from benchmarks.child import in_turn, measured_in_child, median
from benchmarks.figures import Kind, Row
from runweaver.producer import Producer, decision

_BLOCKS: Final = 40
_CALLS_A_BLOCK: Final = 300
_FLUSH_S: Final = 30.0

_AGAINST_SPAN: Final = "@decision"
_AGAINST_CALLS: Final = "the same, by hand"
_WITHOUT_RUN: Final = "@decision without a run"


def main() -> None:
    """Call all in turn, and print the medians in microseconds."""
    producer = Producer(name="bench")
    in_span, flush_spans = _in_span()
    run = producer.start_run("bench")

    @decision("Look the customer up", node_id="crm")
    def decided(customer: str, region: str) -> dict[str, str]:
        return _look_up(customer, region)

    def by_hand() -> None:
        option = {
            "id": "look_up",
            "description": "look_up",
            "action_params": {"customer": "ada", "region": "eu"},
        }
        decision_id = run.decide("Look the customer up", [option], "look_up", node_id="crm")
        result = _look_up("ada", "eu")
        run.record_outcome(decision_id, success=True, result=result, latency_ms=0.1)

    def in_run() -> None:
        with run.as_current():
            decided("ada", "eu")

    def send_all() -> None:
        producer.flush(_FLUSH_S)
        flush_spans()

    took_us = in_turn(
        {
            "decided": in_run,
            "by hand": by_hand,
            "span": lambda: in_span("ada", "eu"),
            "without": lambda: decided("ada", "eu"),
        },
        send_all,
        blocks=int(sys.argv[1]),
        calls_a_block=_CALLS_A_BLOCK,
    )
    run.end()
    assert producer.dropped == 0
    producer.close()
    took = {name: median(its) for name, its in took_us.items()}
    pairs = {
        _AGAINST_SPAN: (took["decided"], took["span"]),
        _AGAINST_CALLS: (took["decided"], took["by hand"]),
        _WITHOUT_RUN: (took["without"], took["span"]),
    }
    print(json.dumps(pairs))


def _look_up(customer: str, region: str) -> dict[str, str]:
    return {"name": customer, "region": region}


def _in_span() -> tuple[Callable[[str, str], dict[str, str]], Callable[[], Any]]:
    """The function in a span that has its arguments and its result, and what sends all spans that were ended."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - it need not be installed
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    def export(_exporter: Any, _spans: Sequence[Any]) -> Any:
        return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(type("Discarding", (SpanExporter,), {"export": export})()))
    tracer = provider.get_tracer("bench")

    def in_span(customer: str, region: str) -> dict[str, str]:
        arguments = json.dumps({"customer": customer, "region": region})
        with tracer.start_as_current_span("look_up", attributes={"arguments": arguments}) as span:
            result = _look_up(customer, region)
            span.set_attribute("result", json.dumps(result))
            return result

    return in_span, provider.force_flush


ROWS: Final = (
    Row(
        "hook-plain-python",
        "a call of a function with @decision in a run, against an OpenTelemetry span around it with its arguments and "
        "its result, and against decide() and record_outcome() by hand; and where no run is going on",
        (
            Kind(_AGAINST_SPAN, "µs", "span"),
            Kind(_AGAINST_CALLS, "µs", "by hand"),
            Kind(_WITHOUT_RUN, "µs", "span"),
        ),
        measured_in_child(
            "benchmarks.hooks.plain_python",
            (_AGAINST_SPAN, _AGAINST_CALLS, _WITHOUT_RUN),
            blocks=_BLOCKS,
            packages=["opentelemetry-sdk"],
        ),
    ),
)

if __name__ == "__main__":
    main()
