"""Runs so large that the sweep asks for them again before they are summarised."""

import pytest

from runweaver.shared import FinalizerSettings, Run, connect
from runweaver.shared.archive import StoredRun
from runweaver.worker import JobQueue, PlainNarrator, Story
from runweaver.worker.finalize import Finalizer
from tests.support.messages import Script
from tests.support.processes import Pipeline


class _AskedAgain(PlainNarrator):
    """The sweep comes while the run is told."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def narrate(self, run: Run) -> Story:
        self._pipeline.redis.zincrby(self._pipeline.keys.due(0), 30_000, run.id)
        return super().narrate(run)


def test_a_run_that_was_asked_for_meanwhile_is_not_folded_again(
    own_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its second look would take as long as the first, the sweep would come again, and so on for ever."""
    script = Script("run")
    worker = own_pipeline.start("worker")
    own_pipeline.send(script.started(), *script.steps(4), script.ended())
    own_pipeline.wait_until_merged()
    own_pipeline.stop(worker)
    client = connect(own_pipeline.url, name="test")
    finalizer = Finalizer(
        client,
        JobQueue(client, own_pipeline.keys),
        own_pipeline.keys,
        narrator=_AskedAgain(own_pipeline),
        settings=FinalizerSettings(redis_url=own_pipeline.url, namespace=own_pipeline.namespace),
    )
    finalizer.finalize(["run"], settled=True)
    assert own_pipeline.is_due("run")

    monkeypatch.setattr(StoredRun, "fold", None)
    finalizer.finalize(["run"], settled=True)

    assert not own_pipeline.is_due("run")
    assert 1 == own_pipeline.summary("run").revision
    client.close()
