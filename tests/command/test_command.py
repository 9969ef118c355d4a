"""The `runweaver` command as people and programs use it."""

import json
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runweaver.shared import RunStatus
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def full(server: Server) -> Iterator[Pipeline]:
    """A namespace with a failed run, a completed one, one that goes on, and two dead letters."""
    with Pipeline(server.url, "command") as pipeline:
        pipeline.start("worker")
        pipeline.start("finalizer")
        failed, completed, running = Script("run-failed"), Script("run-completed"), Script("run-running")
        pipeline.send(
            failed.started("goal-a", goal_description="Do [bold]something[/bold]"),
            failed.decision("d", "Try", reasoning="It was there"),
            failed.outcome("d", success=False, error="It broke"),
            failed.problem("p", "critical", "All is lost"),
            failed.ended("failed"),
            "{broken",
            b"\xff\xfe",
        )
        pipeline.send(completed.started("goal-b"), completed.decision("d"), completed.outcome("d"), completed.ended())
        pipeline.send(running.started("goal-b"), running.decision("d", "Think"))
        pipeline.summary("run-failed")
        pipeline.summary("run-completed")
        pipeline.wait_until_idle()
        yield pipeline


def test_insights_tell_what_runs_have_in_common(full: Pipeline) -> None:
    """In words, or as JSON; of one goal, or of all."""
    told = full.run("insights", "goal-a", "--since", "52000w")
    everything = full.run("insights", "--json")

    assert (0, "", 0, "") == (told.returncode, told.stderr, everything.returncode, everything.stderr)
    assert "[node] Try: mend what “a” fails with: It broke" in told.stdout
    assert "see run-failed" in told.stdout
    assert {"completed": 1, "failed": 1} == json.loads(everything.stdout)["statuses"]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["goal-z"], 1, "no finished runs of 'goal-z' are known"),
        (["--tag", "nobody's"], 1, "no finished runs are known for this period and tag"),
        (["--since", "soon"], 2, "--since: 'soon' is no moment"),
        (["--since", "2026-01-02", "--until", "2026-01-01"], 2, "is not before 2026-01-01"),
    ],
)
def test_insights_that_there_are_not(full: Pipeline, arguments: list[str], code: int, expected: str) -> None:
    """One line that says why."""
    done = full.run("insights", *arguments)

    assert (code, "") == (done.returncode, done.stdout)
    assert expected in done.stderr
    assert 1 == done.stderr.count("\n")


def _lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["run-failed", "run-completed"]),
        (["--goal", "goal-b"], ["run-completed"]),
        (["--status", "failed"], ["run-failed"]),
        (["--status", "running"], ["run-running"]),
        (["--status", "running", "--goal", "goal-a"], []),
        (["--limit", "1"], ["run-failed"]),
        (["--node", "node"], ["run-failed", "run-completed"]),
        (["--status", "stuck"], []),
    ],
    ids=" ".join,
)
def test_runs_as_json_is_one_object_a_line(full: Pipeline, arguments: list[str], expected: list[str]) -> None:
    """The newest first, and nothing else on standard output."""
    result = full.run("runs", *arguments, "--json")

    assert (0, expected) == (result.returncode, [line["run_id"] for line in _lines(result.stdout)])


def test_runs_for_people_is_a_table(full: Pipeline) -> None:
    """One line a run; a limit says how to go on, and that works."""
    result = full.run("runs", "--limit", "1")
    assert 0 == result.returncode
    assert "run-failed" in result.stdout
    assert "run-completed" not in result.stdout

    cursor = result.stdout.split("--cursor ")[1].strip()
    assert "run-completed" in full.run("runs", "--cursor", cursor).stdout


def test_show_tells_a_run_in_full(full: Pipeline) -> None:
    """What agents wrote is shown as they wrote it, and never taken for formatting."""
    result = full.run("show", "run-failed")

    assert 0 == result.returncode
    assert "Do [bold]something[/bold]" in result.stdout
    assert "Run failed. Made 1 decisions: 0 succeeded, 1 failed. Critical issues: All is lost" in result.stdout
    assert "✗ [node] Try → The first way" in result.stdout
    assert "It was there" not in result.stdout


def test_show_full_has_the_reasons_and_the_alternatives(full: Pipeline) -> None:
    """Every decision, with what else could have been done."""
    result = full.run("show", "run-failed", "--full")

    assert "because: It was there" in result.stdout
    assert "instead of: The second way" in result.stdout
    assert "outcome: It broke" in result.stdout


def test_show_as_json_is_the_summary_or_the_run(full: Pipeline) -> None:
    """With --full it is the run, with all its decisions."""
    summary = json.loads(full.run("show", "run-failed", "--json").stdout)
    run = json.loads(full.run("show", "run-failed", "--full", "--json").stdout)

    assert ("run-failed", "failed", 1) == (summary["run_id"], summary["status"], summary["revision"])
    assert ("run-failed", "Try") == (run["id"], run["decisions"][0]["intent"])


def test_show_tells_what_its_sentences_rest_on(full: Pipeline) -> None:
    """For people with --evidence; programs have it in any case, with what needs attention."""
    result = full.run("show", "run-failed", "--evidence")
    summary = json.loads(full.run("show", "run-failed", "--json").stdout)

    assert (0, True) == (result.returncode, "Failed on: Try\n    decisions d; node node\n" in result.stdout)
    assert ["Run failed.", "Made 1 decisions: 0 succeeded, 1 failed.", "Critical issues: All is lost"] == [
        each["sentence"] for each in summary["evidence"][:3]
    ]
    assert (["p"], []) == (summary["evidence"][2]["problem_ids"], summary["attention"])


def test_a_running_run_is_held_to_the_thresholds_of_the_environment(full: Pipeline) -> None:
    """The same variables that a finalizer reads."""
    shown = full.run("show", "run-running", "--json", RUNWEAVER_ATTENTION_STEPS="0")

    assert ["long"] == [each["flag"] for each in json.loads(shown.stdout)["attention"]]


def test_show_of_a_running_run_shows_it_as_it_stands(full: Pipeline) -> None:
    """It has no revision yet."""
    summary = json.loads(full.run("show", "run-running", "--json").stdout)

    assert (RunStatus.RUNNING, 0, 1) == (summary["status"], summary["revision"], summary["pending_decisions"])
    assert "not summarised yet" in full.run("show", "run-running").stdout


@pytest.mark.parametrize("arguments", [[], ["--full"], ["--json"], ["--full", "--json"]], ids=" ".join)
def test_an_unknown_run_is_exit_1_and_one_line(full: Pipeline, arguments: list[str]) -> None:
    """On standard error; standard output stays empty."""
    result = full.run("show", "run-unknown", *arguments)

    assert (1, "") == (result.returncode, result.stdout)
    assert 1 == len(result.stderr.splitlines())
    assert "run-unknown" in result.stderr


def test_status_counts_what_is_there(full: Pipeline) -> None:
    """As JSON, and for people."""
    status = json.loads(full.run("status", "--json").stdout)

    assert (0, 1, 0, 2, 2) == tuple(
        status[name] for name in ("backlog", "open_runs", "due_runs", "summaries", "dead_letters")
    )
    assert (1, 0, 0) == tuple(status["jobs"][name] for name in ("finalizers", "waiting", "failed"))
    assert 1 == len(status["workers"])
    text = full.run("status").stdout
    assert "1 open, 0 to summarise" in text


def test_dead_letters_are_listed_replayed_and_dropped(own_pipeline: Pipeline) -> None:
    """By id or all at once; an id that is not there makes the command fail."""
    own_pipeline.start("worker")
    own_pipeline.send("{one", "{two", b"\xff")
    wait_until(lambda: own_pipeline.redis.xlen(own_pipeline.keys.dead_letters(0)) == 3, what="three dead letters")

    listed = _lines(own_pipeline.run("dead-letters", "list", "--json").stdout)
    assert ["{one", "{two", "\\xff"] == [letter["message"] for letter in listed]
    assert 3 * ["not-json"] == [letter["code"] for letter in listed]
    assert "{two" in own_pipeline.run("dead-letters", "list").stdout

    first = str(listed[0]["id"])
    dropped = own_pipeline.run("dead-letters", "drop", first, "--json")
    assert (0, [{"dropped": [first]}]) == (dropped.returncode, _lines(dropped.stdout))
    again = own_pipeline.run("dead-letters", "drop", first)
    assert 1 == again.returncode
    assert first in again.stderr

    replayed = own_pipeline.run("dead-letters", "replay", "--all", "--json")
    assert {letter["id"]: letter["reason"] for letter in listed[1:]} == json.loads(replayed.stdout)["refused"]
    assert (1, True) == (replayed.returncode, "2 still cannot be accepted" in replayed.stderr)
    # They are as bad as before, so they come back, as new letters.
    second = str(listed[1]["id"])
    assert listed[1] == json.loads(own_pipeline.run("dead-letters", "show", second, "--json").stdout)
    assert "{two" in own_pipeline.run("dead-letters", "show", second).stdout
    gone = own_pipeline.run("dead-letters", "show", first)
    assert (1, 1) == (gone.returncode, len(gone.stderr.splitlines()))

    assert 2 == own_pipeline.run("dead-letters", "drop").returncode
    assert 2 == own_pipeline.run("dead-letters", "replay", "nonsense").returncode
    assert "2 dropped" in own_pipeline.run("dead-letters", "drop", "--all").stdout
    assert "No dead letters." in own_pipeline.run("dead-letters", "list").stdout


class _Answering(socketserver.ThreadingTCPServer):
    """A server that answers every command with the same bytes."""

    allow_reuse_address = True
    daemon_threads = True
    answer = b""


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Answering)
        while line := self.rfile.readline():
            if line.startswith(b"*"):
                self.wfile.write(self.server.answer)


@pytest.fixture
def answering() -> Iterator[_Answering]:
    """A server that is no Redis of today."""
    with _Answering(("127.0.0.1", 0), _Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


_COMMANDS = [
    ["worker"],
    ["finalizer"],
    ["runs"],
    ["runs", "--status", "running"],
    ["show", "run"],
    ["show", "run", "--full"],
    ["status"],
    ["dead-letters", "list"],
    ["demo"],
    ["up"],
]


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_nobody_at_the_address_is_one_sentence_and_exit_2(own_pipeline: Pipeline, command: list[str]) -> None:
    """It says where, and what to do; no traceback."""
    result = own_pipeline.run(*command, RUNWEAVER_REDIS_URL="redis://127.0.0.1:1/0")

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
    assert "no Redis answers at redis://127.0.0.1:1/0" in result.stderr
    assert "set RUNWEAVER_REDIS_URL" in result.stderr


@pytest.mark.parametrize("command", [["worker"], ["finalizer"], ["runs"], ["status"]], ids=" ".join)
def test_a_wrong_password_is_one_sentence_and_exit_2(namespace: str, command: list[str]) -> None:
    """The password itself is not told."""
    with Server() as locked, Pipeline(locked.url, namespace) as pipeline:
        pipeline.redis.config_set("requirepass", "right")
        url = f"redis://:wrong-word@127.0.0.1:{locked.port}/0"
        result = pipeline.run(*command, RUNWEAVER_REDIS_URL=url)

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
    assert "refused the user or the password" in result.stderr
    assert "wrong-word" not in result.stderr


@pytest.mark.parametrize("command", [["worker"], ["finalizer"], ["status"]], ids=" ".join)
def test_a_server_too_old_is_one_sentence_and_exit_2(
    own_pipeline: Pipeline, answering: _Answering, command: list[str]
) -> None:
    """It says which version is needed."""
    answering.answer = b"-ERR unknown command `HELLO`, with args beginning with: `3`\r\n"
    url = f"redis://127.0.0.1:{answering.server_address[1]}/0"

    result = own_pipeline.run(*command, RUNWEAVER_REDIS_URL=url)

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
    assert "Redis 6.2" in result.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RUNWEAVER_REDIS_URL", "http://localhost"),
        ("RUNWEAVER_NAMESPACE", "with blanks"),
        ("RUNWEAVER_PARTITIONS", "none"),
        ("RUNWEAVER_SETTLE_S", "-1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_sentence_and_exit_2(
    own_pipeline: Pipeline, variable: str, value: str
) -> None:
    """It names the value."""
    result = own_pipeline.run("worker", **{variable: value})

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
    assert value in result.stderr


def test_a_wrong_call_is_exit_2(own_pipeline: Pipeline) -> None:
    """Unknown statuses and levels are told as such."""
    unknown = own_pipeline.run("runs", "--status", "dozing")
    assert 2 == unknown.returncode
    assert "'dozing' is none of running, completed, failed, stuck, cancelled" in unknown.stderr
    assert 2 == own_pipeline.run("--log-level", "loud", "runs").returncode


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["show", "run-\udcff"], "half a character"),
        (["runs", "--node", "\udcff"], "half a character"),
        (["dead-letters", "drop", "0:1-1\udcff"], "is not the id of a dead letter"),
        (["dead-letters", "replay", "9" * 5_000 + ":1-1"], "is not the id of a dead letter"),
        (["runs", "--cursor", "W1tbW1tb"], "is not a cursor"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_odd_arguments_are_one_sentence_and_exit_2(own_pipeline: Pipeline, command: list[str], told: str) -> None:
    """Also bytes that are no UTF-8, which Python hands over as halves of characters."""
    result = own_pipeline.run(*command)

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
    assert told in result.stderr


@pytest.mark.parametrize("narrator", [".relative:Narrator", "a\tb", ":", "json:", "tests.support.x:y"])
def test_a_narrator_that_cannot_be_imported_is_one_sentence_and_exit_2(own_pipeline: Pipeline, narrator: str) -> None:
    """Whatever stands there instead of a module's name."""
    result = own_pipeline.run("finalizer", RUNWEAVER_NARRATOR=narrator)

    assert (2, 1) == (result.returncode, len(result.stderr.splitlines())), result.stderr
    assert "RUNWEAVER_NARRATOR" in result.stderr


def test_without_its_libraries_the_command_says_what_to_install() -> None:
    """As in the base install, which is for agents."""
    script = """
import sys
sys.modules["typer"] = None
from runweaver.console.__main__ import main
main()
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert 2 == result.returncode
    assert "pip install 'runweaver[console]'" in result.stderr
    assert 1 == len(result.stderr.splitlines())


def test_the_demo_ends_with_its_summaries_and_leaves_nothing_running() -> None:
    """With a private server, which is gone afterwards."""
    command = [sys.executable, "-m", "runweaver.console", "demo", "--runs", "6", "--agents", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    assert (0, "") == (result.returncode, result.stderr)
    assert 6 == sum(line.startswith("run-2") for line in result.stdout.splitlines())
    assert "Made" in result.stdout
    assert "runweaver why" in result.stdout


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc to look at")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["demo", "up"])
def test_an_interrupted_command_leaves_nothing_running(command: str, number: signal.Signals) -> None:
    """Neither workers nor agents nor the server: it waits for all of them, and says so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runweaver.console", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        children = wait_until(lambda: _children(process.pid), what="it has children")
        process.send_signal(number)
        assert 0 == process.wait(30)

    assert b"on redis://127.0.0.1:" in first
    assert [] == [child for child in children if Path(f"/proc/{child}").exists()]


def _children(parent: int) -> list[int]:
    stats = [_stat(path) for path in Path("/proc").glob("[0-9]*/stat")]
    return [pid for pid, its_parent in stats if its_parent == parent]


def _stat(path: Path) -> tuple[int, int]:
    """A process and its parent, as /proc has them."""
    try:
        name, _, rest = path.read_text().rpartition(")")
    except OSError:
        return 0, 0  # it has ended since
    return int(name.split()[0]), int(rest.split()[1])
