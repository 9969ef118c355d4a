"""How much of what the producers sent is here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from runweaver.shared.messages import BaseMessage, ProducerLeftMessage, RunEndedMessage
from runweaver.shared.run import Completeness, ProducerCompleteness

#: Stands for all messages that name no producer. No producer can be called so: parentheses are not allowed in names.
ANONYMOUS: Final = "(anonymous)"

_Declaration: TypeAlias = ProducerLeftMessage | RunEndedMessage


def measure_completeness(messages: Mapping[str, BaseMessage], on_time: Mapping[str, int] | None) -> Completeness:
    """Compare what is here with what was declared.

    Args:
        messages: the run's messages.
        on_time: how many messages of each producer were there when the ended run was summarised for the first
            time; none where it has not been.
    """
    received = Counter(map(_producer_of, messages.values()))
    shed = Counter(_producer_of(message) for message in messages.values() if message.shed_bytes)
    declared, dropped = _declared(messages.values())
    expected_here = _expected_here(messages.values(), declared)
    producers = {
        name: ProducerCompleteness(
            received=count,
            declared=declared[name],
            missing=max(0, declared[name] - expected_here[name]),
            dropped=dropped[name],
            shed=shed[name],
            late=0 if on_time is None else max(0, count - on_time.get(name, 0)),
        )
        for name, count in sorted(received.items())
    }
    totals = {
        field: sum(getattr(producer, field) for producer in producers.values())
        for field in ProducerCompleteness.model_fields
    }
    return Completeness(**totals, producers=producers)


def _producer_of(message: BaseMessage) -> str:
    return message.producer or ANONYMOUS


def _declared(messages: Iterable[BaseMessage]) -> tuple[Counter[str], Counter[str]]:
    """How many messages each producer says it sent, and how many of them it says it had to drop."""
    declared: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for message in messages:
        if isinstance(message, _Declaration) and message.sent is not None:
            name = _producer_of(message)
            declared[name] = max(declared[name], message.sent)
            dropped[name] = max(dropped[name], message.dropped)
    return declared, dropped


def _expected_here(messages: Iterable[BaseMessage], declared: Mapping[str, int]) -> Counter[str]:
    """How many of the declared messages are here. What a producer sent after its declaration fills no gap in it."""
    here: Counter[str] = Counter()
    for message in messages:
        name = _producer_of(message)
        if message.seq is None or message.seq < declared[name]:
            here[name] += 1
    return here
