"""How much of what the producers sent is here."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from runweaver.shared.messages import BaseMessage, ProducerLeftMessage, RunEndedMessage
from runweaver.shared.run import Completeness, ProducerCompleteness

#: Stands for all messages that name no producer. No producer can be called so: parentheses are not allowed in names.
ANONYMOUS: Final = "(anonymous)"


def measure_completeness(messages: Mapping[str, BaseMessage], on_time: Mapping[str, int] | None) -> Completeness:
    """Compare what is here with what was declared.

    Args:
        messages: the run's messages.
        on_time: how many messages of each producer were there when the ended run was summarised for the first
            time; none where it has not been.
    """
    received = Counter(message.producer or ANONYMOUS for message in messages.values())
    declared = _declared(messages)
    expected_here = _expected_here(messages, declared)
    producers = {
        name: ProducerCompleteness(
            received=count,
            declared=declared.get(name, 0),
            missing=max(0, declared.get(name, 0) - expected_here[name]),
            late=0 if on_time is None else max(0, count - on_time.get(name, 0)),
        )
        for name, count in sorted(received.items())
    }
    return Completeness(
        received=sum(producer.received for producer in producers.values()),
        declared=sum(producer.declared for producer in producers.values()),
        missing=sum(producer.missing for producer in producers.values()),
        late=sum(producer.late for producer in producers.values()),
        producers=producers,
    )


def _declared(messages: Mapping[str, BaseMessage]) -> dict[str, int]:
    declared: dict[str, int] = {}
    for message in messages.values():
        if isinstance(message, ProducerLeftMessage | RunEndedMessage) and message.sent is not None:
            name = message.producer or ANONYMOUS
            declared[name] = max(declared.get(name, 0), message.sent)
    return declared


def _expected_here(messages: Mapping[str, BaseMessage], declared: Mapping[str, int]) -> Counter[str]:
    """How many of the declared messages are here. What a producer sent after its declaration fills no gap in it."""
    here: Counter[str] = Counter()
    for message in messages.values():
        name = message.producer or ANONYMOUS
        if message.seq is None or message.seq < declared.get(name, 0):
            here[name] += 1
    return here
