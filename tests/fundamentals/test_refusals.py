"""A server that is there and takes nothing: each reason is told as what it is, and nothing is lost."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from runweaver.producer import Producer
from runweaver.producer.trouble import BacklogError, Trouble, diagnose
from runweaver.shared import ProducerSettings
from runweaver.shared.replies import as_entries
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

Change = Callable[[redis.Redis, Server], object]


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that the test may spoil. It saves its data as soon as there is any."""
    with Server(save="1 1") as server:
        yield server


def _messages_in(client: redis.Redis, stream: str) -> int:
    return sum(len(fields) for _, fields in as_entries(client.xrange(stream)))


def _no_memory(client: redis.Redis, _server: Server) -> None:
    client.config_set("maxmemory", "1")


def _memory(client: redis.Redis, _server: Server) -> None:
    client.config_set("maxmemory", "0")


def _replica(client: redis.Redis, _server: Server) -> None:
    client.replicaof("127.0.0.1", 1)


def _primary(client: redis.Redis, _server: Server) -> None:
    client.replicaof("NO", "ONE")


def _password(client: redis.Redis, _server: Server) -> None:
    client.config_set("requirepass", "secret")
    client.execute_command("AUTH", "secret")
    # Those who are in stay in.
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def _no_password(client: redis.Redis, _server: Server) -> None:
    client.config_set("requirepass", "")


def _forbidden(client: redis.Redis, _server: Server) -> None:
    client.execute_command("ACL", "SETUSER", "default", "-xadd")


def _allowed(client: redis.Redis, _server: Server) -> None:
    client.execute_command("ACL", "SETUSER", "default", "+xadd")


def _no_disk(client: redis.Redis, server: Server) -> None:
    shutil.rmtree(server.directory)
    client.set("something", "to save")

    def fails() -> bool:
        time.sleep(0.1)
        return bool(client.info("persistence")["rdb_last_bgsave_status"] != "ok")

    wait_until(fails, timeout_s=30, what="a save that fails")


def _disk(client: redis.Redis, _server: Server) -> None:
    client.config_set("stop-writes-on-bgsave-error", "no")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((_no_memory, _memory), "is out of memory"),
        ((_replica, _primary), "is a replica"),
        ((_password, _no_password), "refused the user or the password"),
        ((_forbidden, _allowed), "may not do this"),
        ((_no_disk, _disk), "cannot write to its disk"),
    ],
    ids=["OOM", "READONLY", "NOAUTH", "NOPERM", "MISCONF"],
)
def test_a_server_that_refuses(
    own_server: Server,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    changes: tuple[Change, Change],
    says: str,
) -> None:
    """The log says what it is; when that is mended, all that was recorded arrives. No payload is in the log."""
    spoil, mend = changes
    monkeypatch.setattr(Trouble, "pause_s", lambda *_: 0.05)
    with (
        own_server.client() as client,
        Producer(settings=ProducerSettings(redis_url=own_server.url)) as producer,
    ):
        run = producer.start_run("refused")
        assert producer.flush(5)
        spoil(client, own_server)
        for number in range(10):
            run.quick_decision(f"private {number}", "Go")
        wait_until(lambda: says in caplog.text, what=says)
        assert not producer.flush(0.1)

        mend(client, own_server)
        assert producer.flush(30)
        assert 11 <= _messages_in(client, "rw:messages:{0}")
    assert "private" not in caplog.text


@pytest.mark.parametrize(
    ("error", "first_s", "longest_s"),
    [
        (redis.exceptions.ConnectionError("refused"), 0.1, 5.0),
        (redis.exceptions.TimeoutError("timed out"), 0.1, 5.0),
        (redis.exceptions.BusyLoadingError("LOADING"), 0.5, 1.0),
        (redis.exceptions.ReadOnlyError("READONLY"), 0.1, 2.0),
        (redis.exceptions.AuthenticationError("NOAUTH"), 5.0, 30.0),
        (redis.exceptions.NoPermissionError("NOPERM"), 5.0, 30.0),
        (redis.exceptions.OutOfMemoryError("OOM"), 1.0, 5.0),
        (redis.exceptions.ResponseError("MISCONF"), 1.0, 5.0),
        (BacklogError("too many"), 1.0, 5.0),
        (OSError("odd"), 1.0, 5.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_how_soon_to_try_again(error: Exception, first_s: float, longest_s: float) -> None:
    """What may be over in a moment is tried soon; what somebody has to mend is left alone for longer."""
    trouble = diagnose(error, "redis://host:6379/0")

    assert (first_s, longest_s) == (trouble.pause_s(0), trouble.pause_s(1_000_000))


def test_producers_wait_where_the_workers_are_far_behind(
    own_pipeline: Pipeline, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A stream grows about as long as it may; the rest waits on the producer's side until workers have come."""
    settings = own_pipeline.producer_settings.model_copy(update={"max_backlog": 2_000, "spool_dir": tmp_path})
    runs = []
    with Producer(settings=settings) as producer:
        for _ in range(100):
            with producer.start_run("behind") as run:
                for number in range(98):
                    run.quick_decision(f"Step {number}", "Go")
            runs.append(run.run_id)
            # Some time for the stream to fill up: it is looked at once a second.
            time.sleep(0.03)
        wait_until(lambda: "RUNWEAVER_MAX_BACKLOG" in caplog.text, what="the warning")
        assert 2_000 <= _messages_in(own_pipeline.redis, own_pipeline.keys.messages(0)) < 9_000
        assert not producer.flush(0.1)

        own_pipeline.start("worker")
        own_pipeline.start("finalizer")
        assert producer.flush(60)

    assert {(98, 0)} == {
        (summary.decision_count, summary.completeness.missing)
        for summary in (own_pipeline.summary(run_id) for run_id in runs)
    }


def test_who_may_not_look_sends_all_the_same(own_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A user that cannot see how long a stream is just does not wait."""
    with own_server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-xlen")
        with Producer(settings=ProducerSettings(redis_url=own_server.url, max_backlog=1)) as producer:
            producer.start_run("unseen").end()
            assert producer.flush(10)

    assert 1 == caplog.text.count("not allowed to see how many messages wait")
