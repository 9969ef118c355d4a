"""A look at the open runs shows what they do, and reads no more than it says."""

from datetime import UTC, datetime

import pytest
import redis

from runweaver.query import Look, OpenRuns
from runweaver.query.open_runs import MESSAGES_A_LOOK, MOST_MESSAGES, MOST_RUNS
from tests.support.announcing import store
from tests.support.messages import Script
from tests.support.processes import Pipeline


def _open(pipeline: Pipeline, run_id: str, *, steps: int = 2, goal: str = "goal", at_s: float = 1) -> Script:
    script = Script(run_id)
    script.started(goal)
    script.steps(steps)
    store(pipeline, script, at_s=at_s)
    return script


def _counts(look: Look) -> dict[str, int | None]:
    return {each.run_id: each.run.metrics.total_decisions if each.run else None for each in look.runs}


def _reads(client: redis.Redis) -> int:
    """How often a whole hash was read so far."""
    return int(client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"])


def test_it_shows_what_goes_on(own_pipeline: Pipeline) -> None:
    """Those last heard of first, each folded as it stands; only running ones, or only those of a goal."""
    _open(own_pipeline, "a", steps=4, at_s=1)
    _open(own_pipeline, "b", goal="another", at_s=2)
    ended = _open(own_pipeline, "ended", at_s=3)
    ended.ended()
    store(own_pipeline, ended, at_s=3)
    runs = OpenRuns(own_pipeline.url, namespace=own_pipeline.namespace)

    look = runs.look()

    assert {"b": 1, "a": 2} == _counts(look)
    assert ["b", "a"] == [each.run_id for each in look.runs]
    assert datetime.fromtimestamp(2, UTC) == look.runs[0].heard_at
    assert 3 == look.total
    assert abs(look.at - datetime.now(UTC)).total_seconds() < 60
    assert {"b": 1} == _counts(runs.look(goal="another"))


def test_only_what_has_changed_is_read_again(own_pipeline: Pipeline) -> None:
    """A run that nothing was heard of costs nothing; one that got more shows it; one that is gone is shown no more."""
    script = _open(own_pipeline, "a")
    _open(own_pipeline, "b")
    runs = OpenRuns(own_pipeline.url, namespace=own_pipeline.namespace)
    runs.look()
    before = _reads(own_pipeline.redis)

    assert {"a": 1, "b": 1} == _counts(runs.look())
    assert before == _reads(own_pipeline.redis)
    script.steps(2)
    script.decision("more")
    store(own_pipeline, script, at_s=2)
    assert {"a": 2, "b": 1} == _counts(runs.look())
    assert before + 1 == _reads(own_pipeline.redis)
    own_pipeline.redis.zrem(own_pipeline.keys.active(0), "b")
    own_pipeline.redis.delete(own_pipeline.keys.run("b"))
    assert ["a"] == [each.run_id for each in runs.look().runs]


def test_a_large_run_is_counted_and_not_read(own_pipeline: Pipeline) -> None:
    """What was known of it before it grew is still shown."""
    small = _open(own_pipeline, "grows")
    large = _open(own_pipeline, "large", steps=MOST_MESSAGES)
    runs = OpenRuns(own_pipeline.url, namespace=own_pipeline.namespace)
    assert {"grows": 1, "large": None} == _counts(runs.look())
    small.steps(MOST_MESSAGES)
    store(own_pipeline, small, at_s=2)
    before = _reads(own_pipeline.redis)

    look = runs.look()

    assert {"grows": 1, "large": None} == _counts(look)
    assert {"grows": len(small.written), "large": len(large.written)} == {
        each.run_id: each.messages for each in look.runs
    }
    assert before == _reads(own_pipeline.redis)
    assert [] == runs.look(goal="unknown").runs


def test_many_runs_are_read_bit_by_bit(own_pipeline: Pipeline) -> None:
    """A look reads so many messages and no more; after some looks all runs have been read."""
    for number in range(4):
        _open(own_pipeline, f"run-{number}", steps=MOST_MESSAGES - 1)
    runs = OpenRuns(own_pipeline.url, namespace=own_pipeline.namespace)
    in_one = MESSAGES_A_LOOK // MOST_MESSAGES

    known = [sum(count is not None for count in _counts(runs.look()).values()) for _ in range(3)]

    assert [in_one, 4, 4] == known


def test_so_many_runs_and_no_more_are_looked_at(own_pipeline: Pipeline) -> None:
    """The others are counted."""
    own_pipeline.redis.zadd(own_pipeline.keys.active(0), {f"run-{number}": number for number in range(MOST_RUNS + 5)})

    look = OpenRuns(own_pipeline.url, namespace=own_pipeline.namespace).look()

    assert (MOST_RUNS, MOST_RUNS + 5) == (len(look.runs), look.total)
    own_pipeline.redis.delete(own_pipeline.keys.active(0))


@pytest.mark.parametrize("damage", ["no hash", "no message"])
def test_a_run_that_cannot_be_read_does_not_hide_the_others(own_pipeline: Pipeline, damage: str) -> None:
    """It is shown with what is known of it."""
    _open(own_pipeline, "good")
    key = own_pipeline.keys.run("bad")
    if damage == "no hash":
        own_pipeline.redis.set(key, "odd", ex=600)
    else:
        own_pipeline.redis.hset(key, "p/0", "{")
        own_pipeline.redis.expire(key, 600)
    own_pipeline.redis.zadd(own_pipeline.keys.active(0), {"bad": 5})

    assert {"bad": None, "good": 1} == _counts(OpenRuns(own_pipeline.url, namespace=own_pipeline.namespace).look())
    own_pipeline.redis.zrem(own_pipeline.keys.active(0), "bad")
