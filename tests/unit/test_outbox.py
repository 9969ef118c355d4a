"""The outbox: what is put in leaves in batches, in order, and nothing that is taken gets lost while there is time."""

import threading
import time
from collections.abc import Iterator

import pytest

from runweaver.producer import outbox as module
from runweaver.producer.outbox import BATCH_BYTES, BATCH_MESSAGES, Outbox
from runweaver.producer.sender import Sender
from runweaver.producer.trouble import Trouble
from tests.support.waiting import wait_until
from tests.unit.fake_server import FakeServer


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def outbox(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """An outbox for ten thousand messages or a hundred batches, which soon tries again."""
    monkeypatch.setattr(Trouble, "pause_s", lambda *_: 0.001)
    outbox = Outbox(Sender(server), max_messages=10_000, max_bytes=100 * BATCH_BYTES)
    yield outbox
    server.answers.set()
    server.failures = 0
    outbox.close(10)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves just because it has waited."""
    monkeypatch.setattr(module, "LINGER_S", 600.0)


def _numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def _fill(outbox: Outbox, raws: list[bytes]) -> None:
    for raw in raws:
        outbox.put(raw)


def _busy(outbox: Outbox, server: FakeServer, first: bytes = b"first") -> None:
    """Let the sender hang with one message, so that what is put in next is seen as a whole."""
    server.answers.clear()
    outbox.put(first)
    wait_until(lambda: server.calls, what="the sender's call")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (BATCH_MESSAGES, [BATCH_MESSAGES]),
        (BATCH_MESSAGES + 1, [BATCH_MESSAGES, 1]),
        (450, [200, 200, 50]),
    ],
)
def test_a_batch_has_at_most_200_messages(outbox: Outbox, server: FakeServer, count: int, expected: list[int]) -> None:
    """More of them make more batches, which leave together."""
    _busy(outbox, server)
    _fill(outbox, _numbered(count))
    server.answers.set()

    assert outbox.flush(10)
    assert [[1], expected] == [[len(batch) for batch in call] for call in server.calls]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([BATCH_BYTES // 2, BATCH_BYTES // 2], [2]),
        ([BATCH_BYTES // 2, BATCH_BYTES // 2 + 1], [1, 1]),
        ([10, BATCH_BYTES * 2, 10, 10], [1, 1, 2]),
    ],
)
def test_a_batch_has_at_most_256_kib(outbox: Outbox, server: FakeServer, sizes: list[int], expected: list[int]) -> None:
    """A message that is larger than that by itself goes alone."""
    _busy(outbox, server)
    _fill(outbox, [b"x" * size for size in sizes])
    server.answers.set()

    assert outbox.flush(10)
    assert expected == [len(batch) for batch in server.calls[1]]


def test_one_call_has_at_most_three_batches(outbox: Outbox, server: FakeServer) -> None:
    """What is more waits for the next call."""
    _busy(outbox, server)
    _fill(outbox, _numbered(3 * BATCH_MESSAGES + 5))
    server.answers.set()

    assert outbox.flush(10)
    assert [1, 3, 1] == [len(call) for call in server.calls]


def test_a_message_leaves_by_itself(outbox: Outbox, server: FakeServer) -> None:
    """It does not wait for others for long."""
    outbox.put(b"alone")

    wait_until(lambda: server.messages == [b"alone"], what="the message on the server")


@pytest.mark.usefixtures("patient")
def test_messages_wait_for_others(outbox: Outbox, server: FakeServer) -> None:
    """Those that come within the linger time leave together; `flush` waits for no linger time."""
    _fill(outbox, _numbered(BATCH_MESSAGES - 1))

    assert outbox.flush(10)
    assert [_numbered(BATCH_MESSAGES - 1)] == server.batches


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "raws", [_numbered(BATCH_MESSAGES), [b"x" * (BATCH_BYTES // 2)] * 2], ids=["by number", "by size"]
)
def test_a_full_batch_leaves_at_once(outbox: Outbox, server: FakeServer, raws: list[bytes]) -> None:
    """There is nothing left to wait for."""
    _fill(outbox, raws)

    wait_until(lambda: server.messages == raws, what="the batch on the server")


def test_order_is_kept(outbox: Outbox, server: FakeServer) -> None:
    """Over all batches and calls."""
    raws = _numbered(5_000)
    _fill(outbox, raws)

    assert outbox.flush(10)
    assert raws == server.messages


def test_messages_of_all_threads_arrive(outbox: Outbox, server: FakeServer) -> None:
    """Each once, and those of one thread in order."""
    raws = [[b"%d-%d" % (writer, number) for number in range(500)] for writer in range(4)]
    threads = [threading.Thread(target=_fill, args=(outbox, each)) for each in raws]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outbox.flush(10)
    assert raws == [[raw for raw in server.messages if raw.startswith(b"%d-" % writer)] for writer in range(4)]


def test_a_failed_batch_is_sent_again(outbox: Outbox, server: FakeServer) -> None:
    """Until it works; what came meanwhile leaves behind it."""
    server.failures = 3
    _busy(outbox, server)
    _fill(outbox, _numbered(5))
    server.answers.set()

    assert outbox.flush(10)
    assert [[[b"first"]], *[[[b"first", *_numbered(5)]]] * 3] == server.calls
    assert [b"first", *_numbered(5)] == server.messages
    assert 0 == outbox.dropped


def test_no_error_ends_the_sending(server: FakeServer) -> None:
    """An error that is not the driver's means the same: try again, if only after a second."""
    outbox = Outbox(Sender(server), max_messages=10, max_bytes=BATCH_BYTES)
    server.error = OSError("odd")
    server.failures = 1
    outbox.put(b"message")

    assert outbox.flush(10)
    assert [b"message"] == server.messages


def test_a_full_buffer_drops_the_newest(server: FakeServer) -> None:
    """What is in stays in, also what is being sent; what finds no room is counted."""
    outbox = Outbox(Sender(server), max_messages=3, max_bytes=BATCH_BYTES)
    _busy(outbox, server)
    _fill(outbox, _numbered(4))

    assert 2 == outbox.dropped
    server.answers.set()
    outbox.close(10)
    assert [b"first", b"0", b"1"] == server.messages


def test_a_buffer_is_full_by_size_too(server: FakeServer) -> None:
    """A smaller message may still find room where a larger one does not."""
    outbox = Outbox(Sender(server), max_messages=100, max_bytes=10)
    _busy(outbox, server, b"12345")
    _fill(outbox, [b"123456", b"12345", b"1"])

    assert 2 == outbox.dropped
    server.answers.set()
    outbox.close(10)
    assert [b"12345", b"12345"] == server.messages


def test_room_comes_back(server: FakeServer) -> None:
    """What has been sent needs no room any more."""
    outbox = Outbox(Sender(server), max_messages=2, max_bytes=BATCH_BYTES)
    for raw in _numbered(6):
        outbox.put(raw)
        assert outbox.flush(10)

    assert 0 == outbox.dropped
    assert outbox.close(10)
    assert _numbered(6) == server.messages


def test_a_dropped_message_makes_flush_false_once(server: FakeServer) -> None:
    """The next flush speaks only of what came since."""
    outbox = Outbox(Sender(server), max_messages=1, max_bytes=BATCH_BYTES)
    _busy(outbox, server)
    outbox.put(b"dropped")
    server.answers.set()

    assert not outbox.flush(10)
    assert outbox.flush(10)
    assert outbox.close(10)


def test_flush_of_nothing_is_true(outbox: Outbox) -> None:
    """There is nothing to wait for, and no thread is needed."""
    assert outbox.flush(0)
    assert outbox._thread is None


def test_flush_keeps_its_timeout(outbox: Outbox, server: FakeServer) -> None:
    """A server that hangs holds up nobody for longer than asked; later it may still turn out well."""
    _busy(outbox, server)
    begin = time.monotonic()

    assert not outbox.flush(0.05)
    # Far less than the fake server hangs.
    assert time.monotonic() - begin < 5

    server.answers.set()
    assert outbox.flush(10)


@pytest.mark.usefixtures("patient")
def test_close_sends_what_is_left(outbox: Outbox, server: FakeServer) -> None:
    """It waits for no linger time, and ends the thread."""
    _fill(outbox, _numbered(5))

    assert outbox.close(10)
    assert _numbered(5) == server.messages
    assert outbox._thread is not None
    assert not outbox._thread.is_alive()


def test_close_without_a_server_counts_what_is_lost(outbox: Outbox, server: FakeServer) -> None:
    """It gives up in time; closing again loses nothing more."""
    server.failures = 1_000_000
    _fill(outbox, _numbered(5))
    begin = time.monotonic()

    assert not outbox.close(0.1)
    assert time.monotonic() - begin < 5
    assert 5 == outbox.dropped
    assert not outbox.close(0.1)
    assert 5 == outbox.dropped


def test_what_comes_after_close_is_dropped(outbox: Outbox, server: FakeServer) -> None:
    """It is counted, and nothing is raised."""
    outbox.put(b"in time")
    assert outbox.close(10)

    outbox.put(b"too late")

    assert 1 == outbox.dropped
    assert [b"in time"] == server.messages


def test_a_retired_outbox_sends_the_rest_and_ends(outbox: Outbox, server: FakeServer) -> None:
    """Also where the server is away for a while."""
    server.failures = 3
    _fill(outbox, _numbered(5))
    outbox.retire()

    thread = outbox._thread
    assert thread is not None
    wait_until(lambda: not thread.is_alive(), what="the end of the thread")
    assert _numbered(5) == server.messages


def test_a_thread_that_cannot_start_is_tried_again(
    outbox: Outbox, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent notices nothing; the next message brings the first along."""
    with monkeypatch.context() as without_threads:

        def start(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        without_threads.setattr(threading.Thread, "start", start)
        outbox.put(b"first")

    outbox.put(b"second")

    assert outbox.flush(10)
    assert [b"first", b"second"] == server.messages
