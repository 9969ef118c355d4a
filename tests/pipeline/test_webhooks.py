"""Each summary is posted to whom it concerns: signed, again where it failed, whoever dies, and shared by many."""

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runweaver.shared.attention import Attention, AttentionFlag
from runweaver.shared.keys import webhook_group
from tests.support.announcing import summary, tell
from tests.support.processes import Pipeline
from tests.support.receiver import Receiver, Request, write_hooks
from tests.support.server import Server
from tests.support.waiting import wait_until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything, until it is told otherwise."""
    with Receiver() as running:
        yield running


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """The file that says what is posted where."""
    return tmp_path / "webhooks.toml"


def _start(pipeline: Pipeline, hooks: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process, and wait until it listens for all hooks."""
    before = _listening(pipeline)
    process = pipeline.spawn(
        [sys.executable, "-m", "runweaver.console", "webhooks", "--config", str(hooks)], **environment
    )
    count = hooks.read_text().count("[[hooks]]")
    wait_until(lambda: _listening(pipeline) >= before + count or process.poll() is not None, what="listening")
    assert process.poll() is None
    return process


def _listening(pipeline: Pipeline) -> int:
    return sum(
        client["name"] == "runweaver-webhooks" and client["cmd"] == "xreadgroup"
        for client in pipeline.redis.client_list()
    )


def _pending(pipeline: Pipeline, hook: str = "a") -> int:
    info: Any = pipeline.redis.xpending(pipeline.keys.finished, webhook_group(hook))
    return int(info["pending"])


def _letters(pipeline: Pipeline) -> list[dict[str, Any]]:
    listed = pipeline.run("webhooks", "dead-letters", "list", "--json")
    assert (0, "") == (listed.returncode, listed.stderr)
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_a_summary_is_posted_and_signed(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """Its JSON, with what kind of event it is and when it was; nothing is left to do on the server."""
    process = _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    written = summary("run:1/a@b+c", goal="g/2")
    tell(own_pipeline, written)
    wait_until(lambda: receiver.requests, what="a request")

    [request] = receiver.requests
    assert request.is_genuine
    assert ("/hook", "application/json") == (request.path, request.headers["content-type"])
    assert {"type", "timestamp", "data"} == set(request.event)
    assert "run.summarised" == request.event["type"]
    assert json.loads(written.model_dump_json()) == request.event["data"]
    wait_until(lambda: _pending(own_pipeline) == 0, what="nothing pending")
    assert 0 == own_pipeline.stop(process)
    assert [] == own_pipeline.redis.xinfo_consumers(own_pipeline.keys.finished, webhook_group("a"))


def test_each_hook_gets_what_it_asks_for(own_pipeline: Pipeline, hooks: Path) -> None:
    """By goals, statuses and attention; each revision once, also if it is announced again."""
    loop = Attention(flag=AttentionFlag.LOOP, reason="Three times the same.", value=3, threshold=2)
    with Receiver() as everything, Receiver() as failures, Receiver() as loops:
        _start(
            own_pipeline,
            write_hooks(
                hooks,
                {"name": "everything", "url": everything.url},
                {"name": "failures", "url": failures.url, "statuses": ["failed", "stuck"], "goals": ["x", "z"]},
                {"name": "loops", "url": loops.url, "attention": ["loop", "slow"]},
            ),
        )
        tell(own_pipeline, summary("a", goal="x", status="failed"), summary("b", goal="y", status="failed"))
        tell(own_pipeline, summary("c", goal="x"), summary("d").model_copy(update={"attention": [loop]}))
        tell(own_pipeline, summary("d").model_copy(update={"attention": [loop]}))
        tell(own_pipeline, summary("e", goal="z", status="stuck"))
        wait_until(lambda: len(everything.requests) == 5 and len(failures.requests) == 2, what="all of them")
        wait_until(lambda: all(_pending(own_pipeline, name) == 0 for name in ("failures", "loops")), what="the rest")

    assert ["a", "b", "c", "d", "e"] == everything.run_ids
    assert (["a", "e"], ["d"]) == (failures.run_ids, loops.run_ids)
    assert 3 == len({each.requests[-1].id for each in (everything, failures, loops)})


def test_a_new_revision_is_an_event_of_its_own(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """With another id."""
    _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    for revision in (1, 2):
        tell(own_pipeline, summary("run", revision=revision))
        wait_until(lambda count=revision: len(receiver.requests) == count, what="a request")  # type: ignore[misc]

    assert [1, 2] == [request.event["data"]["revision"] for request in receiver.requests]
    assert 2 == len({request.id for request in receiver.requests})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_fails_for_now_is_tried_again(
    own_pipeline: Pipeline, receiver: Receiver, hooks: Path, status: int
) -> None:
    """Under the same id, with a signature of its own time, until it is taken. Others go on meanwhile."""
    receiver.answer = lambda request: status if len(_of(receiver, "bad")) < 3 and request.run_id == "bad" else 200
    _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("bad"), summary("good"))
    wait_until(lambda: len(_of(receiver, "bad")) == 3, what="the third try")

    assert ["bad", "good"] == receiver.run_ids[:2]
    assert 1 == len({request.id for request in _of(receiver, "bad")})
    assert all(request.is_genuine for request in receiver.requests)
    wait_until(lambda: _pending(own_pipeline) == 0, what="nothing pending")
    assert [] == _letters(own_pipeline)


def _of(receiver: Receiver, run_id: str) -> list[Request]:
    return [request for request in receiver.requests if request.run_id == run_id]


def test_a_receiver_that_asks_for_a_pause_gets_it(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """`Retry-After` holds for all that would go there."""
    receiver.answer = lambda _: (429, {"retry-after": "1"}) if len(receiver.requests) == 1 else 200
    _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("a"), summary("b"))
    wait_until(lambda: len(receiver.requests) == 3, what="both taken")

    first, second, *_ = (int(request.headers["webhook-timestamp"]) for request in receiver.requests)
    assert second - first >= 1


def test_receivers_that_do_not_answer_hold_up_nobody(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """One that hangs, and one that is not there: they are tried so often, and end as dead letters."""
    with socket.socket() as closed, Receiver() as hanging:
        closed.bind(("127.0.0.1", 0))
        release = hanging.hang()
        process = _start(
            own_pipeline,
            write_hooks(
                hooks,
                {"name": "hangs", "url": hanging.url, "timeout_s": 0.2, "attempts": 2},
                {"name": "gone", "url": f"http://127.0.0.1:{closed.getsockname()[1]}/", "attempts": 3},
                {"name": "good", "url": receiver.url},
            ),
        )
        tell(own_pipeline, summary("run"))
        wait_until(lambda: receiver.requests, what="the good one")
        wait_until(lambda: len(_letters(own_pipeline)) == 2, what="two dead letters")
        release.set()

    found = {(each["hook"], each["run_id"], each["attempts"], each["reason"]) for each in _letters(own_pipeline)}
    assert {("hangs", "run", 2, "no answer (ReadTimeout)"), ("gone", "run", 3, "no answer (ConnectError)")} == found
    assert 0 == own_pipeline.stop(process)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_what_is_refused_is_not_tried_again(
    own_pipeline: Pipeline, receiver: Receiver, hooks: Path, status: int
) -> None:
    """It becomes a dead letter at once, and nothing follows a redirect."""
    receiver.answer = lambda _: (status, {"location": f"{receiver.url}/elsewhere"})
    _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("run"))
    wait_until(lambda: own_pipeline.redis.xlen(own_pipeline.keys.webhook_dead_letters) == 1, what="a dead letter")

    [letter] = _letters(own_pipeline)
    [request] = receiver.requests
    assert (f"answered {status}", 1, 1) == (letter["reason"], letter["attempts"], letter["revision"])
    assert request.id == letter["webhook_id"]
    wait_until(lambda: _pending(own_pipeline) == 0, what="nothing pending")


def test_dead_letters_can_be_replayed_and_dropped(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """Once what was wrong is mended; what is still refused stays, and makes the command fail."""
    receiver.answer = lambda _: 400
    write_hooks(hooks, {"name": "a", "url": receiver.url})
    _start(own_pipeline, hooks)
    tell(own_pipeline, summary("mended"), summary("dropped"), summary("expired"))
    wait_until(lambda: own_pipeline.redis.xlen(own_pipeline.keys.webhook_dead_letters) == 3, what="dead letters")
    own_pipeline.redis.delete(own_pipeline.keys.summary("expired"))
    mended, dropped, expired = (letter["id"] for letter in _letters(own_pipeline))
    environment = {"RUNWEAVER_WEBHOOKS": str(hooks)}
    command = ("webhooks", "dead-letters")

    refused = own_pipeline.run(*command, "replay", mended, "--json", **environment)
    assert {"replayed": [], "refused": {mended: "answered 400"}} == json.loads(refused.stdout)
    assert (1, f"runweaver: 1 were not taken: {mended}: answered 400\n") == (refused.returncode, refused.stderr)
    receiver.answer = lambda _: 200
    assert "1 dropped" == own_pipeline.run(*command, "drop", dropped).stdout.strip()
    replayed = own_pipeline.run(*command, "replay", "--all", "--json", **environment)
    assert {"replayed": [mended], "refused": {expired: "its summary is kept no more"}} == json.loads(replayed.stdout)
    assert 1 == replayed.returncode
    assert 1 == len({request.id for request in _of(receiver, "mended")})
    assert [expired] == [letter["id"] for letter in _letters(own_pipeline)]
    unknown = own_pipeline.run(*command, "drop", "1-1")
    assert (1, "runweaver: no such dead letters: 1-1\n") == (unknown.returncode, unknown.stderr)
    assert 2 == own_pipeline.run(*command, "drop", "nonsense").returncode


def test_dead_letters_go_by_age(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """Those that are too old are gone when a process starts, and each minute."""
    own_pipeline.redis.xadd(own_pipeline.keys.webhook_dead_letters, {"hook": "a"}, id="1-1")
    _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))

    wait_until(lambda: [] == _letters(own_pipeline), what="it is gone")


def test_killed_before_it_could_say_so_it_is_posted_again(
    own_pipeline: Pipeline, receiver: Receiver, hooks: Path
) -> None:
    """Under the same id, so that the receiver can tell. What came while nobody was there comes, too."""
    release = receiver.hang()
    process = _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("run"))
    wait_until(lambda: receiver.requests, what="a request")
    own_pipeline.kill(process)
    release.set()
    tell(own_pipeline, summary("meanwhile"))
    _start(own_pipeline, hooks)
    wait_until(lambda: len(receiver.requests) == 3, what="both")

    assert Counter({"run": 2, "meanwhile": 1}) == Counter(receiver.run_ids)
    assert 1 == len({request.id for request in _of(receiver, "run")})
    wait_until(lambda: _pending(own_pipeline) == 0, what="nothing pending")


def test_what_was_tried_is_known_to_whoever_takes_over(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """Killed again and again, it does not try for ever."""
    receiver.answer = lambda _: 500
    write_hooks(hooks, {"name": "a", "url": receiver.url, "attempts": 3, "first_retry_s": 30, "last_retry_s": 30})
    process = _start(own_pipeline, hooks)
    tell(own_pipeline, summary("run"))
    for tries in (1, 2):
        wait_until(lambda count=tries: len(receiver.requests) == count, what="a try")  # type: ignore[misc]
        own_pipeline.stop(process)
        process = _start(own_pipeline, hooks)
    wait_until(lambda: len(_letters(own_pipeline)) == 1, what="a dead letter")

    assert 3 == len(receiver.requests) == _letters(own_pipeline)[0]["attempts"]


def test_processes_share_the_work(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """Each event is posted once, by one of them; also with several threads each."""
    write_hooks(hooks, {"name": "a", "url": receiver.url, "parallel": 2})
    processes = [_start(own_pipeline, hooks) for _ in range(2)]
    names = [f"run-{number}" for number in range(60)]
    tell(own_pipeline, *map(summary, names))
    wait_until(lambda: len(receiver.requests) >= len(names), what="all of them")

    assert Counter(names) == Counter(receiver.run_ids)
    assert [0, 0] == [own_pipeline.stop(process) for process in processes]


def test_stopping_does_not_wait_for_a_slow_receiver(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """It ends in time with 0, and the next process need not wait before it takes over what was being posted."""
    release = receiver.hang()
    write_hooks(hooks, {"name": "a", "url": receiver.url, "timeout_s": 20})
    process = _start(own_pipeline, hooks, RUNWEAVER_CLAIM_AFTER_S="3600")
    tell(own_pipeline, summary("run"))
    wait_until(lambda: receiver.requests, what="a request")
    process.terminate()
    assert 0 == process.wait(5)
    release.set()
    _start(own_pipeline, hooks, RUNWEAVER_CLAIM_AFTER_S="3600")

    wait_until(lambda: len(receiver.requests) == 2, what="the second try")
    assert 1 == len({request.id for request in receiver.requests})


def test_a_second_signal_ends_it_at_once(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """As with workers."""
    release = receiver.hang()
    process = _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("run"))
    wait_until(lambda: receiver.requests, what="a request")
    process.terminate()
    wait_until(lambda: process.send_signal(signal.SIGTERM) or process.poll() is not None, timeout_s=2)  # type: ignore[func-returns-value]
    release.set()

    assert 128 + signal.SIGTERM == process.returncode


def test_it_outlives_the_server(receiver: Receiver, hooks: Path) -> None:
    """It waits, and goes on with what is announced then; what it posted is not posted again."""
    with Server(appendonly="yes", appendfsync="always") as server, Pipeline(server.url, "away") as pipeline:
        process = _start(pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
        tell(pipeline, summary("before"))
        wait_until(lambda: _pending(pipeline) == 0 and receiver.requests, what="the first")
        server.kill()
        server.start()
        wait_until(lambda: _listening(pipeline), what="listening again")
        tell(pipeline, summary("after"))
        wait_until(lambda: len(receiver.requests) == 2, what="the second")

        assert ["before", "after"] == receiver.run_ids
        assert 0 == pipeline.stop(process)


def test_what_is_no_more_is_told(own_pipeline: Pipeline, receiver: Receiver, hooks: Path, tmp_path: Path) -> None:
    """Announcements that went by while nobody posted are logged as such; what is kept of them is posted."""
    own_pipeline.log = tmp_path / "log"
    process = _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("first"))
    wait_until(lambda: receiver.requests and _pending(own_pipeline) == 0, what="the first")
    assert 0 == own_pipeline.stop(process)
    tell(own_pipeline, summary("missed"), summary("kept"))
    own_pipeline.redis.xtrim(own_pipeline.keys.finished, maxlen=1, approximate=False)
    _start(own_pipeline, hooks)
    wait_until(lambda: len(receiver.requests) == 2, what="what is kept")

    assert ["first", "kept"] == receiver.run_ids
    assert 1 == own_pipeline.log.read_text().count("may have gone by")


def test_a_group_that_was_deleted_is_made_again(own_pipeline: Pipeline, receiver: Receiver, hooks: Path) -> None:
    """It goes on after what was read last."""
    _start(own_pipeline, write_hooks(hooks, {"name": "a", "url": receiver.url}))
    tell(own_pipeline, summary("before"))
    wait_until(lambda: receiver.requests and _pending(own_pipeline) == 0, what="the first")
    own_pipeline.redis.xgroup_destroy(own_pipeline.keys.finished, webhook_group("a"))
    tell(own_pipeline, summary("after"))
    wait_until(lambda: len(receiver.requests) == 2, what="the second")

    assert ["before", "after"] == receiver.run_ids


def test_no_secret_is_logged(own_pipeline: Pipeline, receiver: Receiver, hooks: Path, tmp_path: Path) -> None:
    """Neither what it signs with, nor what stands in the URL; not even where everything is logged."""
    own_pipeline.log = tmp_path / "log"
    url = receiver.url.replace("http://", "http://user:hidden@") + "/hidden?token=hidden"
    receiver.answer = lambda request: 500 if len(receiver.requests) == 1 else 400 if request.run_id == "a" else 200
    _start(
        own_pipeline,
        write_hooks(hooks, {"name": "a", "url": url, "secret": f"whsec_{'hidden' * 8}"}),
        RUNWEAVER_LOG_LEVEL="debug",
    )
    tell(own_pipeline, summary("a"), summary("b"))
    wait_until(lambda: len(_letters(own_pipeline)) == 1 and len(receiver.requests) == 3, what="all of it")

    log = own_pipeline.log.read_text()
    assert "answered 500" in log
    assert "hidden" not in log
