"""The trace that a run belongs to: what is taken for one, with OpenTelemetry and without."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider

from runweaver.producer.trace_context import trace_fields
from runweaver.shared import InvalidArgumentError

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
FIELDS = {"trace_id": TRACE_ID, "span_id": SPAN_ID}

#: One of its own: tests must not set the process' provider, which can be set once only.
tracer = TracerProvider().get_tracer("test")


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-00",
        f" 00-{TRACE_ID}-{SPAN_ID}-01 ",
        f"cc-{TRACE_ID}-{SPAN_ID}-01",
        f"cc-{TRACE_ID}-{SPAN_ID}-01-what-comes-later",
    ],
)
def test_a_traceparent_names_trace_and_span(traceparent: str) -> None:
    """Sampled or not, of this version of the standard or a later one; given by itself or in a carrier."""
    assert FIELDS == trace_fields(traceparent)
    assert FIELDS == trace_fields({"traceparent": traceparent, "tracestate": "vendor=1"})


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "yes",
        TRACE_ID,
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n00",
    ],
)
def test_what_is_no_traceparent_is_refused_or_ignored(traceparent: str) -> None:
    """Given by itself it is a mistake of the agent's author; in a carrier, it may be that of somebody far away."""
    with pytest.raises(InvalidArgumentError, match=r"trace_context: .* is neither a traceparent"):
        trace_fields(traceparent)

    assert {} == trace_fields({"traceparent": traceparent})


@pytest.mark.parametrize("carrier", [{}, {"tracestate": "vendor=1"}, {"traceparent": None}, {"traceparent": b"00"}])
def test_a_carrier_without_a_traceparent_is_no_trace(carrier: dict[str, Any]) -> None:
    """Also inside of a span: who hands over a carrier says what counts."""
    with tracer.start_as_current_span("work"):
        assert {} == trace_fields(carrier)


@pytest.mark.parametrize("given", [7, b"00", ["traceparent"], object()])
def test_anything_else_is_refused(given: Any) -> None:
    """With the error that all bad arguments give."""
    with pytest.raises(InvalidArgumentError, match="trace_context"):
        trace_fields(given)


def test_the_current_span_of_opentelemetry_is_taken() -> None:
    """The innermost one, just as OpenTelemetry itself would write it down."""
    carrier: dict[str, str] = {}
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner") as span:
        inject(carrier)
        context = span.get_span_context()

        found = trace_fields(None)

    assert {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} == found
    assert trace_fields(carrier) == found


def test_without_a_span_there_is_no_trace() -> None:
    """OpenTelemetry is there, and nothing goes on."""
    assert not trace.get_current_span().get_span_context().is_valid

    assert {} == trace_fields(None)


@pytest.mark.parametrize(
    "module",
    [
        SimpleNamespace(),
        SimpleNamespace(get_current_span=lambda: 1 / 0),
        SimpleNamespace(
            get_current_span=lambda: SimpleNamespace(
                get_span_context=lambda: SimpleNamespace(trace_id=2**200, span_id=1)
            )
        ),
        SimpleNamespace(
            get_current_span=lambda: SimpleNamespace(
                get_span_context=lambda: SimpleNamespace(trace_id="7", span_id="7")
            )
        ),
    ],
    ids=["half imported", "broken", "absurd ids", "texts as ids"],
)
def test_an_odd_opentelemetry_does_not_keep_a_run_from_beginning(
    module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies where it should be: there is no trace then."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)

    assert {} == trace_fields(None)


def test_opentelemetry_need_not_be_installed() -> None:
    """A run begins without a trace, and nothing tries to import what is not there."""
    program = "import sys; sys.modules['opentelemetry'] = None\n"
    program += "from runweaver.producer.trace_context import trace_fields\n"
    program += "print(trace_fields(None), [name for name in sys.modules if name.startswith('opentelemetry.')])"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert "{} []\n" == found.stdout
