"""A run that falls silent is summarised as stuck, and comes back when it is heard of again."""

from runweaver.shared import RunStatus
from tests.support.messages import Script, summary_of, without_history
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


def _status(pipeline: Pipeline, run_id: str) -> RunStatus:
    run = pipeline.runs.get(run_id)
    assert run is not None
    return run.status


def test_a_silent_run_is_stuck_until_it_is_heard_of_again(own_pipeline: Pipeline) -> None:
    """Stuck is the first revision; while it goes on again it is running; its end is the next revision."""
    own_pipeline.start("worker", RUNWEAVER_STUCK_AFTER_S="0.5")
    own_pipeline.start("finalizer")
    script = Script("run")

    own_pipeline.send(script.started(), script.decision("d", "Think"))
    stuck = own_pipeline.summary("run")
    assert (RunStatus.STUCK, 1, 1) == (stuck.status, stuck.revision, stuck.pending_decisions)
    assert 1000 == stuck.duration_ms
    assert stuck.narrative.startswith("Run got stuck. Made 1 decisions: 0 succeeded, 0 failed.")
    assert "Still pending: [node] Think." in stuck.narrative
    wait_until(lambda: not own_pipeline.redis.zcard(own_pipeline.keys.active(0)), what="nobody waits for it")
    assert RunStatus.STUCK == _status(own_pipeline, "run")

    own_pipeline.send(script.outcome("d"))
    wait_until(lambda: _status(own_pipeline, "run") == RunStatus.RUNNING, what="running")
    own_pipeline.send(script.ended())
    ended = own_pipeline.summary("run", revision=2)

    assert summary_of(script.written) == without_history(ended)
    assert (RunStatus.COMPLETED, 0) == (ended.status, ended.completeness.late)
    assert [] == own_pipeline.summaries.list(status="stuck").items
    assert ["run"] == [each.run_id for each in own_pipeline.summaries.list(status="completed").items]


def test_a_heartbeat_keeps_a_run_from_being_stuck(own_pipeline: Pipeline) -> None:
    """One run sends them, another does not."""
    own_pipeline.start("worker", RUNWEAVER_STUCK_AFTER_S="1.5")
    own_pipeline.start("finalizer")
    alive, silent = Script("alive"), Script("silent")
    own_pipeline.send(alive.started(), silent.started())

    def is_silent_stuck() -> bool:
        own_pipeline.send(alive.heartbeat())
        return own_pipeline.summaries.get("silent") is not None

    wait_until(is_silent_stuck, what="the silent run is stuck")

    assert own_pipeline.summaries.get("alive") is None
    assert RunStatus.RUNNING == _status(own_pipeline, "alive")
