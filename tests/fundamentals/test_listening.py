"""Who listens hears of each run as soon as it is summarised, and can stop and go on at any time."""

from itertools import islice

from tests.support.messages import Script
from tests.support.processes import Pipeline


def _end(pipeline: Pipeline, run_id: str, goal: str = "goal") -> None:
    script = Script(run_id)
    pipeline.send(script.started(goal), script.decision("d"), script.outcome("d"), script.ended())


def test_runs_are_heard_of_as_they_end(own_pipeline: Pipeline) -> None:
    """Only those that one asks for; whoever goes on from a place hears what came while nobody listened."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    with own_pipeline.summaries.subscribe(goal="mine") as subscription:
        for run_id, goal in (("a", "mine"), ("b", "another"), ("c", "mine")):
            _end(own_pipeline, run_id, goal)
            own_pipeline.summary(run_id)
        assert ["a", "c"] == [summary.run_id for summary in islice(subscription, 2)]
        place = subscription.place
    _end(own_pipeline, "d", "mine")
    own_pipeline.summary("d")

    with own_pipeline.summaries.subscribe(goal="mine", after=place) as subscription:
        assert "d" == next(subscription).run_id


def test_late_news_of_a_run_is_news(own_pipeline: Pipeline) -> None:
    """A new revision of a summary is heard of, too."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    with own_pipeline.summaries.subscribe() as subscription:
        _end(own_pipeline, "run")
        first = next(subscription)
        own_pipeline.send(Script("run", producer="late").problem("p"))
        second = next(subscription)

    assert [("run", 1, 0), ("run", 2, 1)] == [
        (each.run_id, each.revision, each.problem_count) for each in (first, second)
    ]
