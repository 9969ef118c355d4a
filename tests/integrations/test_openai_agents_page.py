"""docs/integrations/openai-agents.md: its program runs as it stands, with a script in the place of the network."""

from tests.support.pages import ROOT, blocks
from tests.support.processes import Pipeline

[_PROGRAM] = blocks(ROOT / "docs" / "integrations" / "openai-agents.md")

#: What a machine without a key needs in front of it.
_OFFLINE = """
import os
os.environ.pop("OPENAI_API_KEY", None)
from agents import set_default_openai_client
from tests.support.scripted_openai import call, responses_model, text
model = responses_model(
    [call("search_flights", '{"to":"Oslo"}')], [call("book", '{"flight":"Monday to Oslo"}')], [text("Sold out.")]
)
set_default_openai_client(model._client, use_for_tracing=False)
"""


def test_the_program_reports_its_run(own_pipeline: Pipeline) -> None:
    """What it prints is the run's output, and its failed booking is told with the error."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")

    done = own_pipeline.run_program(_OFFLINE + _PROGRAM)

    assert "Sold out.\n" == done.stdout, done.stderr
    own_pipeline.wait_until_idle()
    [summary] = own_pipeline.summaries.each()
    run = own_pipeline.runs.get(summary.run_id)
    assert run is not None
    assert [("Call search_flights", True), ("Call book", False), ("Answer", True)] == [
        (decision.intent, decision.was_successful) for decision in run.decisions
    ]
    assert run.decisions[1].outcome is not None
    assert "Monday to Oslo is sold out" == run.decisions[1].outcome.error
    assert "Agent-workflow" == run.goal_id
    assert ("completed", {"output": "Sold out."}, 90) == (run.status, run.output_data, run.metrics.total_tokens)
