"""The indexes that lists are read from: what is written to them, and how little is read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from runweaver.query import Summaries
from runweaver.shared import AttentionFlag, RunStatus, RunSummary
from runweaver.worker.index import Indexed, indexing
from tests.support.messages import Script, summary_of
from tests.support.processes import Pipeline


@pytest.fixture
def summaries(own_pipeline: Pipeline) -> Iterator[Summaries]:
    """Five summaries of one goal."""
    found = [_summary(f"run-{number}") for number in range(5)]
    for summary in found:
        own_pipeline.redis.set(own_pipeline.keys.summary(summary.run_id), summary.model_dump_json(), ex=600)
    _add(own_pipeline, *map(_indexed, found))
    yield own_pipeline.summaries
    own_pipeline.redis.delete(*own_pipeline.redis.keys(f"{own_pipeline.namespace}:*"))


def _summary(run_id: str, status: str = "completed") -> RunSummary:
    script = Script(run_id)
    return summary_of([script.started("goal"), script.ended(status)])


def _indexed(summary: RunSummary, replaced: RunSummary | None = None) -> Indexed:
    return Indexed(summary, datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000, replaced)


def _add(pipeline: Pipeline, *entries: Indexed) -> None:
    for command in indexing(pipeline.keys, entries):
        pipeline.redis.execute_command(*command)


@pytest.mark.usefixtures("summaries")
def test_of_two_revisions_written_together_the_later_counts(own_pipeline: Pipeline) -> None:
    """A job may name a run twice, and find messages that came in between."""
    completed, failed = _summary("run-0"), _summary("run-0", "failed")

    _add(own_pipeline, _indexed(failed, completed), _indexed(completed, failed), _indexed(failed, completed))

    keys, redis = own_pipeline.keys, own_pipeline.redis
    assert [b"run-0"] == redis.zrange(keys.index_status(RunStatus.FAILED), 0, -1)
    assert b"run-0" not in redis.zrange(keys.index_status(RunStatus.COMPLETED), 0, -1)
    assert [b"run-0"] == redis.zrange(keys.index_goal_status("goal", RunStatus.FAILED), 0, -1)
    assert 5 == redis.zcard(keys.index_all)


def test_a_page_is_read_without_the_next_one(summaries: Summaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one summary more than it shows, which tells whether there are more."""
    asked: list[int] = []
    mget = summaries._client.mget

    def counted(keys: list[str]) -> Any:
        asked.append(len(keys))
        return mget(keys)

    monkeypatch.setattr(summaries._client, "mget", counted)
    page = summaries.list(goal="goal", limit=2)

    assert ["run-4", "run-3"] == [summary.run_id for summary in page.items]
    assert page.next_cursor is not None
    assert [3] == asked


@pytest.mark.usefixtures("summaries")
def test_what_an_earlier_release_left_in_the_indexes_goes_with_the_next_revision(own_pipeline: Pipeline) -> None:
    """It knew no attention: where it summarised a run anew, it did not take it out of the indexes of flags."""
    keys, redis = own_pipeline.keys, own_pipeline.redis
    redis.zadd(keys.index_attention(AttentionFlag.MISSING), {"run-0": 1})
    summary = _summary("run-0")
    of_earlier = RunSummary.model_validate(summary.model_dump(exclude={"attention", "evidence"}))

    _add(own_pipeline, _indexed(summary, summary))
    assert 1 == redis.zcard(keys.index_attention(AttentionFlag.MISSING))
    _add(own_pipeline, _indexed(summary, of_earlier))

    assert 0 == redis.zcard(keys.index_attention(AttentionFlag.MISSING))
