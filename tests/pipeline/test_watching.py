"""What the finalizer's rule rests on: keys that were read are written only if nobody has changed them since."""

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ResponseError, WatchError

from runweaver.shared import connect
from runweaver.worker.watching import Watcher
from tests.support.server import Server

_NAME = "test-watching"


@pytest.fixture
def other(server: Server) -> Iterator[Redis]:
    """Somebody else."""
    with server.client() as client:
        client.delete("watched", "written")
        yield client
        client.delete("watched", "written")


@pytest.fixture
def watcher(server: Server) -> Iterator[Watcher]:
    """Ours."""
    client = connect(server.url, name=_NAME)
    with Watcher(client) as running:
        yield running
    assert client.ping()
    client.close()


def _kill_ours(other: Redis) -> None:
    for row in other.client_list():
        if row["name"] == f"runweaver-{_NAME}":
            other.client_kill_filter(_id=row["id"])


def test_what_nobody_changed_is_written(watcher: Watcher, other: Redis) -> None:
    """All of it, after all replies were read."""
    other.hset("watched", mapping={"a": "1"})

    assert [{b"a": b"1"}, [None]] == watcher.read(["watched"], ("HGETALL", "watched"), ("MGET", "written"))
    watcher.write(("SET", "written", b"new", "EX", 100), ("HDEL", "watched", "a"))

    assert (b"new", 100, False) == (other.get("written"), other.ttl("written"), bool(other.exists("watched")))


def test_nothing_is_written_where_a_key_has_changed(watcher: Watcher, other: Redis) -> None:
    """Nor later, until the keys are read anew."""
    watcher.read(["watched"], ("GET", "watched"))
    other.set("watched", "changed")

    with pytest.raises(WatchError):
        watcher.write(("SET", "written", "new"))
    assert other.get("written") is None

    assert [b"changed"] == watcher.read(["watched"], ("GET", "watched"))
    watcher.write(("SET", "written", "new"))
    assert b"new" == other.get("written")


def test_what_was_read_before_is_not_watched_any_more(watcher: Watcher, other: Redis) -> None:
    """A run that is left as it is must not keep the next one from being written."""
    watcher.read(["watched"], ("GET", "watched"))
    other.set("watched", "changed")

    watcher.read(["another"], ("GET", "another"))
    watcher.write(("SET", "written", "new"))

    assert b"new" == other.get("written")


def test_nothing_is_written_over_another_connection(watcher: Watcher, other: Redis) -> None:
    """One that broke meanwhile watches nothing any more; the next read makes a new one."""
    watcher.read(["watched"], ("GET", "watched"))
    _kill_ours(other)

    with pytest.raises(WatchError):
        watcher.write(("SET", "written", "new"))
    assert other.get("written") is None

    _kill_ours(other)
    assert [None] == watcher.read(["watched"], ("GET", "watched"))
    watcher.write(("SET", "written", "new"))
    assert b"new" == other.get("written")


def test_an_error_is_raised_when_all_replies_are_read(watcher: Watcher, other: Redis) -> None:
    """As the server gave it, without the command; the connection can be used on."""
    other.set("watched", "text")

    with pytest.raises(ResponseError, match=r"^WRONGTYPE"):
        watcher.read(["watched"], ("HGETALL", "watched"), ("GET", "watched"))
    assert [b"text"] == watcher.read(["watched"], ("GET", "watched"))
    with pytest.raises(ResponseError, match=r"^WRONGTYPE"):
        watcher.write(("SET", "written", "new"), ("HDEL", "watched", "secret"))
    assert [b"text"] == watcher.read(["watched"], ("GET", "watched"))


def test_replies_that_nobody_waited_for_are_not_taken_for_others(
    watcher: Watcher, other: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ ends a job that takes too long wherever it is: in the middle of the replies, too."""
    other.set("watched", "text")
    monkeypatch.setattr(Watcher, "_reply", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watcher.read(["watched"], ("GET", "watched"))
    monkeypatch.undo()

    assert [b"text"] == watcher.read(["watched"], ("GET", "watched"))
