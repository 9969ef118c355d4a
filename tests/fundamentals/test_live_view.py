"""A run can be read while it goes on; what is shown then and what is summarised later agree."""

from runweaver.producer import Producer
from runweaver.shared import RunStatus
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


def test_a_running_run_is_there_at_once(pipeline: Pipeline, producer: Producer) -> None:
    """With what has happened so far, and among the running ones."""
    run = producer.start_run("live")
    run.quick_decision("Begin", "Go")

    found = wait_until(lambda: pipeline.runs.get(run.run_id), what="the run is there")

    assert found is not None
    assert (RunStatus.RUNNING, ["Begin"]) == (found.status, [each.intent for each in found.decisions])
    assert run.run_id in [each.id for each in pipeline.runs.running()]
    run.end()
    pipeline.summary(run.run_id)
    wait_until(lambda: run.run_id not in [each.id for each in pipeline.runs.running()], what="it runs no more")


def test_live_and_finished_agree(own_pipeline: Pipeline) -> None:
    """The same messages give the same run, whether they lie in the live set, in the archive or in both."""
    script = Script("run")
    own_pipeline.start("worker", RUNWEAVER_SETTLE_S="1000")
    messages = [script.started(), *script.steps(30), script.ended(declare=False)]
    own_pipeline.send(*messages)
    own_pipeline.wait_until_merged()
    live = own_pipeline.runs.get("run")

    own_pipeline.start("finalizer")
    own_pipeline.jobs.finalize(["run"], settled=True)
    own_pipeline.summary("run")
    own_pipeline.send(*messages[:5])
    own_pipeline.wait_until_merged()
    finished = own_pipeline.runs.get("run")

    assert live is not None
    assert finished is not None
    assert live.model_copy(update={"narrative": finished.narrative}) == finished


def test_nothing_is_known_of_a_run_that_never_was(pipeline: Pipeline) -> None:
    """Neither a summary nor a run."""
    assert pipeline.summaries.get("never") is None
    assert pipeline.runs.get("never") is None
