"""What the floods of `benchmarks/floods.py` are made of: stream entries, each a list of messages."""

import base64
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from benchmarks.messages import ENTRY_MESSAGES, encode, message_of

RUNS_A_GOAL: Final = 5
_MIB: Final = 1024 * 1024
#: Of a message of 1 MiB: what is not payload.
_AROUND_PAYLOAD: Final = 2_048

Entries = Iterator[list[bytes]]


@dataclass(frozen=True)
class Flood:
    """One kind of flood."""

    what: str
    #: How many of what it consists of.
    size: int
    #: Its entries, for a given size.
    entries: Callable[[int], Entries]
    #: How many summaries come of so many.
    summaries: Callable[[int], int]
    #: How many entries may wait before the sender pauses; none: it sends as fast as it can.
    most_waiting: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Whether it comes while no worker runs, so that all of it waits when one starts.
    finds_no_worker: bool = False
    #: Whether its runs never end, so that they have to be found stuck.
    never_ends: bool = False


def one_run(size: int) -> Entries:
    """One run with so many messages."""
    return _entries(encode(message_of(0, number, size)) for number in range(size))


def large_messages(size: int, *, an_entry: int) -> Entries:
    """One run of messages of 1 MiB, so many an entry, with noise inside that compresses little."""
    return _entries((_large_message(number, size) for number in range(size)), an_entry)


def _large_message(number: int, size: int) -> bytes:
    if number in (0, size - 1):
        return encode(message_of(0, number, size))
    # Odd numbers are decisions.
    message = message_of(0, 2 * number + 1, 2 * size + 2) | {"seq": number}
    message["decision"]["input_context"] = {"page": _noise(_MIB - _AROUND_PAYLOAD)}
    return encode(message)


def open_runs(size: int) -> Entries:
    """So many runs that begin, decide something, and are never heard of again."""
    return _entries(encode(message_of(run, number, 4)) for run in range(size) for number in range(2))


def many_goals(size: int) -> Entries:
    """So many goals with five small runs each."""
    return _entries(
        encode(message_of(run, number, 4) | ({"goal_id": f"goal-{run // RUNS_A_GOAL}"} if number == 0 else {}))
        for run in range(size * RUNS_A_GOAL)
        for number in range(4)
    )


def garbage(size: int) -> Entries:
    """So many messages of which none can be accepted."""
    kinds = [
        b"\x00\xff" * 100,
        b'{"type":"decision","run_id":"run-0","decision":{"id":"d' + b"d" * 150,
        encode({"type": "tea_break", "run_id": "run-0", "text": "x" * 150}),
        encode({"type": "outcome", "run_id": "run 0", "decision_id": "", "outcome": {"success": "perhaps"}}),
    ]
    return _entries(kinds[number % len(kinds)] for number in range(size))


def large_garbage(size: int) -> Entries:
    """So many messages of 1 MiB of which none can be accepted."""
    return _entries((_noise(_MIB).encode() for _ in range(size)), 1)


FLOODS: Final[Mapping[str, Flood]] = {
    "one-run": Flood("one run of so many messages", 1_000_000, one_run, lambda _: 1),
    "one-run-unlimited": Flood(
        "the same, with room for all of them",
        1_000_000,
        one_run,
        lambda _: 1,
        settings={"RUNWEAVER_MAX_RUN_MESSAGES": "1000000000"},
    ),
    "large-messages": Flood(
        "one run, so many messages of 1 MiB, an entry each", 500, partial(large_messages, an_entry=1), lambda _: 1
    ),
    "large-entries": Flood("the same, ten messages an entry", 500, partial(large_messages, an_entry=10), lambda _: 1),
    "large-backlog": Flood(
        "the same, all of which wait when a worker starts",
        500,
        partial(large_messages, an_entry=10),
        lambda _: 1,
        finds_no_worker=True,
    ),
    "open-runs": Flood("so many runs that never end", 100_000, open_runs, lambda size: size, never_ends=True),
    "many-goals": Flood("so many goals with five small runs each", 10_000, many_goals, lambda size: size * RUNS_A_GOAL),
    "garbage": Flood(
        "so many bad messages, as fast as they are merged", 1_000_000, garbage, lambda _: 0, most_waiting=100
    ),
    "large-garbage": Flood("so many bad messages of 1 MiB", 500, large_garbage, lambda _: 0),
}


def _entries(messages: Iterable[bytes], size: int = ENTRY_MESSAGES) -> Entries:
    messages = iter(messages)
    while entry := list(islice(messages, size)):
        yield entry


def _noise(size: int) -> str:
    return base64.b64encode(random.randbytes(size * 3 // 4)).decode()
