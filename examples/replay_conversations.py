"""Replay recorded agent conversations as runs, as if the agents were at work now.

    python examples/replay_conversations.py conversations.jsonl.gz --processes 4

Each line of the file is one run, in the OpenAI chat format:

    {"task_id": 7, "trial": 0, "instruction": "…", "reward": 1.0, "messages": [{"role": "user", "content": "…"}, …]}

- A run's goal is its task. With a reward of 1.0 it is completed. Otherwise it has failed, and a critical problem says
  so as well: that is where a Builder looks first.
- A tool call is a decision; text that stands with it is its reasoning. What came of it is the tool's message, and is a
  failure where that begins with `Error`.
- Text without a tool call is the decision to respond. What came of it is the user's next message.
- An assistant message with neither decides nothing. A decision that nobody answered stays pending.

Recordings have no times: the run happens now. Its id is made of the prefix, the task and the trial. To replay a file
again, take another prefix: under the same one, messages would be added to the runs that are there.
"""

import argparse
import gzip
import json
import multiprocessing
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from runweaver.producer import Producer
from runweaver.shared import Option, RunweaverError

FLUSH_TIMEOUT_S: Final = 30.0
MAX_TEXT: Final = 120


class ToolFunction(BaseModel):
    name: str = Field(min_length=1)
    arguments: str


class ToolCall(BaseModel):
    id: str = Field(min_length=1)
    function: ToolFunction


class ChatMessage(BaseModel):
    role: str
    content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class Conversation(BaseModel):
    task_id: int
    trial: int
    instruction: str
    reward: float
    messages: list[ChatMessage]


class Step(NamedTuple):
    """What the agent decided, and the message that tells what came of it."""

    node_id: str
    intent: str
    option: Option
    reply: ChatMessage | None
    details: dict[str, Any]


class BadFileError(Exception):
    """Not everything in the file is a conversation."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    began_at = time.monotonic()
    try:
        conversations = list(islice(read_conversations(options.file), options.limit))
        arrived = replay_in_processes(conversations, options.processes, options.prefix, options.tag)
    except (BadFileError, OSError, EOFError, zlib.error, RunweaverError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arrived["runs"] < len(conversations):
        print(f"error: {arrived['runs']} of {len(conversations)} runs reached the server completely", file=sys.stderr)
        return 1
    told = ", ".join(f"{arrived[what]:,} {what}" for what in ("runs", "messages", "decisions"))
    print(f"Replayed {told} in {time.monotonic() - began_at:.1f} s")
    return 0


def read_conversations(file: Path) -> Iterator[Conversation]:
    """All conversations of a file; `BadFileError` at the first line that is none."""
    line_of: dict[tuple[int, int], int] = {}
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                conversation = Conversation.model_validate_json(line)
            except ValidationError as error:
                raise BadFileError(f"{file.name}, line {number}: {_first_reason(error)}") from None
            # Two recordings under one run id would become one run.
            first = line_of.setdefault((conversation.task_id, conversation.trial), number)
            if first != number:
                raise BadFileError(f"{file.name}, line {number}: the same task and trial as in line {first}")
            yield conversation


def replay_in_processes(conversations: Sequence[Conversation], processes: int, prefix: str, tag: str) -> Counter[str]:
    """Replay from several processes at once, as a fleet of agents would, and count what arrives."""
    shares = [conversations[first::processes] for first in range(min(processes, len(conversations)))]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(partial(replay_share, prefix=prefix, tag=tag), shares), Counter())


def replay_share(conversations: Sequence[Conversation], prefix: str, tag: str) -> Counter[str]:
    """Replay one after the other, until something does not arrive."""
    arrived: Counter[str] = Counter()
    with Producer() as producer:
        for conversation in conversations:
            steps = list(steps_of(conversation))
            replay(
                producer, conversation, steps, f"{prefix}-task-{conversation.task_id}-trial-{conversation.trial}", tag
            )
            # A replay is faster than any agent: without waiting, a long one would overflow the producer's buffer.
            if not producer.flush(FLUSH_TIMEOUT_S):
                break
            arrived.update(runs=1, messages=len(conversation.messages), decisions=len(steps))
    return arrived


def replay(producer: Producer, conversation: Conversation, steps: Sequence[Step], run_id: str, tag: str) -> None:
    """Report a conversation as a run."""
    task = {"task_id": conversation.task_id, "trial": conversation.trial}
    goal_id = f"task-{conversation.task_id}"
    run = producer.start_run(goal_id, conversation.instruction, input_data=task, run_id=run_id, tags=[tag])
    for previous, step in zip([None, *steps], steps, strict=False):
        if previous and previous.node_id != step.node_id:
            run.traverse(previous.node_id, step.node_id)
        decision_id = run.decide(step.intent, [step.option], step.option.id, node_id=step.node_id, **step.details)
        if step.reply:
            run.record_outcome(decision_id, **outcome_of(step.reply))
    reached = conversation.reward == 1.0
    if not reached:
        run.report_problem("critical", "The goal was not reached")
    run.end("completed" if reached else "failed", output_data={"reward": conversation.reward})


def steps_of(conversation: Conversation) -> Iterator[Step]:
    """What the agent decided, in order."""
    messages = conversation.messages
    uses = Counter(call.id for message in messages for call in message.tool_calls or [])
    for place, message in enumerate(messages, start=1):
        if message.role != "assistant":
            continue
        text, following = message.content or "", messages[place:]
        for call in message.tool_calls or []:
            # Recorded ids can repeat within a run: those decisions get ids of their own.
            decision_id = call.id if uses[call.id] == 1 else None
            details = {"reasoning": text, "decision_type": "tool_selection", "decision_id": decision_id}
            yield Step("tools", f"Call {call.function.name}", _tool(call), _result(call, following), details)
        if text and not message.tool_calls:
            said = {"text": text}
            option = Option(id="respond", description=_shortened(text), action_type="generate", action_params=said)
            reply = next((message for message in following if message.role == "user"), None)
            yield Step("conversation", "Respond to the customer", option, reply, {})


def outcome_of(reply: ChatMessage) -> dict[str, Any]:
    """What a tool or the user answered, as arguments of `record_outcome`."""
    text = reply.content or ""
    if reply.role == "tool" and text.startswith("Error"):
        return {"success": False, "error": text, "summary": _shortened(text)}
    return {"success": True, "result": text, "summary": _shortened(text)}


def _tool(call: ToolCall) -> Option:
    name, arguments = call.function.name, call.function.arguments
    try:
        parsed = json.loads(arguments)
    except ValueError:
        parsed = None
    # A model wrote it: it need not be an object.
    parameters = parsed if isinstance(parsed, dict) else {"arguments": arguments}
    description = _shortened(f"{name} {arguments}")
    return Option(id=name, description=description, action_type="tool_call", action_params=parameters)


def _result(call: ToolCall, following: Sequence[ChatMessage]) -> ChatMessage | None:
    # It stands before the next assistant message. Further on, the same id belongs to another call.
    candidates = takewhile(lambda message: message.role != "assistant", following)
    return next((result for result in candidates if result.role == "tool" and result.tool_call_id == call.id), None)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"


def _first_reason(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return "this is not JSON"
    return f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Replay recorded agent conversations as runs.")
    parser.add_argument("file", type=Path, help="JSON lines, one conversation each; gzipped if it ends in .gz")
    parser.add_argument("--processes", type=_positive, default=4, help="how many replay at once (4)")
    parser.add_argument("--limit", type=_positive, help="replay only that many, from the top")
    parser.add_argument("--prefix", default="replay", help="how the run ids begin (replay)")
    parser.add_argument("--tag", default="replay", help="the tag that the runs get (replay)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
