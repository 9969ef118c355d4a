"""What the README says can be done, can be done: each of its commands and each of its Python blocks is run."""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, flags=re.MULTILINE | re.DOTALL)


def _commands() -> list[list[str]]:
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


_AGENT, _BUILDER = _blocks("python")

_RUN_UNTIL_STOPPED = ("worker", "finalizer", "watch", "console")


@pytest.fixture
def agent_run_id(pipeline: Pipeline) -> str:
    """The run that the README's agent makes. It has made one before, to compare it with."""
    script = f"{_AGENT}\nproducer.close()\nprint(run.run_id)\n" * 2
    done = subprocess.run(
        [sys.executable, "-c", script], env=pipeline.environment, capture_output=True, text=True, check=True, timeout=60
    )
    earlier, run_id = done.stdout.split()
    pipeline.summary(earlier)
    pipeline.summary(run_id)
    return run_id


def test_the_commands_are_those_that_are_tried_here() -> None:
    """A new one in the README needs a way to be tried."""
    assert {"make", "runweaver", "export", "python"} == {words[0] for words in _commands()}


def test_the_five_lines_give_a_summary_that_the_builders_lines_read(pipeline: Pipeline, agent_run_id: str) -> None:
    """Both Python blocks, as they stand."""
    done = subprocess.run(
        [sys.executable, "-c", f"{_BUILDER}\n    print(run.id)"],
        env=pipeline.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "completed Run completed successfully. Made 1 decisions: 1 succeeded, 0 failed." in done.stdout
    assert agent_run_id in done.stdout.splitlines()


@pytest.mark.parametrize(
    "command",
    [words for words in _commands() if words[0] == "runweaver" and words[1] not in _RUN_UNTIL_STOPPED],
    ids=" ".join,
)
def test_commands_that_read_work(pipeline: Pipeline, agent_run_id: str, command: list[str]) -> None:
    """With the run that the README's agent made."""
    arguments = [agent_run_id if word == "RUN_ID" else word for word in command[1:]]

    done = pipeline.run(*arguments)

    # Other tests set messages aside in this pipeline: then status says so, with 1.
    as_it_should = {0, 1} if arguments[0] == "status" else {0}
    assert (True, "") == (done.returncode in as_it_should, done.stderr)
    if arguments[0] in ("runs", "show", "compare"):
        assert agent_run_id in done.stdout


def test_workers_and_finalizers_start_as_it_says(own_pipeline: Pipeline) -> None:
    """With the environment that it exports, but for the server's address."""
    roles = [words[1] for words in _commands() if words[0] == "runweaver" and words[1] in ("worker", "finalizer")]
    exported = [words[1].partition("=")[0] for words in _commands() if words[0] == "export"]
    processes = [own_pipeline.start(role) for role in roles]
    own_pipeline.send(
        '{"type":"run_started","run_id":"run","goal_id":"g"}',
        '{"type":"run_ended","run_id":"run","status":"completed"}',
    )
    own_pipeline.summary("run")

    assert (["worker", "finalizer"], ["RUNWEAVER_REDIS_URL"]) == (roles, exported)
    assert [0, 0] == [own_pipeline.stop(process) for process in processes]


def test_watching_tells_of_the_run(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """The README's agent reports while the README's command watches; what is no terminal gets a line."""
    [command] = [words[1:] for words in _commands() if words[:2] == ["runweaver", "watch"]]
    for role in ("worker", "finalizer"):
        own_pipeline.start(role)
    output = tmp_path / "output"
    with output.open("wb") as stdout:
        watcher = subprocess.Popen(
            [sys.executable, "-m", "runweaver.console", *command], env=own_pipeline.environment, stdout=stdout
        )
    own_pipeline.processes.append(watcher)
    wait_until(
        lambda: any(client["name"] == "runweaver-subscription" for client in own_pipeline.redis.client_list()),
        what="the watcher listening",
    )
    script = f"{_AGENT}\nproducer.close()"
    subprocess.run([sys.executable, "-c", script], env=own_pipeline.environment, check=True, timeout=60)
    wait_until(output.read_text, what="a line")

    assert "  qualify-leads  completed  " in output.read_text()
    assert 0 == own_pipeline.stop(watcher)


def test_the_console_shows_the_run(pipeline: Pipeline, agent_run_id: str, tmp_path: Path) -> None:
    """The README's command serves it, here at a port that is free."""
    [command] = [words[1:] for words in _commands() if words[:2] == ["runweaver", "console"]]
    process = pipeline.spawn_logged(
        [sys.executable, "-m", "runweaver.console", *command, "--port", "0"], tmp_path / "log"
    )
    wait_until(lambda: '"serving"' in (tmp_path / "log").read_text(), what="it listening")
    [address] = re.findall(r"http://127\.0\.0\.1:\d+/", (tmp_path / "log").read_text())

    with urllib.request.urlopen(f"{address}runs") as page:  # noqa: S310
        assert agent_run_id in page.read().decode()
    assert 0 == pipeline.stop(process)


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a terminal, also where make has started these tests."""
    foreign = ("RUNWEAVER_", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        ["make", *arguments],  # noqa: S607
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_make_demo_shows_a_fleet() -> None:
    """From the checkout, with whatever it has to set up."""
    done = _make("demo")

    assert 0 == done.returncode, done.stderr
    assert "40 runs" in done.stdout
    assert "To look further:" in done.stdout


def test_make_test_runs_the_tests() -> None:
    """Not here and now, since this is a part of them."""
    told = _make("--dry-run", "test")

    assert (0, ".venv/bin/pytest -n 3 --dist worksteal") == (told.returncode, told.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", [words for words in _commands() if words[0] == "python"], ids=" ".join)
def test_it_can_be_installed_as_it_says(command: list[str]) -> None:
    """The package and its extras are found; what they need can be had."""
    done = subprocess.run(
        [sys.executable, *command[1:], "--dry-run", "--quiet", "--ignore-installed", "--no-deps"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
