"""The pages and answers about the pipeline itself: what is wrong, who works, and what was set aside."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient

from runweaver.shared import RunStatus
from runweaver.worker import DeadLetters, read_failed_jobs
from tests.support.binary import server_under_test
from tests.support.processes import Pipeline
from tests.support.secured import DEPLOY, SecuredPipeline, SecuredServer
from tests.support.visiting import proof_on, visitor
from tests.support.waiting import wait_until

_LIST = "/operations/dead-letters"
_UGLY = '{"x": "<script>alert(1)</script>\u202e"'


@pytest.fixture
def working(own_pipeline: Pipeline) -> Pipeline:
    """A pipeline of the test's own, in which a worker is at work."""
    own_pipeline.start("worker")
    wait_until(lambda: visitor(own_pipeline).get("/api/status").json()["workers"], what="the worker being there")
    return own_pipeline


def _set_aside(pipeline: Pipeline, *messages: str | bytes) -> list[str]:
    """Send what cannot be accepted; the ids of the dead letters of it."""
    letters = DeadLetters(pipeline.redis, pipeline.keys)
    before = len(list(letters))
    for message in messages:
        pipeline.send(message)
    wait_until(lambda: len(list(letters)) == before + len(messages), what="the dead letters")
    return [letter.id for letter in letters][before:]


def _rows(text: str) -> list[str]:
    return [unquote(each) for each in re.findall(r'data-href="/operations/dead-letters/([^"]+)"', text)]


def test_what_is_wrong_stands_first(own_pipeline: Pipeline) -> None:
    """With what to do about it, as `runweaver status` says."""
    own_pipeline.send('{"type":"run_started","run_id":"waits","goal_id":"g"}')

    text = visitor(own_pipeline).get("/operations").text

    assert "No worker is there, and messages wait (1 entry)." in text
    assert "Run <code>runweaver worker</code>." in text
    assert text.index("No worker is there") < text.index("Entries waiting")


def test_where_nothing_is_wrong_it_says_so(working: Pipeline) -> None:
    """And who works."""
    worker = visitor(working).get("/api/status").json()["workers"][0]["name"]

    text = visitor(working).get("/operations").text

    assert "Nothing is wrong." in text
    assert worker in text
    assert "at work" in text


def test_programs_get_what_the_command_prints(working: Pipeline) -> None:
    """The same fields, from the same facts."""
    printed = json.loads(working.run("status", "--json").stdout)

    answered = visitor(working).get("/api/status").json()

    assert list(printed) == list(answered)
    unlike = {"at", "servers", "workers"}  # they change while one looks
    assert {name: value for name, value in printed.items() if name not in unlike} == {
        name: value for name, value in answered.items() if name not in unlike
    }


def test_dead_letters_are_listed_page_by_page(working: Pipeline) -> None:
    """The oldest first, each once; for programs too."""
    ids = _set_aside(working, *(f"no message {number}" for number in range(53)))
    client = visitor(working)

    first = client.get(_LIST).text
    [later] = re.findall(r'href="([^"]+)" rel="next"', first)
    pages = [_rows(first), _rows(client.get(later).text)]
    answer = client.get("/api/dead-letters?limit=50").json()
    rest = client.get("/api/dead-letters", params={"cursor": answer["next_cursor"]}).json()

    assert [ids[:50], ids[50:]] == pages
    assert ids == [item["id"] for item in answer["items"] + rest["items"]]
    assert None is rest["next_cursor"]
    assert "No later dead letters" in client.get(_LIST, params={"cursor": ids[-1]}).text


def test_a_dead_letter_is_shown_byte_for_byte(working: Pipeline) -> None:
    """As text: what is none, is not seen or would turn the text around, is told in escapes."""
    ugly, raw = _set_aside(working, _UGLY, b"\xff\x00{")
    client = visitor(working)

    shown = client.get(f"{_LIST}/{ugly}").text

    assert "{&#34;x&#34;: &#34;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e&#34;" in shown
    assert "<script>alert" not in shown + client.get(_LIST).text
    assert r"\xff\x00{" in client.get(f"{_LIST}/{raw}").text
    assert _UGLY == client.get(f"/api/dead-letters/{ugly}").json()["message"]


@pytest.mark.parametrize(("letter_id", "status"), [("0:1-1", 404), ("nonsense", 400)])
def test_what_is_no_dead_letter_is_told(pipeline: Pipeline, letter_id: str, status: int) -> None:
    """One that is not there any more, and one that never can have been."""
    client = visitor(pipeline)

    assert status == client.get(f"{_LIST}/{letter_id}").status_code
    assert status == client.get(f"/api/dead-letters/{letter_id}").status_code


def test_what_was_mended_is_replayed(own_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that were chosen; what still cannot be accepted stays, with the reason. Twice does no harm."""
    own_pipeline.start("worker", RUNWEAVER_MAX_MESSAGE_BYTES="1024")
    own_pipeline.start("finalizer")
    long = "x" * 2_000
    started = f'{{"type":"run_started","run_id":"late","goal_id":"g","goal_description":"{long}"}}'
    mended, left, hopeless = _set_aside(own_pipeline, started, started, "no message")
    monkeypatch.setenv("RUNWEAVER_MAX_MESSAGE_BYTES", "4096")
    client = visitor(own_pipeline)
    form = {"proof": proof_on(client, _LIST), "letter": [mended, hopeless]}

    told = client.post(f"{_LIST}/replay", data=form).text
    again = client.post(f"{_LIST}/replay", data=form).text

    assert "1 replayed." in told
    assert "1 still cannot be accepted" in told
    assert [left, hopeless] == _rows(told)
    assert "1 had gone before." in again
    own_pipeline.send('{"type":"run_ended","run_id":"late","status":"completed"}')
    assert RunStatus.COMPLETED == own_pipeline.summary("late").status


def test_what_was_chosen_is_dropped(working: Pipeline) -> None:
    """And nothing else; nothing at all where nothing was chosen."""
    ids = _set_aside(working, "one", "two", "three")
    client = visitor(working)
    proof = proof_on(client, _LIST)

    told = client.post(f"{_LIST}/drop", data={"proof": proof, "letter": ids[:2]}).text
    nothing = client.post(f"{_LIST}/drop", data={"proof": proof}).text

    assert "2 dropped." in told
    assert ids[2:] == _rows(told)
    assert "None was chosen." in nothing
    assert ids[2:] == _rows(nothing)


def test_who_may_not_write_sees_no_buttons(working: Pipeline) -> None:
    """A console that only reads says how it is done instead."""
    [letter_id] = _set_aside(working, "no message")
    client = visitor(working, console_read_only=True)

    texts = [client.get(path).text for path in (_LIST, f"{_LIST}/{letter_id}")]

    assert [] == [text for text in texts if "formaction" in text or 'type="checkbox"' in text]
    assert "This console only reads" in texts[0]


def test_a_job_that_failed_is_told_with_its_reason(own_pipeline: Pipeline) -> None:
    """Which run, and why; what lies there instead of a job is borne with."""
    own_pipeline.start("finalizer")
    queue = own_pipeline.jobs.queue
    queue.enqueue_call("os.system", args=("true",), job_id="refused", description="finalize <b>some-run</b>")
    wait_until(lambda: queue.failed_job_registry.get_job_ids(cleanup=False), what="a failed job")

    text = visitor(own_pipeline).get("/operations").text
    found = read_failed_jobs(own_pipeline.redis, own_pipeline.keys, limit=5)

    assert found is not None
    assert ["refused"] == [job.id for job in found]
    assert "ForbiddenJobError: job refused is refused: it asks for the function" in text
    own_pipeline.redis.delete("rq:job:refused", "rq:results:refused")
    own_pipeline.redis.set("rq:results:refused", "not a stream", ex=60)
    assert [("", None, "")] == [
        (job.description, job.at, job.reason)
        for job in read_failed_jobs(own_pipeline.redis, own_pipeline.keys, limit=5) or []
    ]


def test_where_no_server_answers_a_page_says_so() -> None:
    """With 503, and for programs in JSON."""
    nowhere = Pipeline("redis://127.0.0.1:1/0", "none")
    client = visitor(nowhere)

    page, answer = client.get("/operations"), client.get("/api/status")

    assert (503, 503) == (page.status_code, answer.status_code)
    assert "no Redis answers at redis://127.0.0.1:1/0" in page.text
    assert "no Redis answers at redis://127.0.0.1:1/0" in answer.json()["detail"]


def _rules_of(user: str) -> str:
    """What deploy/users.acl says that a user may do."""
    [line] = [line for line in (DEPLOY / "users.acl").read_text().splitlines() if line.startswith(f"user {user} ")]
    return line.partition(" resetchannels ")[2]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[SecuredPipeline]:
    """A server on which each role is a user of its own, a message that was set aside, and a job that failed."""
    with SecuredServer(tmp_path, server_under_test().path) as server:
        if not server.selects_keys_by_use:
            pytest.skip("Redis 6.2 gives a user no second set of rules")
        with SecuredPipeline(server, tmp_path / "log") as pipeline:
            pipeline.start("worker")
            pipeline.start("finalizer")
            pipeline.jobs.queue.enqueue_call("os.system", args=("true",), job_id="refused")
            _set_aside(pipeline, "no message")
            wait_until(lambda: pipeline.jobs.status().failed, what="a failed job")
            yield pipeline


def test_the_reader_sees_all_and_is_told_what_it_may_not(secured: SecuredPipeline) -> None:
    """Without a password; whoever has the worker's rules as well may replay and drop, as docs/security.md says."""
    secured.redis.execute_command("ACL", "SETUSER", "operator", "on", ">operators", *_rules_of("reader").split())
    as_reader = visitor(secured, redis_url=secured.server.url("reader"))
    as_operator = visitor(secured, redis_url=f"redis://operator:operators@localhost:{secured.server.port}/0")
    [letter_id] = _rows(as_reader.get(_LIST).text)

    def post(client: TestClient, what: str) -> tuple[int, str]:
        answer = client.post(f"{_LIST}/{what}", data={"proof": proof_on(client, _LIST), "letter": letter_id})
        return answer.status_code, answer.text

    refused = [post(client, what) for client in (as_reader, as_operator) for what in ("replay", "drop")]
    secured.redis.execute_command("ACL", "SETUSER", "operator", f"({_rules_of('worker')})")
    allowed = [post(as_operator, what) for what in ("replay", "drop")]

    assert [200, 200, 200] == [as_reader.get(path).status_code for path in ("/operations", "/runs", "/api/status")]
    assert "may not look into them" in as_reader.get("/operations").text
    assert [403] * 4 == [status for status, _ in refused]
    assert all("may not do this" in text for _, text in refused)
    assert secured.server.passwords["reader"] not in refused[0][1]
    assert "1 still cannot be accepted" in allowed[0][1]
    assert "1 dropped." in allowed[1][1]
