"""`runweaver watch`: live on a terminal, a line a run elsewhere, and it ends when it is told to."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from runweaver.shared.attention import Attention, AttentionFlag
from tests.support.announcing import store, summary, tell
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_WATCH = [sys.executable, "-m", "runweaver.console", "watch"]


def _watching(pipeline: Pipeline, output: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A watcher that writes all it says into a file, once it is there."""
    with output.open("wb") as stdout:
        process = subprocess.Popen([*_WATCH, *arguments], env=pipeline.environment, stdout=stdout, stderr=stdout)
    pipeline.processes.append(process)
    wait_until(lambda: _is_listening(pipeline), what="the watcher listening")
    return process


def _is_listening(pipeline: Pipeline) -> bool:
    """Whether some subscription waits on the server for announcements of this namespace."""
    return any(
        client["name"] == "runweaver-subscription" and client["cmd"] == "xread" and "b" in client["flags"]
        for client in pipeline.redis.client_list()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_json_lines_as_runs_finish(own_pipeline: Pipeline, tmp_path: Path, number: signal.Signals) -> None:
    """Each at once, and a signal ends it with 0 and without a word."""
    output = tmp_path / "out"
    process = _watching(own_pipeline, output, "--json", "--goal", "x")
    for name, goal in (("a", "x"), ("b", "y"), ("c", "x")):
        tell(own_pipeline, summary(name, goal=goal))
        if goal == "x":
            wait_until(lambda name=name: f'"{name}"' in output.read_text(), what=name)  # type: ignore[misc]
    process.send_signal(number)

    assert 0 == process.wait(5)
    assert ["a", "c"] == [json.loads(line)["run_id"] for line in output.read_text().splitlines()]


def test_where_there_is_no_terminal_it_prints_a_line_a_run(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """With the first sentence, and nothing that a terminal would obey."""
    output = tmp_path / "out"
    loop = Attention(flag=AttentionFlag.LOOP, reason="Three times the same.", value=3, threshold=2)
    narrative = "It \x1b[2Jbroke.\nThen it went on. " + "x" * 5_000
    changed = {"attention": [loop], "narrative": narrative, "failed_decisions": 2}
    _watching(own_pipeline, output, "--attention", "loop")
    tell(own_pipeline, summary("quiet"), summary("loud", status="failed").model_copy(update=changed))
    wait_until(lambda: output.read_text().endswith("\n"), what="a line")

    [line] = output.read_text().splitlines()
    assert re.search(r"  loud  goal  failed  3\.0 s  2 ✗  \[loop\]  It ␛\[2Jbroke\.$", line)


def test_a_screen_at_once(own_pipeline: Pipeline) -> None:
    """Running runs with what they do, finished ones with what came of them; then it ends."""
    script = Script("going")
    script.started("goal-a")
    script.decision("d", "Ask\x1b[2J around", "the-node")
    store(own_pipeline, script, at_s=1)
    tell(own_pipeline, summary("done", status="failed"))
    own_pipeline.redis.zadd(own_pipeline.keys.index_all, {"done": 1})

    shown = own_pipeline.run("watch", "--once")

    own_pipeline.redis.delete(own_pipeline.keys.index_all)
    assert (0, "") == (shown.returncode, shown.stderr)
    assert re.search(r"^going +goal-a .* 1 +\[the-node\] Ask␛\[2J around", shown.stdout, re.MULTILINE)
    assert re.search(r"^done +goal +failed +3\.0 s .*Run completed", shown.stdout, re.MULTILINE)


def test_a_terminal_shows_what_comes(own_pipeline: Pipeline) -> None:
    """Live, until Ctrl-C."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _WATCH,
        env={**own_pipeline.environment, "COLUMNS": "120", "LINES": "30", "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    own_pipeline.processes.append(process)
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = b""

    def shows(text: bytes) -> bool:
        nonlocal seen
        with suppress(BlockingIOError):
            seen += os.read(ours, 1_000_000)
        return text in seen

    wait_until(lambda: shows(b"0 open"), what="the screen")
    tell(own_pipeline, summary("first"))
    wait_until(lambda: shows(b"first"), what="the first run")
    tell(own_pipeline, summary("second"))
    wait_until(lambda: shows(b"second"), what="the second run")
    process.send_signal(signal.SIGINT)

    assert 0 == process.wait(5)
    os.close(ours)


@pytest.mark.parametrize(
    "arguments", [["--status", "running"], ["--attention", "no-such"], ["--once", "--json"]], ids=" ".join
)
def test_what_makes_no_sense_is_told(own_pipeline: Pipeline, arguments: list[str]) -> None:
    """With exit code 2."""
    refused = own_pipeline.run("watch", *arguments)

    assert (2, "") == (refused.returncode, refused.stdout)
    assert arguments[-1].lstrip("-") in refused.stderr


def test_a_reader_that_goes_away_ends_it(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """As in `runweaver watch | head -1`: without a traceback."""
    ours, theirs = os.pipe()
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([*_WATCH, "--json"], env=own_pipeline.environment, stdout=theirs, stderr=stderr)
    own_pipeline.processes.append(process)
    os.close(theirs)
    wait_until(lambda: _is_listening(own_pipeline), what="the watcher listening")
    os.close(ours)
    tell(own_pipeline, summary("a"))

    assert (0, "") == (process.wait(5), log.read_text())
