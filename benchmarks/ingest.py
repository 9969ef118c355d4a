"""From sent to merged: against the floor, and two workers against one."""

import os
from functools import partial
from typing import Final

from benchmarks.figures import Kind, Pair, Round, Rounds, Row, at_least, at_most
from benchmarks.merging import Merged, drained, merged_while_sent
from benchmarks.messages import Load

#: Runs overlap a hundred at a time, so that a worker's batch of 2,000 messages is of 100 runs, or of 200 where runs
#: have ten messages.
_DEEP: Final = (100, 2_000)
_WIDE: Final = (20_000, 10)
_LEAST_MESSAGES: Final = 10

_SENT: Final = "while they are sent"
_DRAINED: Final = "all that waits"
_TWO_WORKERS: Final = "2 workers"
_SERVER: Final = "server, of one core"


def _deep(scale: float) -> Load:
    runs, messages = _DEEP
    return Load(runs, max(_LEAST_MESSAGES, int(messages * scale)))


def _wide(scale: float) -> Load:
    runs, messages = _WIDE
    return Load(max(1, int(runs * scale)), messages)


def _ingest(scale: float, *, deep: bool) -> Rounds:
    load = _deep(scale) if deep else _wide(scale)
    commands = load.packed()
    while True:
        found: dict[str, Pair] = {}
        for when, merged in ((_SENT, merged_while_sent), (_DRAINED, drained)):
            floor, ours = (merged(role, commands, load.total) for role in ("floor", "worker"))
            found[when] = Pair(ours.rate, floor.rate)
            found[f"server, {when}"] = Pair(ours.server_us, floor.server_us)
        yield found


def _workers(scale: float) -> Rounds:
    load = _deep(scale)
    commands = load.packed()
    while True:
        one, two = (drained("worker", commands, load.total, count=count) for count in (1, 2))
        yield _compared(one, two)


def _compared(one: Merged, two: Merged) -> Round:
    return {
        _TWO_WORKERS: Pair(two.rate, one.rate),
        _SERVER: Pair(two.cpu_s["server"] / two.seconds),
        "each worker, of one core": Pair((sum(two.cpu_s.values()) - two.cpu_s["server"]) / 2 / two.seconds),
        "all three, of the machine": Pair(sum(two.cpu_s.values()) / two.seconds / (os.cpu_count() or 1)),
    }


_INGEST_KINDS: Final = (
    Kind(_SENT, "messages/s", "floor", at_least(0.6)),
    Kind(f"server, {_SENT}", "µs/message", "floor", at_most(1.2)),
    # The generator takes its share of the machine, and hides what a consumer takes. Here there is none.
    Kind(_DRAINED, "messages/s", "floor"),
    Kind(f"server, {_DRAINED}", "µs/message", "floor"),
)

ROWS: Final = (
    Row(
        "deep",
        f"ingest: {_DEEP[0]:,} runs of {_DEEP[1]:,} messages, a hundred at once, encoded beforehand; 1 worker",
        _INGEST_KINDS,
        partial(_ingest, deep=True),
    ),
    Row(
        "wide",
        f"ingest: {_WIDE[0]:,} runs of {_WIDE[1]:,} messages, a hundred at once, encoded beforehand; 1 worker",
        _INGEST_KINDS,
        partial(_ingest, deep=False),
    ),
    Row(
        "workers",
        "2 workers against 1: all messages of the deep row wait when they begin",
        (
            Kind(_TWO_WORKERS, "messages/s", "1 worker", at_least(1.7, or_figure=_SERVER)),
            Kind(_SERVER, "", "", at_least(0.9)),
            Kind("each worker, of one core", ""),
            Kind("all three, of the machine", ""),
        ),
        _workers,
    ),
)
