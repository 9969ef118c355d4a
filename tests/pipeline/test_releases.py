"""What earlier releases left can be read, worked off and gone on with: see `tests/releases`."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from runweaver.producer import Producer
from runweaver.query import Insights, Summaries
from runweaver.shared import ProducerSettings, RunStatus, RunSummary
from runweaver.shared.archive import StoredRun
from runweaver.shared.figures import RunFigures
from runweaver.shared.messages import parse_message
from runweaver.worker import DeadLetters
from tests.chaos.releases import CURRENT
from tests.releases.making import FOLDERS, LONG, write_folder
from tests.support.processes import Pipeline
from tests.support.server import Server

#: The releases that have a folder; and the code at hand, which writes one as it will when it is released.
VERSIONS = [*sorted(path.name for path in FOLDERS.iterdir() if (path / "keys.json").exists()), "this code"]
TYPES = {
    *("run_started", "decision", "outcome", "evaluation", "problem", "edge", "heartbeat", "producer_left", "run_ended"),
}


@pytest.fixture(scope="module", params=VERSIONS)
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release."""
    if request.param != "this code":
        return FOLDERS / str(request.param)
    folder = tmp_path_factory.mktemp("releases") / "current"
    write_folder(CURRENT, folder)
    return folder


@pytest.fixture
def upgraded(left: Path) -> Iterator[Pipeline]:
    """A server with all that the release left there, and nothing that runs yet."""
    with Server() as server, Pipeline(server.url, "rw", LONG) as pipeline:
        for key, held in _keys(left).items():
            _restore(pipeline.redis, key, held["type"], held["value"])
        yield pipeline


def test_summaries_say_what_they_said(left: Path) -> None:
    """Field by field; what is new since then has its default."""
    summaries = _values(left, "rw:summary:")

    assert {"summarised", "another"} == set(summaries)
    for run_id, raw in summaries.items():
        assert _is_within(json.loads(raw), json.loads(RunSummary.read(run_id, raw).model_dump_json()))


def test_archives_hold_the_runs_that_were_archived(left: Path) -> None:
    """Their messages, of each type that there was, fold to the run that the release itself folded."""
    archives = _values(left, "rw:archive:")

    assert {"summarised", "another"} == set(archives)
    for run_id, packed in archives.items():
        run = StoredRun.read(run_id, {}, packed).fold()
        assert _is_within(_told(left, run_id), json.loads(run.model_dump_json()))
    messages = StoredRun.read("summarised", {}, archives["summarised"]).messages.values()
    assert TYPES <= {parse_message(raw).type for raw in messages}


def test_figures_go_with_their_summaries(left: Path) -> None:
    """Releases from before there were any left none."""
    figures = {run_id: RunFigures.read(run_id, packed) for run_id, packed in _values(left, "rw:figures:").items()}

    assert set(figures) == ({"summarised", "another"} if left.name != "0.1.0" else set())
    for run_id, each in figures.items():
        summary = RunSummary.read(run_id, _values(left, "rw:summary:")[run_id])
        assert (summary.decision_count, summary.tokens) == (each.decisions, each.tokens)
        assert not each.is_partial


def test_cursors_go_on_where_they_were(left: Path, upgraded: Pipeline) -> None:
    """A list that was begun with the release is continued."""
    known = json.loads((left / "cursor.json").read_text())

    page = Summaries(upgraded.url).list(cursor=known["cursor"])

    assert known["behind"] == [summary.run_id for summary in page.items]


def test_what_was_left_is_worked_off(left: Path, upgraded: Pipeline) -> None:
    """Messages that wait, runs that went on, jobs that nobody took: it all comes to what the release made of it."""
    assert 1 == upgraded.jobs.queue.count
    upgraded.start("worker")
    upgraded.start("finalizer")

    ended = upgraded.summary("ended")
    waiting = upgraded.summary("waiting")
    upgraded.wait_until_idle()

    assert (RunStatus.FAILED, RunStatus.CANCELLED) == (ended.status, waiting.status)
    assert 0 == upgraded.jobs.queue.failed_job_registry.count
    for run_id in ("summarised", "another", "ended", "going-on", "waiting"):
        run = upgraded.runs.get(run_id)
        assert run is not None
        assert _is_within(_told(left, run_id), json.loads(run.model_dump_json())), run_id
    assert ["waiting", "ended", "another", "summarised"] == [each.run_id for each in upgraded.summaries.list().items]
    assert 4 == Insights(upgraded.url).get("goal").runs


def test_runs_that_went_on_can_be_ended(upgraded: Pipeline) -> None:
    """The producer is a new one; the run is the same."""
    upgraded.start("worker")
    upgraded.start("finalizer")
    with Producer(settings=ProducerSettings(redis_url=upgraded.url)) as producer:
        run = producer.join_run("going-on")
        run.quick_decision("Go on", "After the upgrade")
        run.end()

    summary = upgraded.summary("going-on")

    assert (RunStatus.COMPLETED, 2, "goal") == (summary.status, summary.decision_count, summary.goal_id)


def test_dead_letters_are_still_there(upgraded: Pipeline) -> None:
    """With the message, and why it was set aside."""
    [letter] = DeadLetters(upgraded.redis, upgraded.keys)

    assert (b'{"type":"telepathy","run_id":"refused"}', "unknown-type") == (letter.message, letter.code)


def test_what_lay_in_the_spool_is_sent(left: Path, upgraded: Pipeline, tmp_path: Path) -> None:
    """By the next producer with this directory, whichever release it is of."""
    if not (left / "spool").exists():
        pytest.skip("the release had no spool")
    spool = shutil.copytree(left / "spool", tmp_path / "spool")
    upgraded.start("worker")
    upgraded.start("finalizer")

    with Producer(settings=ProducerSettings(redis_url=upgraded.url), spool=spool):
        summary = upgraded.summary("spooled")

    run = upgraded.runs.get("spooled")
    assert run is not None
    assert _is_within(_told(left, "spooled"), json.loads(run.model_dump_json()))
    assert (RunStatus.COMPLETED, 0) == (summary.status, summary.completeness.missing)


def _told(left: Path, run_id: str) -> dict[str, Any]:
    """A run as the release told it, but for the words: those of a narrator may change."""
    told = json.loads((left / "runs.json").read_text())[run_id]
    return {name: value for name, value in told.items() if name != "narrative"}


def _is_within(old: Any, new: Any) -> bool:
    """Whether all that was said is said still; there may be more."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(
            name in new and _is_within(value, new[name]) for name, value in old.items()
        )
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(_is_within, old, new))
    return bool(old == new)


def _keys(left: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((left / "keys.json").read_text())
    return found


def _values(left: Path, prefix: str) -> dict[str, bytes]:
    """What the release kept of each run under such a key."""
    found = {key: held["value"] for key, held in _keys(left).items() if key.startswith(prefix)}
    return {key.removeprefix(prefix).strip("{}"): _bytes(value) for key, value in found.items()}


def _bytes(written: Any) -> bytes:
    return base64.b64decode(written["base64"]) if isinstance(written, dict) else str(written).encode()


def _restore(client: Redis, key: str, kind: str, value: Any) -> None:
    if kind == "string":
        client.set(key, _bytes(value))
    elif kind == "list":
        client.rpush(key, *map(_bytes, value))
    elif kind == "zset":
        client.zadd(key, {_bytes(member): score for member, score in value})
    elif kind == "hash":
        client.hset(key, mapping={_bytes(name): _bytes(held) for name, held in value})
    else:
        assert kind == "stream", kind
        for entry_id, fields in value:
            client.xadd(key, {_bytes(name): _bytes(held) for name, held in fields}, id=entry_id)
