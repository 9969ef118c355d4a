"""What holds for whatever comes in, said once for the tests and for the fuzzer.

Each property takes input as it enters and fails with an exception if something is not as it should be. They need no
server: where there has to be one, it is a fake one in memory.
"""

import io
import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import quote

from fakeredis import FakeRedis, FakeServer
from pydantic import BaseModel
from redis import Redis
from rich.console import Console
from rq.serializers import JSONSerializer

from fuzz.examples import ENTRY_ID, MESSAGES, RUN_ID, SUMMARY, archive
from runweaver.console import cli
from runweaver.console.render import decision_lines, evidence_lines, summary_panel, summary_table
from runweaver.console.render_insights import insight_parts
from runweaver.console.terminal import NOT_FOUND, TROUBLE
from runweaver.producer import redact_secrets
from runweaver.producer.encode import encode_body
from runweaver.producer.message_kind import DECISION, OUTCOME, PROBLEM, RUN_STARTED, MessageKind
from runweaver.producer.spool import Disk, Spool
from runweaver.query import Insights, Runs, Summaries, compare, explain, trace
from runweaver.shared.admission import Admitted, admit
from runweaver.shared.archive import Archive, StoredRun, most_unpacked
from runweaver.shared.connection import connect, redact
from runweaver.shared.errors import (
    CorruptArchiveError,
    CorruptSummaryError,
    InvalidArgumentError,
    InvalidCursorError,
    InvalidMessageError,
    RunweaverError,
    SettingsError,
)
from runweaver.shared.figures import RunFigures
from runweaver.shared.keys import Keys
from runweaver.shared.messages import (
    BaseMessage,
    entry_time,
    identity_of,
    order_of,
    parse_message,
    parse_stored,
)
from runweaver.shared.run import Run
from runweaver.shared.settings import FinalizerSettings, JobSettings, ProducerSettings, ServerSettings, WorkerSettings
from runweaver.shared.summary import RunSummary
from runweaver.worker import PlainNarrator, story_of
from runweaver.worker.accept import accept
from runweaver.worker.consume import Entry
from runweaver.worker.finalize import Finalizer
from runweaver.worker.finalize_job import FinalizeJob
from runweaver.worker.index import index_keys
from runweaver.worker.jobs import JobQueue

#: Commands that go on until they are stopped: what they take is settings.
ENDLESS: Final = frozenset({"worker", "finalizer", "up", "demo"})

#: Stands in every password that is tried, and nowhere else.
HIDDEN_MARK: Final = "Pa55"

_KEYS: Final = Keys("rw")
_ROLES: Final = (ServerSettings, ProducerSettings, JobSettings, WorkerSettings, FinalizerSettings)
_MAX_MESSAGE_BYTES: Final = 64 * 1024
_LONGEST_TELLING: Final = 4_000
#: More than a file of a few kilobytes can give.
_MOST_STEPS: Final = 10_000


def message_is_refused_or_can_be_told(raw: bytes) -> None:
    """A message is refused with a code, or can be stored, read again and told: nothing else happens."""
    try:
        admitted = _admitted(raw)
    except InvalidMessageError as error:
        assert error.code in {"too-large", "not-json", "unknown-type", "version", "invalid"}, error.code
        _is_refused(raw, str(error))
        return
    identity = admitted.identity
    assert identity == "{}#{}".format(*order_of(identity))
    _is_the_same_in_the_store(raw, admitted)
    run = StoredRun.read(RUN_ID, {identity.encode(): admitted.stored}, None).fold()
    _can_be_told(run)
    _can_be_told(run.as_stuck())


def _admitted(raw: bytes) -> Admitted:
    return admit(raw, partition=0, entry_id=ENTRY_ID, position=0)


def _is_refused(raw: bytes, reason: str) -> None:
    """What is not admitted is no message, for the same reason."""
    try:
        parse_message(raw)
    except InvalidMessageError as error:
        assert str(error) == reason
        reason.encode()
        return
    raise AssertionError(f"refused, but a message: {reason}")


def _is_the_same_in_the_store(raw: bytes, admitted: Admitted) -> None:
    """What is admitted is a message: the one that will be read from the store, but for the times that it lacked."""
    message = parse_message(raw)
    assert (message.type, message.run_id) == (admitted.type, admitted.run_id)
    assert admitted.identity == identity_of(message, partition=0, entry_id=ENTRY_ID, position=0)
    [(_, read)] = parse_stored({admitted.identity: admitted.stored})
    absent = [(path[-1], holder) for path, holder in _holders(message) if path[-1] not in holder.model_fields_set]
    assert absent or raw == admitted.stored
    for name, holder in absent:
        setattr(holder, name, entry_time(ENTRY_ID))
    # As JSON: what is not a number is not even equal to itself.
    assert message.model_dump_json() == read.model_dump_json()
    assert admitted.stored == _admitted(admitted.stored).stored


def _holders(message: BaseMessage) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    """The parts of a message that have a timestamp, each with the path to it."""
    for path in message.timestamp_paths:
        holder: Any = message
        for step in path[:-1]:
            holder = getattr(holder, step)
        if holder is not None:
            yield path, holder


def _can_be_told(run: Run) -> None:
    """A run can be narrated, summarised, indexed, explained, compared, added up, written as JSON and shown."""
    run = run.model_copy()
    story = story_of(run)
    run.narrative = story.text
    run.model_dump_json()
    summary = RunSummary.from_run(run, evidence=story.evidence, narrator=story.narrator)
    assert summary == RunSummary.model_validate_json(summary.model_dump_json())
    assert all(key.encode() for key in index_keys(_KEYS, summary))
    figures = RunFigures.from_run(run, summary)
    assert figures == RunFigures.read(run.id, figures.pack())
    explain(run).model_dump_json()
    assert not compare(run, run).divergences
    for entry in trace(run, full=True):
        entry.model_dump_json()
    can_be_shown(summary, run)


def can_be_shown(summary: RunSummary, run: Run | None = None) -> None:
    """What a terminal gets holds nothing that a terminal would obey."""
    shown = io.StringIO()
    out = Console(file=shown, width=120)
    out.print(summary_panel(summary))
    out.print(summary_table([summary], width=120))
    for line in evidence_lines(summary):
        out.print(line)
    for line in decision_lines(run) if run is not None else ():
        out.print(line)
    assert {"\n"}.issuperset(character for character in shown.getvalue() if is_control(character))


def is_control(character: str) -> bool:
    """Whether a terminal does something with it instead of showing it."""
    return character < " " or "\x7f" <= character <= "\x9f"


def entries_are_sorted_out(entries: Sequence[Entry]) -> None:
    """Every message of every entry ends in a run or is set aside, exactly once, byte for byte."""
    batch = accept(entries, max_message_bytes=_MAX_MESSAGE_BYTES)
    came = Counter((entry.partition, entry.id, raw) for entry in entries for raw in entry.messages)
    aside = Counter((each.partition, each.entry_id, each.raw) for each in batch.rejected)
    merged = Counter(
        (entry.partition, entry.id, entry.messages[position])
        for run in batch.runs.values()
        for entry, position in run.origins
    )
    assert came == aside + merged
    assert all(len(run.fields) == 2 * len(run.origins) for run in batch.runs.values())
    for run_id, run in batch.runs.items():
        identities = [str(identity).encode() for identity in run.fields[::2]]
        stored = StoredRun.read(run_id, dict(zip(identities, map(bytes, run.fields[1::2]), strict=True)), None)  # type: ignore[arg-type]
        assert run_id == stored.fold().id
    for each in batch.rejected:
        assert each.reason.encode()
        # An unforeseen error is one that we would like to know of.
        assert each.code in {"too-large", "not-json", "unknown-type", "version", "invalid"}, each.reason


def archive_is_read_or_refused(packed: bytes) -> None:
    """An archive is read, and can be written again, or is refused with one error; neither takes memory for nothing."""
    try:
        stored = StoredRun.read(RUN_ID, {}, packed)
    except CorruptArchiveError as error:
        assert len(str(error)) < _LONGEST_TELLING
        return
    assert sum(map(len, stored.messages.values())) <= most_unpacked(packed)
    assert stored.archive == Archive.unpack(stored.archive.pack())
    if not stored.exists:
        return
    try:
        run = stored.fold()
    except InvalidMessageError:
        return
    _can_be_told(run)
    assert stored.archive_for(run).pack()


def figures_are_told_or_left_out(packed: bytes) -> None:
    """What lies under the key of a run's figures is added up and told with the others, or left out."""
    insights = Insights("redis://localhost", namespace=_KEYS.namespace)
    insights._client = _filled()
    insights._client.set(_KEYS.figures(RUN_ID), packed)
    found = insights.get()
    # Two have no figures: their summaries are counted.
    assert found.runs in (2, 3)
    found.model_dump_json()
    shown = io.StringIO()
    out = Console(file=shown, width=120)
    for part in insight_parts(found):
        out.print(part)
    assert {"\n"}.issuperset(character for character in shown.getvalue() if is_control(character))


def cursor_is_refused_or_gives_a_page(cursor: str) -> None:
    """A cursor continues a list, or is refused with one error."""
    try:
        page = _summaries().list(cursor=cursor, limit=1)
    except InvalidCursorError as error:
        str(error).encode()
        return
    assert len(page.items) <= 1


def summary_is_read_or_refused(raw: bytes) -> None:
    """What lies under a summary's key is one and can be shown, or is refused with one error and left out of lists."""
    client = _filled()
    client.set(_KEYS.summary(RUN_ID), raw)
    summaries = _summaries()
    is_good = True
    try:
        summary = summaries.get(RUN_ID)
    except CorruptSummaryError as error:
        is_good = False
        # What somebody wrote there is nothing for logs.
        assert len(str(error)) < _LONGEST_TELLING
    else:
        assert summary is not None
        can_be_shown(summary)
        summary.model_dump_json()
    assert len(summaries.list().items) == 2 + is_good
    runs = Runs()
    runs._client = client
    try:
        runs.get(RUN_ID)
    except RunweaverError as error:
        assert len(str(error)) < _LONGEST_TELLING
    runs.running()
    client.set(_KEYS.summary(RUN_ID), SUMMARY.model_dump_json())


def command_line_ends_well(arguments: Sequence[str]) -> None:
    """Every command ends with 0, 1 or 2, and shows nobody a traceback."""
    if ENDLESS.intersection(arguments):
        return
    client = _filled()
    client.delete(_KEYS.dead_letters(0))
    letter: Any = {"message": b"\xff", "entry": "1-0", "code": "not-json", "reason": "none"}
    client.xadd(_KEYS.dead_letters(0), letter, id="1-0")
    with (
        patch.object(sys, "argv", ["runweaver", *arguments]),
        patch.object(Redis, "from_url", lambda *_arguments, **_options: client),
        redirect_stdout(_strict_output("strict")) as out,
        redirect_stderr(_strict_output("backslashreplace")) as err,
    ):
        try:
            cli.run()
        except SystemExit as ended:
            assert ended.code in {None, 0, NOT_FOUND, TROUBLE}, ended.code
        for stream in (out, err):
            stream.flush()
            told = stream.buffer.getvalue()  # type: ignore[attr-defined]
            assert b"Traceback" not in told


def _strict_output(errors: str) -> io.TextIOWrapper:
    """Standard output or standard error, as Python opens them."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)


def environment_is_refused_or_makes_sense(variables: Mapping[str, str]) -> None:
    """Settings are taken or refused with one error; those that are taken can be used."""
    with patch.dict(os.environ, variables, clear=True):
        for role in _ROLES:
            try:
                loaded = role.load()
            except SettingsError as error:
                assert "RUNWEAVER_" in str(error)
                continue
            for name, value in loaded.model_dump().items():
                if name.endswith("_s"):
                    # The server takes milliseconds, as whole numbers of 64 bits.
                    assert 0 <= int(value * 1000) < 2**62, name


def url_is_refused_or_makes_a_client(url: str) -> None:
    """A URL gives a client that can make connections, or is refused with one error that does not tell the password."""
    assert HIDDEN_MARK not in redact(url)
    try:
        client = connect(url, name="fuzz", retries=0)
    except SettingsError as error:
        assert HIDDEN_MARK not in str(error)
        return
    pool = client.connection_pool
    made: Any = pool.connection_class(**pool.connection_kwargs)
    (getattr(made, "host", None) or "").encode("idna")
    assert not client.get_encoder().decode_responses


def job_is_refused_or_harmless(function: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Whatever a job asks for, it is done or refused with one error, and what nobody stored stays as it is."""
    client = FakeRedis(server=FakeServer())
    client.mset({"foreign": b"theirs", "rw:run:{": b"theirs", "rw:run:{}": b"theirs"})
    before = {key: client.dump(key) for key in client.keys("*")}
    settings = FinalizerSettings(summary_ttl_s=1, archive_ttl_s=1)
    finalizer = Finalizer(client, JobQueue(client, _KEYS), _KEYS, narrator=PlainNarrator(), settings=settings)
    job = FinalizeJob.create(
        function, args=list(arguments), kwargs=dict(options), connection=client, serializer=JSONSerializer
    )
    # As they come out of the queue.
    job._args, job._kwargs = json.loads(json.dumps([list(arguments), dict(options)]))
    try:
        with patch.object(FinalizeJob, "finalizer", finalizer):
            job.func(*job.args, **job.kwargs)
    except RunweaverError as error:
        assert len(str(error)) < _LONGEST_TELLING
    assert before == {key: client.dump(key) for key in client.keys("*")}


def spool_is_sent_or_set_aside(name: str, content: bytes, log: bytes) -> None:
    """Whatever lies in a spool, a producer sends what can be read, sets the rest aside, and is not stuck."""
    with TemporaryDirectory() as directory:
        path = Path(directory, f"rw~{quote(name, safe='', errors='surrogatepass')[:100]}~0.spool")
        path.write_bytes(content)
        path.with_name(path.name + "-wal").write_bytes(log)
        spool = Spool(Path(directory), namespace="rw", name="p", max_bytes=1024 * 1024)
        with spool.session() as disk:
            steps = 0
            while disk.look_for_leftovers():
                _send_some(disk)
                steps += 1
                assert steps < _MOST_STEPS
            assert disk.write([[b"{}"]]) == 1
            assert disk.first() == [[b"{}"]]
            assert disk.remove_first() == 1


def _send_some(disk: Disk) -> None:
    try:
        batches = disk.first()
    except sqlite3.OperationalError:
        disk.give_up()  # the sender would try again, with the same result here
    except sqlite3.DatabaseError:
        disk.give_up()
    else:
        assert all(isinstance(raw, bytes) for batch in batches for raw in batch)
        if batches:
            disk.remove_first()


def argument_is_refused_or_sent(value: Any) -> None:
    """Whatever an agent hands over, its call is refused with one error, or a worker can read what is sent."""
    for kind, fields in _calls(value):
        try:
            body = encode_body(kind, kind.build(fields), _MAX_MESSAGE_BYTES, redact=redact_secrets)
        except InvalidArgumentError as error:
            str(error)
            continue
        envelope = {"type": kind.name, "run_id": RUN_ID, "producer": "p", "seq": 0}
        raw = json.dumps(envelope)[:-1].encode() + b"," + body[1:]
        assert len(raw) <= _MAX_MESSAGE_BYTES
        _is_the_same_in_the_store(raw, _admitted(raw))


def _calls(value: Any) -> Sequence[tuple[MessageKind, dict[str, Any]]]:
    """Each place in which an agent's value can stand."""
    decision = {"id": "d", "node_id": "n", "intent": "i"}
    return [
        (OUTCOME, {"decision_id": "d", "outcome": {"success": True, "result": value}}),
        (OUTCOME, {"decision_id": "d", "outcome": {"success": True, "state_changes": value, "error": "No"}}),
        (OUTCOME, {"decision_id": value, "outcome": {"success": value, "error": value, "summary": value}}),
        (OUTCOME, {"decision_id": "d", "outcome": {"success": True, "tokens_used": value}}),
        (OUTCOME, {"decision_id": "d", "outcome": value}),
        (DECISION, {"decision": {**decision, "options": value, "chosen_option_id": value}}),
        (DECISION, {"decision": {**decision, "input_context": value}}),
        (DECISION, {"decision": {**decision, "options": [{"id": "a", "description": "A", "own": value}]}}),
        (DECISION, {"decision": {**decision, "decision_type": value, "active_constraints": value}}),
        (PROBLEM, {"problem": {"id": "x", "severity": "minor", "description": value}}),
        (PROBLEM, {"problem": {"id": "x", "severity": value, "description": "Odd"}}),
        (RUN_STARTED, {"goal_id": "g", "input_data": value}),
        (RUN_STARTED, {"goal_id": "g", "input_data": {"a": value}, "tags": value}),
    ]


@cache
def _filled() -> FakeRedis:
    """A server with three summaries, the messages of one of them, and a dead letter. Making it takes a while."""
    client = FakeRedis(server=FakeServer())
    for number, run_id in enumerate((RUN_ID, "run-2", "run-3")):
        summary = SUMMARY.model_copy(update={"run_id": run_id})
        client.set(_KEYS.summary(run_id), summary.model_dump_json())
        for key in index_keys(_KEYS, summary):
            client.zadd(key, {run_id: 1_000 * number})
    packed = archive({f"p#{each['seq']}": json.dumps(each).encode() for each in MESSAGES}).pack()
    client.set(_KEYS.archive(RUN_ID), packed)
    client.zadd(_KEYS.active(0), {RUN_ID: 1, "run-2": 2})
    return client


def _summaries() -> Summaries:
    summaries = Summaries("redis://localhost", namespace="rw")
    summaries._client = _filled()
    return summaries
