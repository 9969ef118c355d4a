"""`runweaver console`: where it listens, how it ends, and how `up` and `demo` bring it along."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import Pipeline
from tests.support.visiting import TOKEN
from tests.support.waiting import wait_until

_COMMAND = [sys.executable, "-m", "runweaver.console", "console"]


def _serve(pipeline: Pipeline, log: Path, *options: str, **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start one at a free port; its process and its address."""
    process = pipeline.spawn_logged([*_COMMAND, "--port", "0", *options], log, environment)
    lines = wait_until(
        lambda: [line for line in log.read_text().splitlines() if '"serving"' in line], what="it listening"
    )
    return process, json.loads(lines[-1])["url"]


def _get(address: str, **headers: str) -> tuple[int, str]:
    """What anybody gets there: the status, and the text. It takes until the console answers."""

    def ask() -> tuple[int, str] | None:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except urllib.error.URLError:
            return None

    answer = wait_until(ask, what="an answer")
    assert answer is not None
    return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(own_pipeline: Pipeline, tmp_path: Path, number: signal.Signals) -> None:
    """With 0, and without a traceback."""
    process, address = _serve(own_pipeline, tmp_path / "log")
    assert 200 == _get(f"{address}runs")[0]
    process.send_signal(number)

    assert 0 == process.wait(5)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_on_a_terminal_it_says_where_it_is(own_pipeline: Pipeline) -> None:
    """In one line, for people."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*_COMMAND, "--port", "0"], env=own_pipeline.environment, stdout=theirs, stderr=subprocess.DEVNULL
    )
    own_pipeline.processes.append(process)
    os.close(theirs)

    said = os.read(ours, 1000).decode()

    assert re.fullmatch(r"Runweaver's console is at http://127\.0\.0\.1:\d+/\r\n", said)
    assert 0 == own_pipeline.stop(process)
    os.close(ours)


def test_others_reach_it_only_with_a_token(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """An address that is not this machine's own is refused without one; the log does not tell it."""
    everywhere = "0.0.0.0"  # noqa: S104
    refused = own_pipeline.run("console", "--host", everywhere)
    _, address = _serve(own_pipeline, tmp_path / "log", "--host", everywhere, RUNWEAVER_CONSOLE_TOKEN=TOKEN)
    there = address.replace(everywhere, "127.0.0.1")

    assert (2, 1) == (refused.returncode, len(refused.stderr.splitlines()))
    assert (
        "--host 0.0.0.0: whoever reaches this address could read all runs: set RUNWEAVER_CONSOLE_TOKEN"
        in refused.stderr
    )
    assert 401 == _get(f"{there}api/status")[0]
    assert 200 == _get(f"{there}api/status", Authorization=f"Bearer {TOKEN}")[0]
    assert TOKEN not in (tmp_path / "log").read_text()


def test_it_can_be_told_to_only_read(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """By an option, besides the setting."""
    _serve(own_pipeline, tmp_path / "log", "--read-only")

    assert '"read_only": true' in (tmp_path / "log").read_text()


def test_where_somebody_listens_already(own_pipeline: Pipeline) -> None:
    """One sentence, and 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = own_pipeline.run("console", "--port", str(other.getsockname()[1]))

    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    assert "cannot listen there: Address already in use" in done.stderr


def test_without_the_extra_it_says_what_to_install(own_pipeline: Pipeline) -> None:
    """The rest of the command line works without."""
    # A module that is None cannot be imported.
    program = "import sys; sys.modules['fastapi'] = None; from runweaver.console.cli import run; run()"

    done = own_pipeline.run_program(program, "console")

    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    assert "fastapi is not installed: the console needs pip install 'runweaver[console]'" in done.stderr


def _up(pipeline: Pipeline, *options: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start `runweaver up`; its process and what it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runweaver.console", "up", *options],
        env=pipeline.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    while not said or "Ctrl-C ends it." not in said[-1]:
        said.append(process.stdout.readline())
    return process, said


def test_up_brings_it_along(own_pipeline: Pipeline) -> None:
    """At the port that was asked for, or one that is free; and ends it with the rest."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process, said = _up(own_pipeline, "--console-port", str(port))
    with process:
        address = f"http://127.0.0.1:{port}/"
        answer = _get(f"{address}api/status")
        process.terminate()
        assert 0 == process.wait(20)

    assert f"Look at runs at {address}\n" in said
    assert 200 == answer[0]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)


def test_up_goes_without(own_pipeline: Pipeline) -> None:
    """Where it is told to."""
    process, said = _up(own_pipeline, "--no-console")
    with process:
        process.terminate()
        assert 0 == process.wait(20)

    assert [] == [line for line in said if "http" in line]


def test_at_a_terminal_the_demo_stays_until_it_was_looked_at(own_pipeline: Pipeline) -> None:
    """Its console shows the runs that it made; Enter ends it all."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runweaver.console", "demo", "--runs", "2", "--agents", "1"],
        env={**own_pipeline.environment, "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    own_pipeline.processes.append(process)
    os.close(theirs)
    said = ""
    while "until you press Enter" not in said:
        said += os.read(ours, 10_000).decode(errors="replace")
    [address] = set(re.findall(r"http://127\.0\.0\.1:\d+/", said))

    summaries = json.loads(_get(f"{address}api/summaries")[1])["items"]
    os.write(ours, b"\n")

    assert 2 == len(summaries)
    assert 0 == process.wait(20)
    os.close(ours)
