"""What hive's calls cost an agent on top of ours: a decision and its outcome through `Runtime`, against `ActiveRun`.

All are called in one process, a block of calls of each in turn, and say the same. Between blocks is a pause in which
both send what they have, so that neither's buffer is ever full; each block is a run. An agent that looks at
`current_run` is measured, too: from then on, each message is folded while it goes on.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from benchmarks.figures import Kind, Pair, Rounds, Row
from benchmarks.messages import message_of
from benchmarks.processes import ROOT, fresh_site
from benchmarks.quantiles import quantile
from runweaver.producer import Producer
from runweaver.producer.integrations.hive import Runtime

_BLOCKS: Final = 20
_CALLS_A_BLOCK: Final = 600
_FLUSH_S: Final = 30.0

_DECISION: Final[dict[str, Any]] = message_of(0, 1, 4)["decision"]
_RESULT: Final[dict[str, Any]] = {"items": 3, "best": "a"}

#: The figures: an agent that never looks at `current_run`, and one that does.
_UNSEEN: Final = "decide() and record_outcome()"
_SEEN: Final = "the same, with current_run"


def _measure(scale: float) -> Rounds:
    command = [sys.executable, "-m", "benchmarks.hooks_hive", str(max(1, int(_BLOCKS * scale)))]
    while True:
        with fresh_site() as site:
            environment = site.processes.environment
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        yield {name: Pair(*pair) for name, pair in json.loads(done.stdout).items()}


def main() -> None:
    """Call all in turn, and print the medians in microseconds."""
    producer = Producer(name="bench")
    begin = [partial(_plain, producer), partial(_hive, producer, looks=False), partial(_hive, producer, looks=True)]
    took_ns: list[list[int]] = [[] for _ in begin]
    for begin_run in begin:
        _timed(begin_run())  # what is done once is not what is measured
    for _ in range(int(sys.argv[1])):
        for begin_run, took in zip(begin, took_ns, strict=True):
            took.extend(_timed(begin_run()))
            producer.flush(_FLUSH_S)
    assert producer.dropped == 0
    producer.close()
    plain, unseen, seen = (_median_us(took) for took in took_ns)
    print(json.dumps({_UNSEEN: (unseen, plain), _SEEN: (seen, plain)}))


def _plain(producer: Producer) -> Callable[[], None]:
    run = producer.start_run("bench")

    def step() -> None:
        decision_id = run.decide(
            _DECISION["intent"],
            _DECISION["options"],
            _DECISION["chosen_option_id"],
            _DECISION["reasoning"],
            node_id=_DECISION["node_id"],
            decision_type=_DECISION["decision_type"],
            input_context=_DECISION["input_context"],
        )
        run.record_outcome(decision_id, success=True, result=_RESULT, tokens_used=120, latency_ms=30)

    return step


def _hive(producer: Producer, *, looks: bool) -> Callable[[], None]:
    runtime = Runtime(producer)
    runtime.start_run("bench")
    assert not looks or runtime.current_run is not None

    def step() -> None:
        decision_id = runtime.decide(
            _DECISION["intent"],
            _DECISION["options"],
            _DECISION["chosen_option_id"],
            _DECISION["reasoning"],
            _DECISION["node_id"],
            _DECISION["decision_type"],
            None,
            _DECISION["input_context"],
        )
        runtime.record_outcome(decision_id, success=True, result=_RESULT, tokens_used=120, latency_ms=30)

    return step


def _timed(call: Callable[[], None]) -> list[int]:
    took_ns = []
    for _ in range(_CALLS_A_BLOCK):
        began_ns = time.perf_counter_ns()
        call()
        took_ns.append(time.perf_counter_ns() - began_ns)
    return took_ns


def _median_us(took_ns: Sequence[int]) -> float:
    return quantile(took_ns, 0.5) / 1000


ROWS: Final = (
    Row(
        "hive",
        "a decision and its outcome through hive's Runtime on the agent's thread, against the producer's own calls",
        (
            Kind(_UNSEEN, "µs", "own calls"),
            Kind(_SEEN, "µs", "own calls"),
        ),
        _measure,
    ),
)

if __name__ == "__main__":
    main()
