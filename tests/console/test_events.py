"""Whoever looks at a page hears of runs as they end: one reads, all are told."""

import asyncio
import json
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest
from httpx import Client

from runweaver.console.web import events as events_module
from runweaver.console.web.events import MOST_WAITING, Events, Finished
from runweaver.query import Summaries
from runweaver.shared import RunStatus
from runweaver.shared.replies import as_entries
from tests.support.kept_summaries import announce, made
from tests.support.ports import free_port
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

Heard = tuple[str, str, dict[str, object]]


@pytest.fixture
def events(own_pipeline: Pipeline) -> Iterator[Events]:
    """Of a namespace of the test's own."""
    opened = Events(own_pipeline.summaries)
    yield opened
    opened.close()
    wait_until(lambda: not _readers(), what="no reader is left")


def _readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "events"]


async def _next(listening: AsyncIterator[bytes]) -> Heard:
    """The kind, the id and the data of the next event; what keeps a connection open is none."""
    while True:
        text = (await asyncio.wait_for(anext(listening), 10)).decode()
        lines = dict(line.split(": ", 1) for line in text.strip().split("\n") if not line.startswith(":"))
        if "event" in lines:
            return lines["event"], lines.get("id", ""), json.loads(lines["data"])


def _run(listen: Callable[[], Awaitable[None]]) -> None:
    async def listened() -> None:
        await listen()

    asyncio.run(listened())


def test_a_run_is_told_to_all_by_one_reader(own_pipeline: Pipeline, events: Events) -> None:
    """With what a page needs to know of it, and nothing that an agent wrote at length."""
    run = made("run/1", goal_id="goal:1", status=RunStatus.FAILED, revision=2)

    async def listen() -> None:
        listening = [events.listen() for _ in range(5)]
        assert {"listening"} == {(await _next(each))[0] for each in listening}
        announce(own_pipeline, run)
        told = [await _next(each) for each in listening]
        assert 1 == len({place for _, place, _ in told})
        for kind, place, data in told:
            assert ("finished", Finished.of(run).model_dump(mode="json")) == (kind, data)
            assert place
        assert 1 == len(_readers())

    _run(listen)


def test_who_comes_back_hears_what_came_meanwhile(own_pipeline: Pipeline, events: Events) -> None:
    """After the id of the event heard last, or of the one that says that somebody listens."""

    async def listen() -> None:
        first = events.listen()
        _, begin, _ = await _next(first)
        announce(own_pipeline, made("run-1"))
        _, place, _ = await _next(first)
        await first.aclose()  # type: ignore[attr-defined]
        announce(own_pipeline, made("run-2"), made("run-3"))

        assert ["run-2", "run-3"] == await _ids(events.listen(place), 2)
        assert ["run-1", "run-2", "run-3"] == await _ids(events.listen(begin), 3)

        again = events.listen(place)
        assert ["run-2", "run-3"] == await _ids(again, 2)
        announce(own_pipeline, made("run-4"))
        assert ["run-4"] == await _ids(again, 1)

    _run(listen)


async def _ids(listening: AsyncIterator[bytes], count: int) -> list[object]:
    found: list[object] = []
    while len(found) < count:
        kind, _, data = await _next(listening)
        if kind != "listening":
            found.append(data.get("run_id", kind))
    return found


def test_who_was_away_for_too_long_is_told_that_there_was_more(own_pipeline: Pipeline, events: Events) -> None:
    """Also whoever says that it was somewhere where nobody can have been. From there on it hears all."""
    announce(own_pipeline, made("run-0"))

    async def listen() -> None:
        listening = [events.listen(place) for place in ("nonsense", "1-1", "9" * 30, "5-5\nevent: x")]
        assert [["missed"]] * 4 == [await _ids(each, 1) for each in listening]
        announce(own_pipeline, made("run-1"))
        assert [["run-1"]] * 4 == [await _ids(each, 1) for each in listening]

    _run(listen)


def test_who_missed_very_many_is_not_told_each(own_pipeline: Pipeline, events: Events) -> None:
    """The page reads its numbers anew instead."""
    announce(own_pipeline, made("first"))
    newest = as_entries(own_pipeline.redis.xrevrange(own_pipeline.keys.finished, count=1))
    announce(own_pipeline, *(made(f"run-{number}") for number in range(700)))

    async def listen() -> None:
        assert ["missed"] == await _ids(events.listen(newest[0][0]), 1)

    _run(listen)


def test_who_is_slow_is_sent_away_and_the_others_hear_on(own_pipeline: Pipeline, events: Events) -> None:
    """What waits for one is bounded. It comes back by itself, and goes on from where it was."""

    async def listen() -> None:
        slow, quick = events.listen(), events.listen()
        await _next(slow)
        await _next(quick)
        announce(own_pipeline, made("told"))
        assert ["told"] == await _ids(slow, 1)
        await _ids(quick, 1)
        for start in range(0, MOST_WAITING + 100, 100):
            names = [f"run-{number}" for number in range(start, start + 100)]
            announce(own_pipeline, *map(made, names))
            assert names == await _ids(quick, 100)
        with pytest.raises(StopAsyncIteration):
            await _next(slow)

    _run(listen)


def test_a_connection_without_events_is_kept_open(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a comment now and then, which browsers leave out."""
    monkeypatch.setattr(events_module, "HEARTBEAT_S", 0.05)

    async def listen() -> None:
        listening = events.listen()
        await anext(listening)
        assert b": still here\n\n" == await asyncio.wait_for(anext(listening), 5)

    _run(listen)


def test_without_a_server_somebody_listens_and_hears_nothing() -> None:
    """Until it is there. The page is told that much by its other requests."""
    events = Events(Summaries("redis://127.0.0.1:1/0", namespace="nobody"))

    async def listen() -> None:
        assert ("listening", "", {}) == await _next(events.listen())

    _run(listen)
    events.close()
    wait_until(lambda: not _readers(), what="no reader is left")


@pytest.fixture
def browser(own_pipeline: Pipeline) -> Iterator["Browser"]:
    """Before a console that is served by a process of its own."""
    port = free_port()
    own_pipeline.spawn([sys.executable, "-m", "runweaver.console", "console", "--port", str(port)])
    wait_until(lambda: _answers(port), what="the console is there")
    with ExitStack() as opened:
        yield Browser(f"http://localhost:{port}", opened)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Browser:
    """Listens over HTTP."""

    def __init__(self, address: str, opened: ExitStack) -> None:
        self._client = opened.enter_context(Client(base_url=address, timeout=10))
        self._opened = opened

    def listen(self, path: str = "/api/events", **headers: str) -> Iterator[tuple[str, str]]:
        """The name and the value of each line that has both."""
        answer = self._opened.enter_context(self._client.stream("GET", path, headers=headers))
        assert (200, "text/event-stream; charset=utf-8") == (answer.status_code, answer.headers["Content-Type"])
        assert "no-store" == answer.headers["Cache-Control"]
        return ((name, value) for name, _, value in (line.partition(": ") for line in answer.iter_lines()) if value)


def _heard(lines: Iterator[tuple[str, str]], wanted: str) -> str:
    """The value of the next line with this name."""
    return next(value for name, value in lines if name == wanted)


def test_browsers_hear_it_over_http_and_go_on_where_they_were_cut_off(own_pipeline: Pipeline, browser: Browser) -> None:
    """By the header that browsers send of themselves, or by the address where a script begins anew."""
    lines = browser.listen()
    begin = _heard(lines, "id")
    announce(own_pipeline, made("run-1"))
    assert "finished" == _heard(lines, "event")
    place = _heard(lines, "id")
    assert "run-1" == json.loads(_heard(lines, "data"))["run_id"]

    for again in (browser.listen(**{"Last-Event-ID": begin}), browser.listen(f"/api/events?after={begin}")):
        assert "listening" == _heard(again, "event")
        assert "finished" == _heard(again, "event")
        assert place == _heard(again, "id")
        assert "run-1" == json.loads(_heard(again, "data"))["run_id"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_console_ends_although_somebody_listens(
    own_pipeline: Pipeline, browser: Browser, number: signal.Signals
) -> None:
    """By itself: where it had to cut them off, those who listen would see no clean end."""
    listening = [browser.listen() for _ in range(3)]
    for lines in listening:
        assert _heard(lines, "id")
    process = own_pipeline.processes[-1]

    process.send_signal(number)

    assert 0 == process.wait(5)
    for lines in listening:
        # Where it was cut off, this raises an error.
        assert [("data", "{}")] == list(lines)
