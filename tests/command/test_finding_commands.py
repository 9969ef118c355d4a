"""`runweaver runs` with its filters, and `runweaver export`, as people and programs use them."""

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet
import pytest
from redis.client import Pipeline as RedisPipeline

from runweaver.shared import Run, RunSummary
from runweaver.shared.archive import Archive
from runweaver.worker.index import Indexed, indexing
from tests.support.messages import Script, summary_of
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

_NOW = datetime.now(UTC)
_MANY = 1_500


@pytest.fixture(scope="module")
def full(server: Server) -> Iterator[Pipeline]:
    """Two finished runs, one of long ago and one of just now, and one that goes on."""
    with Pipeline(server.url, "finding-commands") as pipeline:
        pipeline.start("worker")
        pipeline.start("finalizer")
        old = Script("run-old", begin=_NOW - timedelta(days=10))
        new, running = Script("run-new", begin=_NOW), Script("run-running", begin=_NOW)
        pipeline.send(
            old.started("g", tags=["nightly"]),
            old.decision("d", "Book a flight", "flights"),
            old.outcome("d", success=False, error="=1+1", tokens_used=500),
            old.problem("p", "critical", "No seat"),
            old.ended("failed"),
        )
        pipeline.send(new.started("g", tags=["canary"]), new.decision("d"), new.outcome("d"), new.ended())
        pipeline.send(running.started("h", tags=["canary"]), running.decision("d", "Sail away", "harbour"))
        pipeline.summary("run-old")
        pipeline.summary("run-new")
        pipeline.wait_until_idle()
        yield pipeline


@pytest.fixture
def many(own_pipeline: Pipeline) -> Iterator[Pipeline]:
    """Very many finished runs with their archives, one a second."""
    with own_pipeline.redis.pipeline(transaction=False) as commands:
        for number in range(_MANY):
            _finish(own_pipeline, commands, number)
        commands.execute()
    yield own_pipeline
    own_pipeline.redis.delete(*own_pipeline.redis.keys(f"{own_pipeline.namespace}:*"))


def _finish(pipeline: Pipeline, commands: RedisPipeline, number: int) -> None:
    script = Script(f"run-{number:04}", begin=_NOW + timedelta(seconds=number))
    messages = [script.started("g"), script.decision("d"), script.ended()]
    summary = summary_of(messages)
    archive = Archive({f"p#{seq}": raw.encode() for seq, raw in enumerate(messages)}, revision=1)
    commands.set(pipeline.keys.summary(summary.run_id), summary.model_dump_json(), ex=600)
    commands.set(pipeline.keys.archive(summary.run_id), archive.pack(), ex=600)
    for command in indexing(pipeline.keys, [Indexed(summary, (_NOW + timedelta(days=9)).timestamp() * 1000)]):
        commands.execute_command(*command)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tag", "nightly"], ["run-old"]),
        (["--since", "7d"], ["run-new"]),
        (["--until", "7d"], ["run-old"]),
        (["--since", f"{_NOW - timedelta(days=11):%Y-%m-%d}", "--until", "1h"], ["run-old"]),
        (["--severity", "critical"], ["run-old"]),
        (["--min-tokens", "500"], ["run-old"]),
        (["--min-duration", "4s"], ["run-old"]),
        (["--min-duration", "3s"], ["run-new", "run-old"]),
        (["--grep", "book a FLIGHT"], ["run-old"]),
        (["--attention", "missing"], []),
        (["--goal", "g", "--tag", "canary", "--severity", "critical"], []),
        (["--status", "running", "--tag", "canary"], ["run-running"]),
        (["--status", "running", "--tag", "nightly"], []),
        (["--status", "running", "--node", "harbour", "--since", "1h"], ["run-running"]),
        (["--status", "running", "--grep", "sail"], ["run-running"]),
    ],
    ids=" ".join,
)
def test_runs_are_found_by_all_that_is_said(full: Pipeline, arguments: list[str], expected: list[str]) -> None:
    """As one JSON object a line; where that fits, also among those that go on."""
    result = full.run("runs", *arguments, "--json")

    assert (0, "") == (result.returncode, result.stderr)
    assert expected == [json.loads(line)["run_id"] for line in result.stdout.splitlines()]


def test_runs_as_csv(full: Pipeline) -> None:
    """A table for spreadsheets alone on standard output; how to go on is said on standard error."""
    result = full.run("runs", "--csv", "--limit", "1")
    [row] = csv.DictReader(io.StringIO(result.stdout, newline=""))
    [more] = result.stderr.splitlines()
    rest = full.run("runs", "--csv", "--limit", "1", *more.removeprefix("more: ").split())

    assert "run-new" == row["run_id"]
    assert ["run-old"] == [each["run_id"] for each in csv.DictReader(io.StringIO(rest.stdout, newline=""))]
    assert "" == rest.stderr


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["runs", "--since", "soon"], "--since: 'soon' is no moment"),
        (["runs", "--min-duration", "30"], "--min-duration: '30' is no duration"),
        (["runs", "--attention", "sleepy"], "'sleepy' is none of retried"),
        (["runs", "--severity", "grave"], "'grave' is none of critical"),
        (["runs", "--json", "--csv"], "say one of them"),
        (["runs", "--status", "running", "--min-duration", "1s"], "--min-duration: there is no such thing"),
        (["runs", "--status", "running", "--cursor", "abc"], "--cursor: there is no such thing"),
        (["export", "--status", "running"], "only finished runs are exported"),
        (["export", "--format", "parquet"], "Parquet needs a file"),
        (["export", "--resume"], "name the file with --output"),
        (["export", "--resume", "--output", "nowhere.jsonl"], "there is no nowhere.jsonl.cursor"),
        (["export", "--resume", "--output", "x", "--format", "parquet"], "Parquet has to begin anew"),
        (["export", "--output", "/nowhere/x.jsonl"], "/nowhere/x.jsonl.part cannot be written"),
        (["export", "--output", "/nowhere/x", "--format", "parquet"], "/nowhere/x.part cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_one_sentence_and_exit_2(full: Pipeline, command: list[str], told: str) -> None:
    """It says what was wrong, with which value."""
    result = full.run(*command)

    assert (2, 1, "") == (result.returncode, len(result.stderr.splitlines()), result.stdout), result.stderr
    assert told in result.stderr


def test_an_export_is_what_is_stored(full: Pipeline, tmp_path: Path) -> None:
    """Summaries, or full runs, as JSON lines on standard output or in a file, which holds nothing else in the end."""
    summaries = full.run("export", "--goal", "g").stdout.splitlines()
    told = full.run("export", "--tag", "nightly", "--full", "--output", str(tmp_path / "runs.jsonl"))
    [run] = (tmp_path / "runs.jsonl").read_text().splitlines()

    assert [full.summaries.get("run-new"), full.summaries.get("run-old")] == [
        RunSummary.model_validate_json(line) for line in summaries
    ]
    assert full.runs.get("run-old") == Run.model_validate_json(run)
    assert (f"1 runs in {tmp_path / 'runs.jsonl'}\n", "") == (told.stdout, told.stderr)
    assert ["runs.jsonl"] == [path.name for path in tmp_path.iterdir()]


def test_runs_without_their_messages_are_left_out_and_counted(many: Pipeline) -> None:
    """On standard error: an archive that has expired, and one that is none."""
    many.redis.delete(many.keys.archive("run-0001"))
    many.redis.set(many.keys.archive("run-0003"), b"odd", ex=60)

    result = many.run("export", "--full", "--until", (_NOW + timedelta(seconds=7)).isoformat())

    assert ["run-0004", "run-0002", "run-0000"] == [json.loads(line)["id"] for line in result.stdout.splitlines()]
    assert [
        "runweaver: 1 runs are left out: their messages are kept no more",
        "runweaver: 1 runs are left out: they cannot be read",
    ] == result.stderr.splitlines()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_export_goes_on_where_it_stopped(many: Pipeline, tmp_path: Path, number: signal.Signals) -> None:
    """No run is there twice, and none of the first is missing; what came meanwhile is not there."""
    target, note = tmp_path / "runs.jsonl", tmp_path / "runs.jsonl.cursor"
    command = ["export", "--full", "--goal", "g", "--since", "1h", "--output", str(target)]
    with subprocess.Popen(
        [sys.executable, "-m", "runweaver.console", *command],
        env=many.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: note.exists() and json.loads(note.read_text())["written"] >= 100, what="a part is written")
        process.send_signal(number)
        _, told = process.communicate()
    assert {signal.SIGKILL: -9, signal.SIGINT: 130}[number] == process.returncode
    assert ("go on with the same options and --resume" in told) == (number is signal.SIGINT)
    assert not target.exists()
    with (tmp_path / "runs.jsonl.part").open("a") as part:
        part.write('{"id":"run-torn')
    with many.redis.pipeline(transaction=False) as commands:
        _finish(many, commands, _MANY)
        commands.execute()

    again, others = many.run(*command), many.run(*command[:-4], "--output", str(target), "--resume")
    done = many.run(*command, "--resume")

    assert (2, True) == (again.returncode, "was interrupted: go on with --resume, or remove" in again.stderr)
    assert (2, True) == (others.returncode, "was asked for with --goal g --since 1h --full" in others.stderr)
    assert (0, f"1,500 runs in {target}\n") == (done.returncode, done.stdout), done.stderr
    ids = [json.loads(line)["id"] for line in target.read_text().splitlines()]
    assert [f"run-{number:04}" for number in reversed(range(_MANY))] == ids
    assert ["runs.jsonl"] == [path.name for path in tmp_path.iterdir()]


def test_an_export_into_a_closed_pipe_ends_quietly(many: Pipeline) -> None:
    """As `head` closes it."""
    with subprocess.Popen(
        [sys.executable, "-m", "runweaver.console", "export"],
        env=many.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert b"" == process.stderr.read()


def test_parquet_has_a_typed_column_for_each_field(full: Pipeline, tmp_path: Path) -> None:
    """Numbers, times and lists of texts as such; what is nested as JSON."""
    summaries, runs = tmp_path / "summaries.parquet", tmp_path / "runs.parquet"
    assert 0 == full.run("export", "--output", str(summaries), "--format", "parquet").returncode
    assert (
        0 == full.run("export", "--output", str(runs), "--format", "parquet", "--full", "--tag", "nightly").returncode
    )

    table = pyarrow.parquet.read_table(summaries)
    expected = full.summaries.get("run-old")
    assert expected is not None
    row = table.to_pylist()[1]
    assert set(RunSummary.model_fields) == set(row)
    assert ("int64", "timestamp[us, tz=UTC]", "double", "string") == tuple(
        str(table.schema.field(name).type) for name in ("tokens", "finished_at", "success_rate", "completeness")
    )
    plain = [name for name in row if name not in ("completeness", "evidence", "attention")]
    assert {name: getattr(expected, name) for name in plain} == {name: row[name] for name in plain}
    assert expected.completeness.model_dump() == json.loads(row["completeness"])
    [run] = pyarrow.parquet.read_table(runs).to_pylist()
    assert ("run-old", "Book a flight", 4_000) == (
        run["id"],
        json.loads(run["decisions"])[0]["intent"],
        run["duration_ms"],
    )
    assert ["runs.parquet", "summaries.parquet"] == sorted(path.name for path in tmp_path.iterdir())


def test_without_its_library_parquet_says_what_to_install(full: Pipeline, tmp_path: Path) -> None:
    """In one sentence; nothing is left behind."""
    script = """
import sys
sys.modules["pyarrow"] = None
from runweaver.console.__main__ import main
main()
"""
    result = subprocess.run(
        [sys.executable, "-c", script, "export", "--format", "parquet", "--output", str(tmp_path / "x")],
        env=full.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (2, "runweaver: Parquet files need pip install 'runweaver[parquet]'\n") == (result.returncode, result.stderr)
    assert [] == list(tmp_path.iterdir())
