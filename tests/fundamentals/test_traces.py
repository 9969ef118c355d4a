"""A summary links to the distributed trace that its run was part of."""

import json

from opentelemetry.sdk.trace import TracerProvider

from runweaver.producer import Producer
from runweaver.shared import RunSummary
from tests.support.messages import Script
from tests.support.processes import Pipeline

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"


def test_a_run_inside_of_a_span_knows_its_trace(pipeline: Pipeline, producer: Producer) -> None:
    """With OpenTelemetry at work, an agent has to say nothing."""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span, producer.start_run("traced") as run:
        run.quick_decision("Look", "Go there")
    context = span.get_span_context()

    summary = pipeline.summary(run.run_id)

    assert f"{context.trace_id:032x}" == summary.trace_id
    assert f"{context.span_id:016x}" == summary.span_id
    found = pipeline.runs.get(run.run_id)
    assert found is not None
    assert (summary.trace_id, summary.span_id) == (found.trace_id, found.span_id)


def test_a_trace_from_elsewhere_is_handed_over(pipeline: Pipeline, producer: Producer) -> None:
    """What came with a request, say; `runweaver show` names it, or links to it where it was told how."""
    headers = {"host": "agents.example", "traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
    with producer.start_run("traced", trace_context=headers) as run:
        pass
    pipeline.summary(run.run_id)

    plain = pipeline.run("show", run.run_id)
    linked = pipeline.run("show", run.run_id, RUNWEAVER_TRACE_URL="https://t.example/{trace_id}?s={span_id}")
    listed = pipeline.run("runs", "--json")

    assert f"trace      {TRACE_ID}, span {SPAN_ID}" in plain.stdout
    assert f"https://t.example/{TRACE_ID}?s={SPAN_ID}" in linked.stdout.replace("\n", "")
    traces = {line["run_id"]: line["trace_id"] for line in map(json.loads, listed.stdout.splitlines())}
    assert TRACE_ID == traces[run.run_id]


def test_a_link_needs_a_place_for_the_trace(pipeline: Pipeline) -> None:
    """A template that would give every run the same link is a mistake."""
    shown = pipeline.run("show", "no-matter", RUNWEAVER_TRACE_URL="https://t.example/")

    assert 2 == shown.returncode
    assert "RUNWEAVER_TRACE_URL='https://t.example/': it needs {trace_id}" in shown.stderr


def test_without_a_trace_nothing_is_said_of_one(pipeline: Pipeline, producer: Producer) -> None:
    """Neither by the summary nor by what shows it."""
    with producer.start_run("untraced") as run:
        pass

    summary = pipeline.summary(run.run_id)

    assert (None, None) == (summary.trace_id, summary.span_id)
    assert "trace " not in pipeline.run("show", run.run_id).stdout


def test_of_several_starts_the_earliest_names_the_trace(pipeline: Pipeline, run_id: str) -> None:
    """As it does the goal; whole, not field by field."""
    script = Script(run_id)
    early = script.started(trace_id=TRACE_ID)
    late = script.started(trace_id="f" * 32, span_id="e" * 16)
    pipeline.send(late, early, script.ended())

    summary: RunSummary = pipeline.summary(run_id)

    assert (TRACE_ID, None) == (summary.trace_id, summary.span_id)
