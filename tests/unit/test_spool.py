"""The spool: what the server does not take waits on the disk, whole, bounded and in order."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runweaver.producer import sender as sender_module
from runweaver.producer.outbox import Outbox
from runweaver.producer.sender import Sender
from runweaver.producer.spool import Spool
from runweaver.producer.spool_file import SpoolFile
from runweaver.producer.trouble import Trouble
from tests.support.waiting import wait_until
from tests.unit.fake_server import FakeServer

_ROOM = 64 * 1024 * 1024


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """Away until somebody says otherwise; it is asked again soon."""
    monkeypatch.setattr(Trouble, "pause_s", lambda *_: 0.01)
    server = FakeServer()
    server.failures = 1_000_000
    return server


MakeOutbox = Callable[..., Outbox]


@pytest.fixture
def make_outbox(server: FakeServer, tmp_path: Path) -> MakeOutbox:
    """Makes outboxes that share the server and the directory, each with a name of its own."""

    def make(name: str = "p", *, max_bytes: int = _ROOM, max_messages: int = 10_000) -> Outbox:
        spool = Spool(tmp_path, namespace="rw", name=name, max_bytes=max_bytes)
        outbox = Outbox(Sender(server, spool=spool), max_messages=max_messages, max_bytes=_ROOM, spool=spool)
        outbox.send_leftovers()
        return outbox

    return make


def _files(directory: Path, suffix: str = ".spool") -> list[str]:
    return sorted(path.name for path in directory.glob(f"*{suffix}"))


def _numbered(first: int, count: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def _fill(outbox: Outbox, raws: list[bytes]) -> None:
    for raw in raws:
        assert outbox.put(raw)


def _spooled(outbox: Outbox) -> None:
    wait_until(lambda: not outbox._buffer, what="the buffer on the disk")


def _written(path: Path, *batches: list[bytes]) -> None:
    """A file that a process left behind."""
    unseen = path.with_suffix(".unseen")
    unseen.touch()
    file = SpoolFile(unseen)
    file.append(list(batches))
    file.close()
    unseen.rename(path)


def test_messages_wait_on_the_disk_and_leave_in_order(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path
) -> None:
    """What comes while others wait queues up behind them; in the end no file is left."""
    outbox = make_outbox()
    _fill(outbox, _numbered(0, 1_000))
    _spooled(outbox)
    assert ["rw~p~0.spool"] == _files(tmp_path)
    assert not outbox.flush(0.05)

    server.failures = 0
    _fill(outbox, _numbered(1_000, 3_000))

    assert outbox.flush(20)
    assert _numbered(0, 4_000) == server.messages
    assert [] == _files(tmp_path)
    assert outbox.close(5)


def test_closing_leaves_the_rest_to_the_next_process(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path
) -> None:
    """It does not wait for a server that is away, and nothing is lost. The next outbox sends it, unasked."""
    outbox = make_outbox("first")
    _fill(outbox, _numbered(0, 10))
    assert outbox.close(30)
    assert (0, ["rw~first~0.spool"]) == (outbox.dropped, _files(tmp_path))

    server.failures = 0
    second = make_outbox("second")
    wait_until(lambda: server.messages == _numbered(0, 10), what="the first one's messages")
    assert second.close(5)
    assert [] == _files(tmp_path)


def test_a_server_that_hangs_does_not_keep_messages_off_the_disk(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path
) -> None:
    """The thread that closes writes what the other one still has in hand."""
    server.answers.clear()
    outbox = make_outbox()
    _fill(outbox, _numbered(0, 10))

    assert outbox.close(0.1)
    assert 0 == outbox.dropped
    server.answers.set()
    [name] = _files(tmp_path)
    wait_until(lambda: not outbox._thread or not outbox._thread.is_alive(), what="the end of the thread")
    file = SpoolFile(tmp_path / name)
    assert _numbered(0, 10) == [raw for _, batch in file.after(0) for raw in batch]
    file.close()


def test_a_file_in_use_is_left_alone(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    """Whoever holds it sends it."""
    outbox = make_outbox("first")
    _fill(outbox, _numbered(0, 10))
    _spooled(outbox)

    other = Spool(tmp_path, namespace="rw", name="second", max_bytes=_ROOM)

    assert other.has_leftovers
    assert None is other.take_over()
    assert outbox.close(5)
    taken = other.take_over()
    assert taken is not None
    taken.close()


def test_other_namespaces_are_left_alone(tmp_path: Path) -> None:
    """Their messages belong elsewhere."""
    _written(tmp_path / "other~p~0.spool", [b"1"])

    assert not Spool(tmp_path, namespace="rw", name="q", max_bytes=_ROOM).has_leftovers


@pytest.mark.parametrize("name", ["a/b", "c:d@e+f", "a~b"])
def test_any_producer_can_have_a_spool(make_outbox: MakeOutbox, name: str, tmp_path: Path) -> None:
    """Its name becomes the name of a file in the directory, and nowhere else."""
    outbox = make_outbox(name)
    _fill(outbox, [b"1"])

    assert outbox.close(5)
    assert 1 == len(_files(tmp_path))


def test_only_the_owner_can_read_it(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    """It holds what agents read and wrote."""
    _fill(outbox := make_outbox(), [b"1"])
    assert outbox.close(5)

    assert [0o600] == [path.stat().st_mode & 0o777 for path in tmp_path.glob("*.spool")]


def test_a_full_spool_takes_no_more(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    """The directory stays within its bound, and what finds no room stays in memory."""
    outbox = make_outbox(max_bytes=2_000_000)
    _fill(outbox, [b"x" * 10_000] * 500)
    wait_until(lambda: len(outbox._buffer) < 450, what="some on the disk")

    assert not outbox.close(1)
    assert 300 < outbox.dropped < 450
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_500_000


def test_what_was_sent_makes_room(make_outbox: MakeOutbox, server: FakeServer) -> None:
    """A spool that was full once can be used again, and is not larger for it."""
    outbox = make_outbox(max_bytes=2_000_000)
    for turn in range(4):
        server.failures = 1_000_000
        _fill(outbox, [b"%d" % turn * 10_000] * 60)
        _spooled(outbox)
        server.failures = 0
        assert outbox.flush(20)

    assert 240 == len(server.messages)
    assert outbox.close(5)


def test_a_directory_that_cannot_be_written_costs_nothing(
    server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and messages wait in memory as they do without a spool."""
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "spool", namespace="rw", name="p", max_bytes=_ROOM)
    outbox = Outbox(Sender(server, spool=spool), max_messages=100, max_bytes=_ROOM, spool=spool)
    _fill(outbox, _numbered(0, 10))
    wait_until(lambda: "the spool does not take messages" in caplog.text, what="the warning")

    server.failures = 0
    assert outbox.flush(10)
    assert _numbered(0, 10) == server.messages
    assert outbox.close(5)


def test_garbage_is_set_aside(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is none of ours stays for people to look at; the others are sent."""
    (tmp_path / "rw~broken~0.spool").write_bytes(os.urandom(5_000))
    _written(tmp_path / "rw~good~0.spool", [b"1", b"2"])

    server.failures = 0
    outbox = make_outbox()
    wait_until(lambda: server.messages == [b"1", b"2"], what="the good ones")
    wait_until(lambda: _files(tmp_path, ".broken") == ["rw~broken~0.broken"], what="the bad one set aside")

    assert outbox.close(5)
    assert [] == _files(tmp_path)
    assert "cannot be read" in caplog.text


_TEARS = """
import os, sys
from pathlib import Path
from runweaver.producer.spool_file import SpoolFile
path = Path(sys.argv[1])
path.touch()
file = SpoolFile(path)
for number in range(50):
    file.append([[b"%d" % number, b"x" * 10_000]])
os._exit(1)  # nothing is closed
"""


@pytest.mark.parametrize("torn_bytes", [1, 5_000])
def test_a_torn_last_record_costs_only_itself(tmp_path: Path, torn_bytes: int) -> None:
    """All before it is there."""
    path = tmp_path / "rw~dead~0.spool"
    subprocess.run([sys.executable, "-c", _TEARS, str(path)], check=False)
    log = path.with_name(path.name + "-wal")
    os.truncate(log, log.stat().st_size - torn_bytes)

    file = SpoolFile(path)
    found: list[bytes] = []
    while batches := file.after(len(found)):
        found += [batch[0] for _, batch in batches]
    file.close()

    assert _numbered(0, 49) == found


def test_a_file_that_breaks_while_it_is_read_is_set_aside(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was lost with it is counted; what comes next is sent."""
    outbox = make_outbox()
    _fill(outbox, _numbered(0, 10))
    _spooled(outbox)

    def broken(_file: SpoolFile, _number: int) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    with monkeypatch.context() as breaking:
        breaking.setattr(SpoolFile, "after", broken)
        wait_until(lambda: outbox.dropped == 10, what="the loss")
    server.failures = 0
    _fill(outbox, [b"next"])

    assert not outbox.flush(10)
    assert [b"next"] == server.messages
    assert ["rw~p~0.broken"] == _files(tmp_path, ".broken")
    assert outbox.close(5)


def test_a_full_disk_does_not_stop_the_sending(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent is not sent again by us, even where the file cannot be told."""
    outbox = make_outbox()
    _fill(outbox, _numbered(0, 5_000))
    _spooled(outbox)

    def full(_file: SpoolFile, _number: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SpoolFile, "remove_up_to", full)
    server.failures = 0

    assert outbox.flush(20)
    assert _numbered(0, 5_000) == server.messages
    assert [] == _files(tmp_path)
    assert outbox.close(5)


def test_what_others_leave_later_is_found(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that goes on looks again now and then."""
    monkeypatch.setattr(sender_module, "_LOOK_EVERY_S", 0.05)
    server.failures = 0
    outbox = make_outbox()
    _fill(outbox, [b"ours"])
    assert outbox.flush(5)

    _written(tmp_path / "rw~dead~0.spool", *[[b"%d" % number] for number in range(25)])

    wait_until(lambda: server.messages == [b"ours", *_numbered(0, 25)], what="what was left")
    assert outbox.close(5)


def test_a_format_of_the_future_is_left_alone(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    """Another version of ours wrote it, and will send it."""
    path = tmp_path / "rw~future~0.spool"
    _written(path, [b"1"])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()

    outbox = make_outbox()

    assert outbox.close(5)
    assert [path.name] == _files(tmp_path)


def test_what_others_left_and_cannot_be_read_now_holds_up_nothing(
    make_outbox: MakeOutbox, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where it is for another time; our own messages go straight to the server."""
    monkeypatch.setattr(sender_module, "_LOOK_EVERY_S", 0.05)
    _written(tmp_path / "rw~dead~0.spool", [b"theirs"])

    def fails(_file: SpoolFile, _number: int) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    server.failures = 0
    with monkeypatch.context() as breaking:
        breaking.setattr(SpoolFile, "after", fails)
        outbox = make_outbox()
        for number in range(5):
            assert outbox.put(b"%d" % number)
            assert outbox.flush(5)
        assert ["rw~dead~0.spool"] == _files(tmp_path)

    wait_until(lambda: b"theirs" in server.messages, what="what was left")
    assert outbox.close(5)


def test_a_new_file_that_somebody_took_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making a file and holding it, another process may find it: then there is another one."""
    spool = Spool(tmp_path, namespace="rw", name="p", max_bytes=_ROOM)
    prepare = SpoolFile._prepare
    failures = iter([sqlite3.OperationalError("database is locked")])

    def held_by_another(file: SpoolFile) -> None:
        for error in failures:
            raise error
        prepare(file)

    monkeypatch.setattr(SpoolFile, "_prepare", held_by_another)

    assert spool.rescue([[b"1"]])
    assert (tmp_path / "rw~p~1.spool").stat().st_size > 0
