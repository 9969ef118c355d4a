"""A subscription gives each new summary once, whatever happens to it, to its server and to what it reads."""

import threading
from collections.abc import Iterator

import pytest
import redis

from runweaver.query import BEGINNING, Subscription, Summaries
from runweaver.query.subscription import MOST_AT_ONCE
from runweaver.shared import InvalidArgumentError, MissedSummariesError, RunStatus, ServerUnreachableError
from runweaver.shared.attention import Attention, AttentionFlag
from runweaver.shared.replies import as_entries
from tests.support.announcing import summary, tell
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


def _kept(pipeline: Pipeline) -> list[str]:
    return [place for place, _ in as_entries(pipeline.redis.xrange(pipeline.keys.finished))]


def _ids(subscription: Subscription, count: int) -> list[str]:
    return [next(subscription).run_id for _ in range(count)]


def _rest(subscription: Subscription) -> list[str]:
    return [each.run_id for each in subscription.read(0.1)]


def test_it_begins_now(own_pipeline: Pipeline) -> None:
    """What was written before is not given, what comes then is, in order."""
    tell(own_pipeline, summary("before"))
    with own_pipeline.summaries.subscribe() as subscription:
        tell(own_pipeline, summary("a"), summary("b"))

        assert ["a", "b"] == _ids(subscription, 2)
        assert [] == _rest(subscription)


def test_it_goes_on_after_a_place(own_pipeline: Pipeline) -> None:
    """The place of the summary that was handed out last, also with another object: nothing twice, nothing missed."""
    names = [f"run-{number:03}" for number in range(2 * MOST_AT_ONCE + 10)]
    tell(own_pipeline, *map(summary, names))
    place, told = BEGINNING, []
    for count in (1, 5, MOST_AT_ONCE, 3, MOST_AT_ONCE + 1):
        with own_pipeline.summaries.subscribe(after=place) as subscription:
            told += _ids(subscription, count)
            place = subscription.place

    assert names == told


def test_a_place_passes_over_what_was_not_wanted(own_pipeline: Pipeline) -> None:
    """After a read that gave nothing, going on does not look at the same announcements again."""
    tell(own_pipeline, summary("a"), summary("b"))
    with own_pipeline.summaries.subscribe(after=BEGINNING, goal="another") as subscription:
        assert [] == _rest(subscription)
        assert _kept(own_pipeline)[-1] == subscription.place


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"goal": "x"}, ["x-failed", "x-loop"]),
        ({"status": "failed"}, ["x-failed"]),
        ({"status": RunStatus.COMPLETED, "goal": "x"}, ["x-loop"]),
        ({"attention": "loop"}, ["x-loop"]),
        ({"attention": AttentionFlag.SLOW}, []),
    ],
    ids=str,
)
def test_filters_go_together(own_pipeline: Pipeline, wanted: dict[str, str], expected: list[str]) -> None:
    """A summary has to match them all."""
    loop = Attention(flag=AttentionFlag.LOOP, reason="Three times the same.", value=3, threshold=2)
    tell(
        own_pipeline,
        summary("x-failed", goal="x", status="failed"),
        summary("x-loop", goal="x").model_copy(update={"attention": [loop]}),
        summary("y", goal="y"),
    )
    with own_pipeline.summaries.subscribe(after=BEGINNING, **wanted) as subscription:
        assert expected == _rest(subscription)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"after": place} for place in ("", "x", "1", "1-", "-1", "99999999999999999999-0", "1-1\n")),
        *({"status": status} for status in ("running", "no-such")),
        {"attention": "no-such"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_told_at_once(own_pipeline: Pipeline, wrong: dict[str, str]) -> None:
    """With the value, before anything is waited for."""
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        own_pipeline.summaries.subscribe(**wrong)


def test_an_announcement_that_is_repeated_is_told_once(own_pipeline: Pipeline) -> None:
    """A finalizer that died between two steps announces the same revision again."""
    tell(own_pipeline, summary("a"), summary("a"), summary("b"))
    with own_pipeline.summaries.subscribe(after=BEGINNING) as subscription:
        assert ["a", "b"] == _rest(subscription)
        tell(own_pipeline, summary("a"))
        assert [] == _rest(subscription)


def test_of_several_revisions_the_newest_is_told(own_pipeline: Pipeline) -> None:
    """Older ones are kept no more; a revision that comes later is told then."""
    tell(own_pipeline, summary("a"), summary("b"), summary("a", revision=2))
    with own_pipeline.summaries.subscribe(after=BEGINNING) as subscription:
        assert [("b", 1), ("a", 2)] == [(each.run_id, each.revision) for each in subscription.read(0.1)]
        tell(own_pipeline, summary("a", revision=3))
        assert 3 == next(subscription).revision


def test_what_cannot_be_read_does_not_hold_up_the_others(
    own_pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """Summaries that have expired or are none, and announcements that are none, are left out."""
    tell(own_pipeline, summary("expired"), summary("broken"))
    own_pipeline.redis.delete(own_pipeline.keys.summary("expired"))
    own_pipeline.redis.set(own_pipeline.keys.summary("broken"), "{", ex=600)
    for fields in ({"odd": b"1"}, {"run_id": b"a", "revision": b"x"}, {"run_id": b"\xff", "revision": b"1"}):
        own_pipeline.redis.xadd(own_pipeline.keys.finished, fields)  # type: ignore[arg-type]
    tell(own_pipeline, summary("good"))
    with own_pipeline.summaries.subscribe(after=BEGINNING) as subscription:
        assert ["good"] == _rest(subscription)

    assert 2 == caplog.text.count("leaving out what is no announcement")
    assert 1 == caplog.text.count("leaving out a run")


def test_what_went_by_unheard_is_told(own_pipeline: Pipeline) -> None:
    """Only so many announcements are kept. The subscription says that some are gone, and goes on with the others."""
    tell(own_pipeline, summary("heard"))
    with own_pipeline.summaries.subscribe(after=BEGINNING) as subscription:
        assert ["heard"] == _ids(subscription, 1)
        place = subscription.place
    tell(own_pipeline, *(summary(f"missed-{number}") for number in range(3)), summary("kept"))
    own_pipeline.redis.xtrim(own_pipeline.keys.finished, maxlen=1, approximate=False)

    with own_pipeline.summaries.subscribe(after=place) as subscription:
        with pytest.raises(MissedSummariesError, match="may have gone by unheard") as raised:
            next(subscription)
        assert _kept(own_pipeline)[0] == raised.value.place
        assert ["kept"] == _ids(subscription, 1)
        tell(own_pipeline, summary("new"))
        assert ["new"] == _ids(subscription, 1)


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server that can be killed."""
    with Server(appendonly="yes", appendfsync="always") as server:
        yield server


def test_it_outlives_the_server(mortal: Server) -> None:
    """What is announced after the server is back is told, what was told is not told again; meanwhile it says why."""
    with Pipeline(mortal.url, "away") as away, away.summaries.subscribe() as subscription:
        tell(away, summary("before"))
        assert ["before"] == _ids(subscription, 1)
        mortal.kill()
        assert [] == _rest(subscription)
        assert isinstance(subscription.trouble, ServerUnreachableError)
        mortal.start()
        wait_until(lambda: _pings(away), what="the server being back")
        tell(away, summary("after"))

        assert ["after"] == _ids(subscription, 1)
        assert subscription.trouble is None


def _pings(pipeline: Pipeline) -> bool:
    try:
        return bool(pipeline.redis.ping())
    except redis.exceptions.ConnectionError:
        return False


def test_a_server_that_lost_everything_is_noticed(own_pipeline: Pipeline) -> None:
    """A new stream may count from below the place: that is told, and what is in it is read."""
    own_pipeline.redis.xadd(own_pipeline.keys.finished, {"run_id": "future", "revision": "1"}, id=f"{2**50}-0")
    with own_pipeline.summaries.subscribe() as subscription:
        own_pipeline.redis.delete(own_pipeline.keys.finished)
        tell(own_pipeline, summary("new"))
        with pytest.raises(MissedSummariesError):
            next(subscription)
        assert ["new"] == _ids(subscription, 1)


def test_nobody_there_is_an_error_at_once() -> None:
    """A subscription that never began would wait for something that may never be."""
    with pytest.raises(ServerUnreachableError):
        Summaries("redis://127.0.0.1:1/0").subscribe()


def test_closing_ends_the_iteration(own_pipeline: Pipeline) -> None:
    """Also from another thread, while it waits."""
    subscription = own_pipeline.summaries.subscribe()
    threading.Timer(0.1, subscription.close).start()

    assert [] == list(subscription)
    assert [] == subscription.read()
