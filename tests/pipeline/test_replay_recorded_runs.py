"""A hundred recorded runs of a real agent go through the whole pipeline, and every summary is right.

What is right is computed here from the recordings alone, by plain counting.
"""

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from examples.replay_conversations import main
from runweaver.shared import RunSummary
from runweaver.shared.summary import MAX_KEY_DECISIONS
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

PROJECT: Final = Path(__file__).parents[2]
EXAMPLE: Final = PROJECT / "examples" / "replay_conversations.py"
RECORDINGS: Final = PROJECT.parent / "shared" / "data" / "airline_runs.jsonl.gz"

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recorded runs are not part of the repository, and not beside it either"
)

Record = dict[str, Any]


class Facts(NamedTuple):
    """What can be counted in a recording, and must be found again in its run's summary."""

    goal_id: str
    status: str
    decisions: int
    failed_decisions: int
    #: The tools of the failed decisions, in order.
    failed_tools: list[str]
    #: The same as the summary tells it.
    key_decisions: list[str]
    pending_decisions: int
    #: Messages that the run takes on the wire.
    declared: int
    received: int
    missing: int


@needs_recordings
def test_every_summary_of_a_hundred_real_runs_is_right(own_pipeline: Pipeline) -> None:
    """Through two workers and a finalizer, each summary says exactly what can be counted in the recording."""
    for role in ("worker", "worker", "finalizer"):
        own_pipeline.start(role)
    records = read_records()

    ended = replay(own_pipeline.environment, RECORDINGS, "--prefix", "recorded", "--processes", "2")
    summaries = wait_for_complete_summaries(own_pipeline, len(records))

    assert (0, "") == (ended.returncode, ended.stderr)
    assert 100 == len(records)
    assert f"Replayed 100 runs, {sum(len(record['messages']) for record in records):,} messages" in ended.stdout
    expected = {f"recorded-task-{record['task_id']}-trial-{record['trial']}": facts_in(record) for record in records}
    assert expected == {summary.run_id: facts_of(own_pipeline, summary) for summary in summaries}


@needs_recordings
def test_a_recording_can_be_replayed_again_under_another_prefix(pipeline: Pipeline, run_id: str) -> None:
    """Runs of another prefix are runs of their own: the first ones stay as they were."""
    records = read_records()[:2]
    prefixes = (f"{run_id}-first", f"{run_id}-second")

    for prefix in prefixes:
        assert (
            0
            == replay(
                pipeline.environment, RECORDINGS, "--limit", "2", "--processes", "1", "--prefix", prefix
            ).returncode
        )

    for prefix in prefixes:
        for record in records:
            summary = pipeline.summary(f"{prefix}-task-{record['task_id']}-trial-{record['trial']}")
            assert facts_in(record) == facts_of(pipeline, summary)


def test_every_shape_of_an_assistant_message_is_understood(pipeline: Pipeline, run_id: str, tmp_path: Path) -> None:
    """Several calls at once, answered in another order; ids that repeat; broken arguments; no content; no answer."""
    file = write_lines(
        tmp_path,
        conversation(
            user("Cancel both bookings"),
            assistant("Let me look", call("same", "find", '{"booking": 1}'), call("other", "find", '{"booking":')),
            result("other", "Error: not JSON"),
            result("same", "found"),
            assistant(None),
            assistant(None, call("same", "cancel")),
            assistant("The first one is cancelled. And the second?", call("same", "notify")),
            result("same", ""),
            assistant("Both are cancelled."),
            user("Thanks"),
            assistant("You are welcome."),
        ),
    )

    ended = replay(pipeline.environment, file, "--prefix", run_id, "--tag", "by-hand")
    summary = pipeline.summary(f"{run_id}-task-7-trial-0")
    run = pipeline.runs.get(summary.run_id)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert "Replayed 1 runs, 11 messages, 6 decisions" in ended.stdout
    assert ["by-hand"] == summary.tags
    assert run is not None
    assert [
        ("find", "Let me look", True),
        ("find", "Let me look", False),
        ("cancel", "", None),
        ("notify", "The first one is cancelled. And the second?", True),
        ("respond", "", True),
        ("respond", "", None),
    ] == [
        (decision.chosen_option_id, decision.reasoning, decision.outcome.success if decision.outcome else None)
        for decision in run.decisions
    ]
    assert [{"booking": 1}, {"arguments": '{"booking":'}] == [
        decision.options[0].action_params for decision in run.decisions[:2]
    ]
    assert "other" == run.decisions[1].id
    assert ["tools->conversation"] == run.metrics.edges_traversed
    assert {"reward": 0.0} == run.output_data
    assert ["The goal was not reached"] == summary.critical_problems


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{oops", "this is not JSON"),
        ("", "this is not JSON"),
        ("[]", "all of it: Input should be an object"),
        ('{"task_id": 8, "trial": 0, "instruction": "", "reward": 1.0}', "messages: Field required"),
        (
            '{"task_id": 8, "trial": 0, "instruction": "", "reward": 1.0, "messages": [{"content": "Hello"}]}',
            "messages.0.role: Field required",
        ),
        (
            '{"task_id": 7, "trial": 0, "instruction": "", "reward": 1.0, "messages": []}',
            "the same task and trial as in line 1",
        ),
    ],
)
def test_a_bad_line_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str, reason: str
) -> None:
    """Exit code 2, and which line is wrong and why."""
    file = write_lines(tmp_path, conversation(user("Hello"), assistant("Hello")), bad)

    exit_code = main([str(file)])

    assert (2, f"error: by-hand.jsonl, line 2: {reason}\n") == (exit_code, capsys.readouterr().err)


def test_a_bad_line_ends_the_process_without_a_traceback(tmp_path: Path) -> None:
    """The same from outside."""
    ended = replay({}, write_lines(tmp_path, "{oops"))

    assert (2, "error: by-hand.jsonl, line 1: this is not JSON\n", "") == (
        ended.returncode,
        ended.stderr,
        ended.stdout,
    )


def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 for a file that is not there, and for one that is not compressed as its name says."""
    not_compressed = write_lines(tmp_path, conversation()).rename(tmp_path / "plain.jsonl.gz")

    for file, reason in ((tmp_path / "absent.jsonl", "No such file"), (not_compressed, "Not a gzipped file")):
        exit_code = main([str(file)])

        error = capsys.readouterr().err
        assert 2 == exit_code
        assert reason in error
        assert 1 == error.count("\n")


def test_what_did_not_arrive_is_not_passed_over(server: Server, namespace: str, tmp_path: Path) -> None:
    """Messages that found the producer's buffer full are lost: exit code 1, and how many runs arrived."""
    file = write_lines(tmp_path, conversation(user("Hello"), assistant("Hello"), user("Goodbye")))
    environment = {
        "RUNWEAVER_REDIS_URL": server.url,
        "RUNWEAVER_NAMESPACE": namespace,
        "RUNWEAVER_BUFFER_MESSAGES": "1",
    }

    ended = replay(environment, file)

    assert 1 == ended.returncode
    assert "error: 0 of 1 runs reached the server completely" == ended.stderr.splitlines()[-1]


def replay(environment: Mapping[str, str], file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the example to its end, as a process of its own."""
    return subprocess.run(
        [sys.executable, str(EXAMPLE), str(file), *options],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wait_for_complete_summaries(pipeline: Pipeline, count: int) -> list[RunSummary]:
    """Wait for so many summaries that lack nothing.

    On a busy machine a run may be summarised before its last message is merged; another revision follows.
    """

    def look() -> list[RunSummary]:
        found = pipeline.summaries.list(limit=1000).items
        complete = [summary for summary in found if summary.completeness.missing == 0]
        return complete if len(complete) == count else []

    return wait_until(look, timeout_s=60, what=f"{count} complete summaries")


def facts_of(pipeline: Pipeline, summary: RunSummary) -> Facts:
    """What the pipeline made of a recording."""
    run = pipeline.runs.get(summary.run_id)
    assert run is not None
    failed = [decision for decision in run.decisions if decision.has_failed]
    return Facts(
        goal_id=summary.goal_id,
        status=summary.status.value,
        decisions=summary.decision_count,
        failed_decisions=summary.failed_decisions,
        failed_tools=[str(decision.chosen_option_id) for decision in failed],
        key_decisions=[line.split(" → ")[0] for line in summary.key_decisions],
        pending_decisions=summary.pending_decisions,
        declared=summary.completeness.declared,
        received=summary.completeness.received,
        missing=summary.completeness.missing,
    )


def facts_in(record: Record) -> Facts:
    """What a recording holds.

    In these recordings every tool call stands alone in its message, so that an assistant message is one decision, and
    the message after it tells what came of it.
    """
    nodes = ["tools" if said.get("tool_calls") else "conversation" for said in record["messages"] if is_agent(said)]
    answers = [after for said, after in pairwise(record["messages"]) if is_agent(said) and not is_agent(after)]
    failed = [
        answer["name"] for answer in answers if answer["role"] == "tool" and answer["content"].startswith("Error")
    ]
    edges = sum(source != target for source, target in pairwise(nodes))
    problems = 0 if record["reward"] == 1.0 else 1
    # The start and the end are messages too.
    sent = 1 + len(nodes) + len(answers) + edges + problems + 1
    return Facts(
        goal_id=f"task-{record['task_id']}",
        status="completed" if record["reward"] == 1.0 else "failed",
        decisions=len(nodes),
        failed_decisions=len(failed),
        failed_tools=failed,
        key_decisions=[f"✗ [tools] Call {tool}" for tool in failed][:MAX_KEY_DECISIONS],
        pending_decisions=len(nodes) - len(answers),
        declared=sent,
        received=sent,
        missing=0,
    )


def is_agent(message: Record) -> bool:
    return bool(message["role"] == "assistant")


def read_records() -> list[Record]:
    with gzip.open(RECORDINGS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_lines(directory: Path, *lines: str) -> Path:
    file = directory / "by-hand.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def conversation(*messages: Record) -> str:
    """A line of a file: a run that did not reach its goal."""
    return json.dumps({"task_id": 7, "trial": 0, "instruction": "Try", "reward": 0.0, "messages": messages})


def user(content: str) -> Record:
    return {"role": "user", "content": content}


def assistant(content: str | None, *calls: Record) -> Record:
    return {"role": "assistant", "content": content, "tool_calls": list(calls) or None}


def call(call_id: str, tool: str, arguments: str = "{}") -> Record:
    return {"id": call_id, "type": "function", "function": {"name": tool, "arguments": arguments}}


def result(call_id: str, content: str) -> Record:
    return {"role": "tool", "tool_call_id": call_id, "content": content}
