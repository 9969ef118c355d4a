"""What an agent hands to a run arrives as what it is, and never turns against the agent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runweaver.producer import ActiveRun, Producer
from runweaver.producer.outbox import Outbox
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.settings import ProducerSettings

# Nobody listens there: what is recorded is looked at on its way out.
_NOWHERE = ProducerSettings(redis_url="redis://127.0.0.1:1/0")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    def put(_outbox: Outbox, raw: bytes, *, essential: bool) -> bool:
        messages.append(json.loads(raw))
        return essential or True

    monkeypatch.setattr(Outbox, "put", put)
    return messages


@pytest.fixture
def run(recorded: list[dict[str, Any]]) -> Iterator[ActiveRun]:
    producer = Producer(settings=_NOWHERE)
    run = producer.start_run("goal")
    recorded.clear()
    yield run
    producer.close(0)


class _Ambiguous:
    """Like an array of numbers: neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def __repr__(self) -> str:
        return "[1 2]"


@pytest.mark.parametrize(
    ("result", "expected"), [(0, 0), (False, False), ("", ""), ([], []), (0.0, 0.0), (_Ambiguous(), "[1 2]")]
)
def test_a_result_is_recorded_whatever_its_truth(
    run: ActiveRun, recorded: list[dict[str, Any]], result: Any, expected: Any
) -> None:
    """Zero is a result; so is an array, which has no truth value at all."""
    run.decide_and_execute("Count", [{"id": "a", "description": "Count"}], "a", "", lambda: result)

    assert expected == recorded[1]["outcome"]["result"]


def test_no_result_costs_no_bytes(run: ActiveRun, recorded: list[dict[str, Any]]) -> None:
    """What is the schema's default is not sent."""
    run.record_outcome("d", success=True)

    assert {"success", "timestamp"} == recorded[0]["outcome"].keys()


def test_a_refused_call_leaves_no_gap(run: ActiveRun, recorded: list[dict[str, Any]]) -> None:
    """Numbers are given to what is sent: a gap would look like a lost message."""
    run.heartbeat()
    with pytest.raises(InvalidArgumentError, match="chosen: 'b' is not the id of one of the options"):
        run.decide("Look", [{"id": "a", "description": "One way"}], "b")
    with pytest.raises(InvalidArgumentError):
        run.record_outcome("d", success=True, latency_ms=-1)
    run.heartbeat()

    # The start was number 0.
    assert [1, 2] == [message["seq"] for message in recorded]
    run.end()
    assert 4 == recorded[-1]["sent"]


@pytest.mark.parametrize("value", [False, True, None])
def test_every_judgement_is_recorded(
    run: ActiveRun,
    recorded: list[dict[str, Any]],
    value: bool | None,  # noqa: FBT001
) -> None:
    """That something did not contribute is not the same as not knowing."""
    run.evaluate("d", contributed_to_success=value)

    assert value is recorded[0]["evaluation"].get("contributed_to_success")
