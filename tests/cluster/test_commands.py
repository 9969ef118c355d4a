"""The commands that read say the same of the same runs, on one server and on a cluster."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from mcp import Client

from runweaver.worker.dead_letters import DeadLetter, DeadLetters
from tests.support.asking import answer_of, asking, over_stdio
from tests.support.cluster import Cluster
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

_PARTITIONS: Final = 6
_RUNS: Final = 12
_LETTERS: Final = 5

#: Runs many commands in one process: starting one for each takes long.
_ONE_AFTER_THE_OTHER: Final = """
import contextlib, io, json, sys
from runweaver.console.cli import run
said = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["runweaver", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            run()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    said.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""

_READING: Final = (
    ("runs",),
    ("runs", "--json"),
    ("runs", "--goal", "goal-1", "--tag", "odd"),
    ("runs", "--status", "failed", "--json"),
    ("runs", "--status", "running"),
    ("show", "run-1"),
    ("show", "run-1", "--full"),
    ("show", "open", "--json"),
    ("show", "nobody"),
    ("why", "run-3"),
    ("trace", "run-3"),
    ("compare", "run-1", "run-3"),
    ("insights", "goal-1"),
    ("insights", "goal-1", "--json"),
    ("export",),
    ("export", "--full"),
    ("watch", "--once"),
    ("dead-letters", "list"),
    ("dead-letters", "list", "--json"),
)


def _scripts() -> list[Script]:
    begin = datetime.now(UTC) - timedelta(hours=1)
    scripts = []
    for number in range(_RUNS):
        script = Script(f"run-{number}", begin=begin + timedelta(minutes=number))
        script.started(f"goal-{number % 3}", tags=["odd" if number % 2 else "even"])
        script.steps(8)
        script.problem("problem", "critical" if number % 4 == 3 else "warning")
        script.ended("failed" if number % 4 == 3 else "completed")
        scripts.append(script)
    still_open = Script("open", begin=datetime.now(UTC))
    still_open.started("goal-1")
    still_open.decision("d")
    return [*scripts, still_open]


@pytest.fixture(scope="module")
def twins(server: Server, cluster: Cluster) -> Iterator[tuple[Pipeline, Pipeline]]:
    """The same runs and the same nonsense, on one server and on a cluster."""
    partitions = {"RUNWEAVER_PARTITIONS": str(_PARTITIONS)}
    jobs = {"RUNWEAVER_JOBS_URL": server.url.removesuffix("/0") + "/1"}
    scripts = _scripts()
    sent = [list(script.written) for script in scripts]
    # One more decision of a run, which is too large for the workers.
    late = scripts[0].decision("large", "x" * 3_000)
    with (
        Pipeline(server.url, "twins", partitions) as alone,
        Pipeline(cluster.url, "twins", {**partitions, **jobs}) as clustered,
    ):
        for pipeline in (alone, clustered):
            pipeline.start("worker", RUNWEAVER_MAX_MESSAGE_BYTES="2048")
            pipeline.start("finalizer")
            for number, messages in enumerate(sent):
                pipeline.send(*messages, partition=number % _PARTITIONS)
            for number in range(4):
                pipeline.send(f"nonsense {number}", partition=number)
            pipeline.send(late, partition=4)
        for pipeline in (alone, clustered):
            for script in scripts[:-1]:
                pipeline.summary(script.run_id)
            wait_until(pipeline.runs.running, what="the open run")
            wait_until(lambda p=pipeline: len(_letters(p)) == _LETTERS, what="dead letters")  # type: ignore[misc]
        yield alone, clustered


def _letters(pipeline: Pipeline) -> list[DeadLetter]:
    return list(DeadLetters(pipeline.redis, pipeline.keys))


def _said(pipeline: Pipeline, commands: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    done = pipeline.run_program(_ONE_AFTER_THE_OTHER, json.dumps(commands))
    assert 0 == done.returncode, done.stderr
    return [(code, _timeless(out), _timeless(err)) for code, out, err in json.loads(done.stdout)]


def _timeless(text: str) -> str:
    """Without what differs from one moment to the next."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?", "(time)", text)
    text = re.sub(r"\d\d-\d\d \d\d:\d\d(:\d\d)?", "(time)", text)
    text = re.sub(r"\d{13}-\d+", "(id)", text)
    return re.sub(r"[\d.]+ m?s\b *", "(duration)", text)


def test_commands_that_read(twins: tuple[Pipeline, Pipeline]) -> None:
    """Lists, single runs, what many tell, exports, dead letters, a look at what goes on."""
    alone, clustered = (_said(pipeline, _READING) for pipeline in twins)

    for command, expected, actual in zip(_READING, alone, clustered, strict=True):
        assert (command, expected) == (command, actual)


def test_commands_that_deal_with_dead_letters(twins: tuple[Pipeline, Pipeline]) -> None:
    """One is shown, one is dropped, the others are tried again: of these, one was but too large."""
    told = []
    for pipeline in twins:
        first, second, *_ = [letter.id for letter in _letters(pipeline)]
        commands = [
            *[("show", first), ("drop", first), ("show", first)],
            *[("replay", second), ("replay", "--all", "--json"), ("list",)],
        ]
        told.append(_said(pipeline, [("dead-letters", *command) for command in commands]))
        assert 5 == pipeline.summary("run-0", revision=2).decision_count
        assert _LETTERS - 2 == len(_letters(pipeline))

    assert told[0] == told[1]
    assert [0, 0, 1] == [code for code, _, _ in told[0][:3]]


def test_an_llm_gets_the_same_answers(twins: tuple[Pipeline, Pipeline]) -> None:
    """Over stdio, as its program starts it."""

    async def talk(client: Client) -> list[Any]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("list_runs", {"limit": 5}),
            ("list_runs", {"status": "running"}),
            ("list_goals", {}),
            ("get_summary", {"run_id": "run-3", "evidence": True}),
            ("get_run", {"run_id": "run-3"}),
            ("list_dead_letters", {}),
        ]
        return [answer_of(await client.call_tool(name, arguments)) for name, arguments in calls]

    alone, clustered = (_timeless(json.dumps(asking(over_stdio(pipeline), talk), indent=1)) for pipeline in twins)

    assert alone == clustered
    assert "run-3" in clustered
