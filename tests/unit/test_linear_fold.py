"""The fold's cost grows with the number of messages, not with its square: counted in steps, not in seconds."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import pytest

from runweaver.shared.fold import fold
from runweaver.shared.messages import BaseMessage, parse_message
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary
from runweaver.worker.narrate import PlainNarrator
from tests.support.messages import Script
from tests.unit.making import RUN_ID, stored


class _Watch:
    """Counts what the interpreter executes. Calls alone would not do: a loop that only compares makes none."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Self:
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.steps += 1
        return self

    def steps_of(self, work: Callable[[], object]) -> int:
        """How many steps this work takes."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        finally:
            sys.settrace(before)
        return self.steps


def _decided(count: int) -> dict[str, BaseMessage]:
    """A run of so many decisions, each with its outcome. Some fail, are tried again, are judged or cause problems."""
    script = Script(RUN_ID)
    raws = [script.started()]
    for number in range(count):
        name = f"decision-{number}"
        raws.append(script.decision(name, f"Intent {number // 3}", f"node-{number % 7}"))
        raws.append(script.outcome(name, success=number % 5 != 0, tokens_used=number, latency_ms=number))
        raws.append(script.write("edge", source=f"node-{number}", target=f"node-{number + 1}"))
        raws.append(script.problem(f"problem-{number}"))
        raws.append(script.write("evaluation", decision_id=name, evaluation={"outcome_quality": 0.9}))
    raws.append(script.ended())
    return {identity: parse_message(raw) for identity, raw in stored(*raws).items()}


def _work_of_fold(messages: dict[str, BaseMessage]) -> Callable[[], object]:
    return lambda: fold(messages)


def _work_of_story(messages: dict[str, BaseMessage]) -> Callable[[], object]:
    run: Run = fold(messages)
    return lambda: (PlainNarrator().narrate(run), RunSummary.from_run(run))


@pytest.mark.parametrize("work", [_work_of_fold, _work_of_story])
def test_four_times_the_messages_are_about_four_times_the_work(
    work: Callable[[dict[str, BaseMessage]], Callable[[], object]],
) -> None:
    """The seed scanned all decisions for each outcome; with that, it would be sixteen times the work."""
    # Newer interpreters watch a function's steps only from its second call under watch on.
    _Watch().steps_of(work(_decided(10)))
    few = _Watch().steps_of(work(_decided(100)))
    many = _Watch().steps_of(work(_decided(400)))

    assert many <= 4.5 * few
    assert many > 2 * few, "nothing was counted"


def test_no_message_is_compared_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message's time is read a few times, however many others there are."""
    messages = _decided(200)
    reads = 0
    kinds = {type(message) for message in messages.values()}
    for kind in kinds:
        read = kind.__dict__.get("time") or kind.__mro__[1].__dict__["time"]

        def counted(message: BaseMessage, read: Any = read) -> Any:
            nonlocal reads
            reads += 1
            return read.fget(message)

        monkeypatch.setattr(kind, "time", property(counted))

    fold(messages)

    assert len(messages) == reads
