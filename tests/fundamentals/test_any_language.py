"""Any program can report a run: what docs/protocol.md tells other languages to send is what is taken."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest

from runweaver.shared import InvalidMessageError, Message, parse_message
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of the protocol that are marked with this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PROTOCOL, re.MULTILINE | re.DOTALL)


EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in blocks("json")]

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])


def test_a_run_can_be_reported_with_redis_cli(pipeline: Pipeline) -> None:
    """The session of the protocol, sent as raw commands, gives the summary that the protocol promises."""
    (session,) = blocks("sh")
    (promised,) = blocks("jsonc")
    *reports, question = (raw_command(line, pipeline) for line in session.splitlines())

    for report in reports:
        pipeline.redis.execute_command(*report)
    answer = wait_until(lambda: pipeline.redis.execute_command(*question), what="the summary")

    assert json.loads(promised) == json.loads(answer)


def test_there_is_an_example_of_every_type() -> None:
    """The protocol shows each message type once, in the order in which the code knows them."""
    union, _ = get_args(Message)
    known = [kind.model_fields["type"].default for kind in get_args(union)]

    assert known == [example["type"] for example in EXAMPLES]


@each_example
def test_the_examples_are_messages(example: dict[str, Any]) -> None:
    """Every example is taken, as the type that it says."""
    assert example["type"] == parse_message(json.dumps(example).encode()).type


@each_example
def test_the_examples_are_minimal(example: dict[str, Any]) -> None:
    """No field can be left out of an example: what is shown is what is required."""
    for name in example:
        less = {key: value for key, value in example.items() if key != name}
        with pytest.raises(InvalidMessageError):
            parse_message(json.dumps(less).encode())


def raw_command(line: str, pipeline: Pipeline) -> list[str]:
    """A line of the session as what `redis-cli` would send, its key moved into the pipeline's namespace."""
    program, command, key, *arguments = shlex.split(line)
    assert "redis-cli" == program
    namespace, _, rest = key.partition(":")
    assert "rw" == namespace
    return [command, f"{pipeline.namespace}:{rest}", *arguments]
