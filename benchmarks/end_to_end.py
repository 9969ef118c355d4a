"""How fast messages become summaries, against a bare loop that only moves their bytes.

    python benchmarks/end_to_end.py [--runs 1000] [--messages 200] [--rounds 3] [--json]

Each round, each on a private server of its own with its log on disk (fsync every second):

- the floor: one process reads the entries and stores their messages by run, with the same commands as a worker; it
  neither validates nor decides anything;
- Runweaver: one worker and one finalizer, until every run has its summary.

Both get the same entries, encoded beforehand: runs overlap, a hundred at a time, as in a fleet. The clock starts when
the first entries are done with, so that starting a process does not count.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from runweaver.console.private_server import private_server
from runweaver.shared import Keys, connect
from runweaver.shared.keys import WORKER_GROUP

RUNS_AT_ONCE = 100
ENTRY_MESSAGES = 200
KEYS = Keys("bench")
STREAM = KEYS.messages(0)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Round:
    """One round's figures."""

    #: Messages a second.
    floor: float
    merged: float
    summarised: float
    #: Microseconds of the server's processor for each message.
    floor_server_us: float
    server_us: float


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=200, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--floor", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.floor:
        move_bytes(connect(arguments.floor, name="floor"))
        return
    rounds = [measure(arguments.runs, arguments.messages) for _ in range(arguments.rounds)]
    report(rounds, arguments.runs, arguments.messages, as_json=arguments.json)


def measure(runs: int, messages: int) -> Round:
    """One round of both."""
    with prepared(runs, messages) as (client, url):
        floor, floor_server_us = timed(client, url, [[sys.executable, __file__, "--floor", url]], is_drained)
    roles = [[sys.executable, "-m", "runweaver.console", role] for role in ("finalizer", "worker")]
    with prepared(runs, messages) as (client, url):
        merged, _ = timed(client, url, roles, is_drained)
    with prepared(runs, messages) as (client, url):
        summarised, server_us = timed(client, url, roles, lambda client: client.zcard(KEYS.index_all) == runs)
    return Round(floor, merged, summarised, floor_server_us, server_us)


def timed(
    client: Redis, url: str, commands: Sequence[Sequence[str]], is_done: Callable[[Redis], bool]
) -> tuple[float, float]:
    """Let these processes work until all is done.

    Returns:
        Messages a second, and microseconds of the server's processor for each.
    """
    entries = client.xlen(STREAM)
    environment = {**os.environ, "RUNWEAVER_REDIS_URL": url, "RUNWEAVER_NAMESPACE": KEYS.namespace}
    environment["RUNWEAVER_LOG_LEVEL"] = "warning"
    processes = [subprocess.Popen(command, env=environment) for command in commands]
    try:
        while (left := client.xlen(STREAM)) == entries:
            time.sleep(0.002)
        started_at, server_before = time.perf_counter(), server_seconds(client)
        while not is_done(client):
            time.sleep(0.005)
        seconds, server_s = time.perf_counter() - started_at, server_seconds(client) - server_before
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    # Of so few that all of them went at once, no figure means anything.
    messages = max(1, left) * ENTRY_MESSAGES
    return messages / seconds, server_s / messages * 1e6


def is_drained(client: Redis) -> bool:
    """Whether everything is merged."""
    return client.xlen(STREAM) == 0


def server_seconds(client: Redis) -> float:
    """How long the server's processor has worked."""
    cpu = client.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])


@contextmanager
def prepared(runs: int, messages: int) -> Iterator[tuple[Redis, str]]:
    """A server of its own, with all entries in its stream."""
    with private_server() as url:
        client = connect(url, name="bench")
        entry: list[str | bytes] = []
        for run_id, message in scripts(runs, messages):
            # The field's name means nothing to a worker, and saves the floor from looking into the message.
            entry += (run_id, message)
            if len(entry) == 2 * ENTRY_MESSAGES:
                client.execute_command("XADD", STREAM, "*", *entry)
                entry = []
        if entry:
            client.execute_command("XADD", STREAM, "*", *entry)
        yield client, url


def scripts(runs: int, messages: int) -> Iterator[tuple[str, bytes]]:
    """All messages of all runs, in the order in which a fleet sends them: run ids and JSON."""
    for first in range(0, runs, RUNS_AT_ONCE):
        for number in range(messages):
            for run in range(first, min(first + RUNS_AT_ONCE, runs)):
                yield f"run-{run}", encode(message_of(run, number, messages))


def encode(message: dict[str, Any]) -> bytes:
    """JSON as a producer writes it."""
    return json.dumps(message, separators=(",", ":")).encode()


def message_of(run: int, number: int, messages: int) -> dict[str, Any]:
    """A start, decisions (about 750 bytes) and outcomes (about 230) in turn, and an end."""
    now = (BEGIN + timedelta(milliseconds=number)).isoformat()
    envelope = {"run_id": f"run-{run}", "producer": f"agent-{run % RUNS_AT_ONCE}", "seq": number}
    if number == 0:
        return {"type": "run_started", **envelope, "goal_id": f"goal-{run % 10}", "started_at": now}
    if number == messages - 1:
        return {"type": "run_ended", **envelope, "status": "completed", "ended_at": now, "sent": messages}
    if number % 2 == 0:
        outcome = {"success": number % 10 != 0, "timestamp": now, "tokens_used": 512, "latency_ms": 840}
        return {
            "type": "outcome",
            **envelope,
            "decision_id": f"d{number - 1}",
            "outcome": {**outcome, "summary": "It went well"},
        }
    options = [
        {"id": "ask", "description": "Ask the contact", "action_type": "tool_call", "action_params": {"to": "L-1"}},
        {
            "id": "infer",
            "description": "Infer from size",
            "action_type": "generate",
            "pros": ["fast"],
            "cons": ["vague"],
        },
    ]
    decision = {
        "id": f"d{number}",
        "timestamp": now,
        "node_id": f"node-{number % 5}",
        "intent": "Does the lead have the budget for what we offer?",
        "decision_type": "tool_selection",
        "options": options,
        "chosen_option_id": "ask",
        "reasoning": "The data at hand is two years old. " * 4,
        "input_context": {"lead": "L-1", "notes": "Has asked twice. " * 3},
    }
    return {"type": "decision", **envelope, "decision": decision}


def move_bytes(client: Redis) -> None:
    """The floor: read, store by run, acknowledge and delete."""
    client.set_response_callback("XREADGROUP", lambda reply, **_: reply)
    client.xgroup_create(STREAM, WORKER_GROUP, id="0", mkstream=True)
    number = 0
    while True:
        reply = client.execute_command(
            "XREADGROUP", "GROUP", WORKER_GROUP, "floor", "COUNT", 10, "BLOCK", 1000, "STREAMS", STREAM, ">"
        )
        for entries in (reply or {}).values():
            runs: dict[bytes, list[Any]] = defaultdict(list)
            for _, fields in entries:
                for run_id, message in zip(fields[::2], fields[1::2], strict=True):
                    runs[run_id] += (number, message)
                    number += 1
            with client.pipeline(transaction=False) as pipeline:
                for run_id, stored in runs.items():
                    pipeline.execute_command("HSET", KEYS.run(run_id.decode()), *stored)
                pipeline.execute()
            ids = [entry_id for entry_id, _ in entries]
            with client.pipeline(transaction=False) as pipeline:
                pipeline.xack(STREAM, WORKER_GROUP, *ids)
                pipeline.xdel(STREAM, *ids)
                pipeline.execute()


def report(rounds: Sequence[Round], runs: int, messages: int, *, as_json: bool) -> None:
    """Medians over the rounds; each ratio is that of one round."""
    figures = {
        "floor, messages a second": statistics.median(each.floor for each in rounds),
        "merged, messages a second": statistics.median(each.merged for each in rounds),
        "merged / floor": statistics.median(each.merged / each.floor for each in rounds),
        "summarised, messages a second": statistics.median(each.summarised for each in rounds),
        "summarised / floor": statistics.median(each.summarised / each.floor for each in rounds),
        "server time a message / floor": statistics.median(each.server_us / each.floor_server_us for each in rounds),
    }
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    setting = f"{runs:,} runs of {messages} messages, {len(rounds)} rounds, 1 worker, 1 finalizer, {machine}"
    if as_json:
        print(json.dumps({"setting": setting, "medians": figures, "rounds": [asdict(each) for each in rounds]}))
        return
    print(setting)
    for name, figure in figures.items():
        print(f"    {name:32} {figure:>10,.2f}" if figure < 100 else f"    {name:32} {figure:>10,.0f}")  # noqa: PLR2004


if __name__ == "__main__":
    main()
