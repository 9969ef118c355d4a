"""Valid input, for the fuzzer to begin with and to change."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from runweaver.producer.spool_file import SpoolFile
from runweaver.shared.archive import Archive
from runweaver.shared.figures import RunFigures
from runweaver.shared.summary import RunSummary

RUN_ID: Final = "run-1"
ENTRY_ID: Final = "1767226200000-0"

_AT: Final = "2026-01-01T00:00:01Z"
_OUTCOME: Final = {
    "success": False,
    "result": {"a": [1]},
    "error": "No",
    "state_changes": {"b": None},
    "tokens_used": 10,
    "latency_ms": 1500,
    "summary": "Nothing",
    "timestamp": _AT,
}
_EVALUATION: Final = {
    "goal_aligned": True,
    "alignment_score": 0.5,
    "better_option_existed": True,
    "better_option_id": "b",
    "why_better": "Cheaper",
    "outcome_quality": 0.9,
    "contributed_to_success": False,
    "explanation": "So",
}
_OPTION: Final = {
    "id": "a",
    "description": "One way",
    "action_type": "tool_call",
    "action_params": {"x": 1},
    "pros": ["fast"],
    "cons": ["dear"],
    "confidence": 0.5,
}
_DECISION: Final = {
    "id": "d",
    "timestamp": _AT,
    "node_id": "node",
    "intent": "Look",
    "decision_type": "path_choice",
    "options": [_OPTION, {"id": "b", "description": "Another"}],
    "chosen_option_id": "a",
    "reasoning": "Because",
    "active_constraints": ["none"],
    "input_context": {"k": {"l": "v"}},
    "outcome": _OUTCOME,
    "evaluation": _EVALUATION,
}
_PROBLEM: Final = {
    "id": "x",
    "severity": "critical",
    "description": "Odd",
    "root_cause": "Unknown",
    "decision_id": "d",
    "timestamp": _AT,
    "suggested_fix": "Wait",
}

#: One message of each type, with all that it can have.
MESSAGES: Final[tuple[dict[str, Any], ...]] = tuple(
    {"run_id": RUN_ID, "producer": "p", "seq": seq, "sent_at": _AT, **message}
    for seq, message in enumerate[dict[str, Any]](
        (
            {
                "type": "run_started",
                "goal_id": "goal",
                "goal_description": "A goal",
                "started_at": _AT,
                "input_data": {"n": 1},
                "tags": ["t"],
                "trace_id": "a" * 32,
                "span_id": "b" * 16,
            },
            {"type": "decision", "decision": _DECISION},
            {"type": "outcome", "decision_id": "d", "outcome": _OUTCOME},
            {"type": "evaluation", "decision_id": "d", "evaluation": _EVALUATION},
            {"type": "problem", "problem": _PROBLEM},
            {"type": "edge", "source": "node", "target": "other", "at": _AT},
            {"type": "heartbeat"},
            {"type": "producer_left", "sent": 8},
            {
                "type": "run_ended",
                "status": "failed",
                "ended_at": _AT,
                "output_data": {"o": 1},
                "narrative": "It was so.",
                "sent": 9,
            },
        )
    )
)

SUMMARY: Final = RunSummary.model_validate(
    {
        "run_id": RUN_ID,
        "goal_id": "goal",
        "status": "failed",
        "duration_ms": 1500,
        "decision_count": 2,
        "success_rate": 0.5,
        "problem_count": 1,
        "narrative": "It was so.",
        "key_decisions": ["✗ [node] Look"],
        "critical_problems": ["Odd"],
        "warnings": ["Hm"],
        "successes": ["Yes"],
        "tags": ["t"],
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "nodes": ["node"],
        "started_at": _AT,
        "finished_at": _AT,
        "tokens": 10,
        "latency_ms": 1500,
        "failed_decisions": 1,
        "completeness": {"received": 2, "declared": 2, "producers": {"p": {"received": 2, "declared": 2}}},
    }
)


FIGURES: Final = RunFigures.model_validate(
    {
        "run_id": RUN_ID,
        "goal_id": "goal",
        "status": "failed",
        "finished_at_ms": 1_767_225_600_000,
        "duration_ms": 1500,
        "tokens": 10,
        "decisions": 2,
        "tags": ["t"],
        "attention": ["pending"],
        "choices": [
            ["node", "Look", "a", "One way", 1, 1, 0, 10, [[100, 2]]],
            ["node", "Act", "b", "", 0, 0, 1, 0, []],
        ],
        "failures": [[0, "Not found", 1, 0]],
        "fixes": ["Mend it"],
        "breakdown": ["failed_decision", 0, "Not found"],
    }
)


def archive(messages: dict[str, bytes], *, revision: int = 1) -> Archive:
    """An archive of these messages."""
    return Archive(messages, revision, on_time={"p": len(messages)})


@cache
def spool_file() -> tuple[bytes, bytes]:
    """A spool file as a process leaves it that is killed: the file itself, and the log of what was written last."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "spool")
        path.touch()
        file = SpoolFile(path)
        for number in range(4):
            file.append([[json.dumps(message).encode() for message in MESSAGES[number:]]])
        file.remove_up_to(1)
        left = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
        file.close()
    return left
