"""`runweaver mcp`: who may ask over HTTP, how it ends, and that standard output belongs to the protocol."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.asking import COMMAND, address_in, ask, over_http, post, serve, tools_at, with_token
from tests.support.processes import Pipeline

_TOKEN = "a-token-of-the-test"  # noqa: S105
_EVERYWHERE = "0.0.0.0"  # noqa: S104
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def test_standard_output_holds_nothing_but_the_protocol(own_pipeline: Pipeline) -> None:
    """What is logged, and nothing of what was asked, goes to standard error. The end of its input ends it, with 0."""
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "get_run", "arguments": {"run_id": "nope"}},
    }
    asked = [_INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call]
    with subprocess.Popen(
        [*COMMAND[:-1], "--log-level", "debug", COMMAND[-1]],
        env=own_pipeline.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"{json.dumps(message)}\n" for message in asked))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        rest, log = process.communicate(timeout=10)

    assert ([1, 2], "") == ([answer["id"] for answer in answers], rest)
    assert "no run 'nope' is known" in answers[1]["result"]["content"][0]["text"]
    assert log
    assert "nope" not in log
    assert 0 == process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_over_standard_input(own_pipeline: Pipeline, number: signal.Signals) -> None:
    """With 0, though its standard input is still open."""
    with subprocess.Popen(
        COMMAND, env=own_pipeline.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(_INITIALIZE)}\n")
        process.stdin.flush()
        assert 1 == json.loads(process.stdout.readline())["id"]
        process.send_signal(number)

        assert 0 == process.wait(5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_over_http(own_pipeline: Pipeline, tmp_path: Path, number: signal.Signals) -> None:
    """With 0, and without a traceback."""
    process = serve(own_pipeline, tmp_path / "log")
    assert [] == ask(address_in(tmp_path / "log"), "list_runs")["runs"]
    process.send_signal(number)

    assert 0 == process.wait(5)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_others_reach_it_only_with_a_token(own_pipeline: Pipeline) -> None:
    """An address that is not this machine's own is refused without one; so is a token that can be guessed."""
    refused = own_pipeline.run("mcp", "--http", "--host", _EVERYWHERE)
    short = own_pipeline.run("mcp", "--http", RUNWEAVER_MCP_TOKEN="secret")  # noqa: S106
    unknown = own_pipeline.run("mcp", "--http", "--host", "no.such.host.invalid", RUNWEAVER_MCP_TOKEN=_TOKEN)

    assert (2, "") == (refused.returncode, refused.stdout)
    assert "--host 0.0.0.0: whoever reaches this address could read all runs: set RUNWEAVER_MCP_TOKEN" in refused.stderr
    assert 2 == short.returncode
    assert "RUNWEAVER_MCP_TOKEN: it needs at least 16" in short.stderr
    assert "secret" not in short.stderr
    assert 2 == unknown.returncode
    assert "cannot listen there" in unknown.stderr
    assert [1, 1, 1] == [len(done.stderr.splitlines()) for done in (refused, short, unknown)]


@pytest.mark.parametrize("host", ["127.0.0.1", _EVERYWHERE])
def test_who_has_not_the_token_gets_401(own_pipeline: Pipeline, tmp_path: Path, host: str) -> None:
    """Whatever else they send; who has it gets answers. The log does not tell it."""
    address = over_http(own_pipeline, tmp_path / "log", "--host", host, RUNWEAVER_MCP_TOKEN=_TOKEN)
    refused = [
        post(address),
        *(post(address, Authorization=given) for given in ("", _TOKEN, f"Bearer {_TOKEN}x", "Bearer é")),
        post(address, Authorization=f"Basic {_TOKEN}"),
        post(address.replace("/mcp", "/other")),
    ]
    with pytest.raises(ExceptionGroup):
        tools_at(address)

    assert [401] * len(refused) == [status for status, _ in refused]
    assert 404 == post(address.replace("/mcp", "/other"), Authorization=f"Bearer {_TOKEN}")[0]
    assert 10 == len(tools_at(with_token(address, _TOKEN)))
    assert _TOKEN not in (tmp_path / "log").read_text()


def test_a_page_in_a_browser_cannot_ask(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """One whose name was made to point to this machine, or that just tries the address."""
    address = over_http(own_pipeline, tmp_path / "log")

    assert 200 == post(address)[0]
    assert (421, "Invalid Host header") == post(address, Host="evil.example:8765")
    assert (403, "Invalid Origin header") == post(address, Origin="https://evil.example")


def test_where_somebody_listens_already(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """One sentence, and 2."""
    port = over_http(own_pipeline, tmp_path / "log").split(":")[2].partition("/")[0]

    done = own_pipeline.run("mcp", "--http", "--port", port)

    assert (2, "") == (done.returncode, done.stdout)
    assert f"--host 127.0.0.1 --port {port}: cannot listen there: Address already in use" in done.stderr
    assert 1 == len(done.stderr.splitlines())


def test_without_the_extra_it_says_what_to_install(own_pipeline: Pipeline) -> None:
    """The rest of the command line works without."""
    # A module that is None cannot be imported.
    program = "import sys; sys.modules['mcp'] = None; from runweaver.console.cli import run; run()"

    done = subprocess.run(
        [sys.executable, "-c", program, "mcp"],
        env=own_pipeline.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert "the server for LLMs needs pip install 'runweaver[mcp]'" in done.stderr
    assert 1 == len(done.stderr.splitlines())
