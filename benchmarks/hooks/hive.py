"""What hive's calls cost an agent on top of ours: a decision and its outcome through `Runtime`, against `ActiveRun`.

All say the same. An agent that looks at `current_run` is measured, too: from then on, each message is folded while it
goes on. Each block of hive's calls is a run.
"""

import json
import sys
from typing import Any, Final

from benchmarks.child import in_turn, measured_in_child, median
from benchmarks.figures import Kind, Row
from benchmarks.messages import message_of
from runweaver.producer import ActiveRun, Producer
from runweaver.producer.integrations.hive import Runtime

_BLOCKS: Final = 20
_CALLS_A_BLOCK: Final = 600
_FLUSH_S: Final = 30.0

_DECISION: Final[dict[str, Any]] = message_of(0, 1, 4)["decision"]
_RESULT: Final[dict[str, Any]] = {"items": 3, "best": "a"}

#: The figures: an agent that never looks at `current_run`, and one that does.
_UNSEEN: Final = "decide() and record_outcome()"
_SEEN: Final = "the same, with current_run"


def main() -> None:
    """Call all in turn, and print the medians in microseconds."""
    producer = Producer(name="bench")
    run, unseen, seen = producer.start_run("bench"), Runtime(producer), Runtime(producer)

    def begin_runs() -> None:
        for runtime in (unseen, seen):
            runtime.start_run("bench")
        assert seen.current_run is not None

    def send_all() -> None:
        for runtime in (unseen, seen):
            runtime.end_run(success=True)
        producer.flush(_FLUSH_S)
        begin_runs()

    begin_runs()
    took_us = in_turn(
        {"plain": lambda: _by_ours(run), "unseen": lambda: _by_hives(unseen), "seen": lambda: _by_hives(seen)},
        send_all,
        blocks=int(sys.argv[1]),
        calls_a_block=_CALLS_A_BLOCK,
    )
    assert producer.dropped == 0
    producer.close()
    took = {name: median(its) for name, its in took_us.items()}
    print(json.dumps({_UNSEEN: (took["unseen"], took["plain"]), _SEEN: (took["seen"], took["plain"])}))


def _by_ours(run: ActiveRun) -> None:
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


def _by_hives(runtime: Runtime) -> None:
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


ROWS: Final = (
    Row(
        "hook-hive",
        "a decision and its outcome through hive's Runtime on the agent's thread, against the producer's own calls",
        (
            Kind(_UNSEEN, "µs", "own calls"),
            Kind(_SEEN, "µs", "own calls"),
        ),
        measured_in_child("benchmarks.hooks.hive", (_UNSEEN, _SEEN), blocks=_BLOCKS),
    ),
)

if __name__ == "__main__":
    main()
