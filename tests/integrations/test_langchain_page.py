"""docs/integrations/langchain.md: its program runs as it stands."""

from tests.support.pages import ROOT, blocks
from tests.support.processes import Pipeline

[_PROGRAM] = blocks(ROOT / "docs" / "integrations" / "langchain.md")


def test_the_program_reports_its_run(own_pipeline: Pipeline) -> None:
    """What it prints is its answer, and its failed booking is told with the error."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")

    done = own_pipeline.run_program(_PROGRAM)

    assert "Monday to Oslo is sold out.\n" == done.stdout, done.stderr
    own_pipeline.wait_until_idle()
    [summary] = own_pipeline.summaries.each()
    run = own_pipeline.runs.get(summary.run_id)
    assert run is not None
    assert [("call-1", "model", True), ("call-2", "model", False)] == [
        (decision.id, decision.node_id, decision.was_successful) for decision in run.decisions[:2]
    ]
    assert run.decisions[1].outcome is not None
    assert "RuntimeError: Monday to Oslo is sold out" == run.decisions[1].outcome.error
    assert ("trip-planner", "completed") == (run.goal_id, run.status)
    assert ["__start__->model", "model->tools", "tools->model", "model->__end__"] == run.metrics.edges_traversed
