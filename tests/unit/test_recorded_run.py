"""A run that its own agent looks at is what the fold makes of it, in a bounded amount of memory."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest

from runweaver.producer.integrations.hive import recorded_run
from runweaver.producer.integrations.hive.recorded_run import RecordedRun
from runweaver.producer.message_kind import DECISION, EDGE, EVALUATION, HEARTBEAT, OUTCOME, PROBLEM, MessageKind
from runweaver.shared import Run, fold
from runweaver.shared.messages import BaseMessage, RunStartedMessage
from tests.unit.making import BEGINNING, at

_START = RunStartedMessage(run_id="run-1", goal_id="goal", started_at=BEGINNING)


#: What a channel tells its observers.
_Told: TypeAlias = tuple[MessageKind, bytes]


def _message(kind: MessageKind, **fields: Any) -> _Told:
    return kind, json.dumps(fields).encode()


def _decision(number: int, text: str = "") -> _Told:
    decision = {"id": f"dec_{number}", "node_id": f"node-{number % 3}", "intent": text, "timestamp": at(number)}
    return _message(DECISION, decision=decision)


def _outcome(number: int, seconds: float, **fields: Any) -> _Told:
    outcome = {"success": True, "tokens_used": 10, "timestamp": at(seconds), **fields}
    return _message(OUTCOME, decision_id=f"dec_{number}", outcome=outcome)


def _problem(number: int) -> _Told:
    problem = {"id": f"prob_{number}", "severity": "minor", "description": "Odd", "timestamp": at(number)}
    return _message(PROBLEM, problem=problem)


def _recorded(*told: _Told) -> RecordedRun:
    recorded = RecordedRun(_START)
    for kind, body in told:
        recorded.add(kind, body)
    return recorded


_MESSAGES: Sequence[_Told] = [
    _decision(0),
    _outcome(0, 1, success=False, error="Busy"),
    _decision(1),
    _outcome(0, 3, tokens_used=7),
    # Earlier than what is known: it does not count.
    _outcome(0, 2, tokens_used=500),
    _message(EVALUATION, decision_id="dec_1", sent_at=at(4), evaluation={"outcome_quality": 0.3}),
    _problem(0),
    _message(EDGE, source="node-0", target="node-1", at=at(5)),
    _message(EDGE, source="node-0", target="node-1", at=at(6)),
    _message(HEARTBEAT, sent_at=at(7)),
    _decision(2),
    _outcome(9, 8),
]


@pytest.mark.parametrize("looks", [range(0), range(100), range(5, 100)], ids=["at-the-end", "always", "later"])
def test_it_is_what_the_fold_makes_of_the_messages(looks: range) -> None:
    """Whenever somebody looked first: the same rules say which word counts."""
    recorded = RecordedRun(_START)
    for number, (kind, body) in enumerate(_MESSAGES):
        recorded.add(kind, body)
        if number in looks:
            recorded.look()

    folded = fold({"p#0": _START, **{f"p#{n}": _parsed(*told) for n, told in enumerate(_MESSAGES, start=1)}})

    assert _told(folded) == _told(recorded.look())


def _parsed(kind: MessageKind, body: bytes) -> BaseMessage:
    return kind.model.model_validate({**json.loads(body), "run_id": "run-1"})


def _told(run: Run) -> tuple[object, ...]:
    return run.id, run.goal_id, run.started_at, run.decisions, run.problems, run.metrics, run.last_activity_at


def test_until_somebody_looks_messages_only_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that never looks pays nothing for it; only when very many wait, the oldest are read."""
    monkeypatch.setattr(recorded_run, "MOST_UNREAD", 5)
    recorded = _recorded(*map(_decision, range(5)))
    assert (0, 5) == (len(recorded._run.decisions), len(recorded._unread))

    recorded.add(*_decision(5))
    assert (1, 5) == (len(recorded._run.decisions), len(recorded._unread))

    assert 6 == len(recorded.look().decisions)


def test_of_a_long_run_the_newest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metrics count all; what comes of a decision that was let go is not known any more."""
    monkeypatch.setattr(recorded_run, "MOST_KEPT", 10)
    recorded = _recorded(*(told for n in range(20) for told in (_decision(n), _outcome(n, n), _problem(n))))
    recorded.add(*_outcome(0, 100, tokens_used=1_000))

    run = recorded.look()

    assert [f"dec_{number}" for number in range(15, 20)] == [decision.id for decision in run.decisions]
    assert [f"prob_{number}" for number in range(15, 20)] == [problem.id for problem in run.problems]
    assert (20, 20, 200) == (
        run.metrics.total_decisions,
        run.metrics.successful_decisions,
        run.metrics.total_tokens,
    )
    assert (5, 10) == (len(recorded._decisions), len(recorded._sizes))


def test_of_large_messages_fewer_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they wait or were read; the very newest is always there."""
    monkeypatch.setattr(recorded_run, "MOST_BYTES", 10_000)
    recorded = _recorded(*(_decision(n, "x" * 3_000) for n in range(9)))
    assert 3 == len(recorded._unread)

    assert ["dec_6", "dec_7", "dec_8"] == [decision.id for decision in recorded.look().decisions]
    recorded.add(*_outcome(8, 9, result="x" * 20_000))
    (last,) = recorded.look().decisions
    assert ("dec_8", True) == (last.id, last.was_successful)
    assert 9 == recorded.look().metrics.total_decisions


def test_what_cannot_be_read_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """It was sent all the same, and the agent goes on."""
    recorded = _recorded((DECISION, b"{"), _decision(0), (OUTCOME, b"["))

    assert 1 == len(recorded.look().decisions)
    assert ["current_run lacks what was recorded"] == [
        record.getMessage().split(" run_id")[0] for record in caplog.records
    ]
