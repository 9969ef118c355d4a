"""How much of what the producers sent is here."""

from array import array
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from runweaver.shared.messages import BaseMessage, ProducerLeftMessage, RunEndedMessage
from runweaver.shared.run import Completeness, ProducerCompleteness

#: Stands for all messages that name no producer. No producer can be called so: parentheses are not allowed in names.
ANONYMOUS: Final = "(anonymous)"


class Tally:
    """Counts a run's messages one after another, and compares them with what was declared."""

    def __init__(self) -> None:
        self._producers: defaultdict[str, _Producer] = defaultdict(_Producer)

    def add(self, message: BaseMessage) -> None:
        """Count a message. Each is added once."""
        self._producers[message.producer or ANONYMOUS].add(message)

    def completeness(self, on_time: Mapping[str, int] | None) -> Completeness:
        """What is here and what is not.

        Args:
            on_time: how many messages of each producer were there when the ended run was summarised for the first
                time; none where it has not been.
        """
        producers = {
            name: counted.completeness(None if on_time is None else on_time.get(name, 0))
            for name, counted in sorted(self._producers.items())
        }
        totals = {
            field: sum(getattr(producer, field) for producer in producers.values())
            for field in ProducerCompleteness.model_fields
        }
        return Completeness(**totals, producers=producers)


class _Producer:
    """What has been heard of one producer."""

    def __init__(self) -> None:
        self._received = 0
        self._shed = 0
        self._declared = 0
        self._dropped = 0
        #: The numbers of its messages. A run may have very many: they take four bytes each.
        self._numbers = array("I")

    def add(self, message: BaseMessage) -> None:
        self._received += 1
        if message.shed_bytes:
            self._shed += 1
        if message.seq is not None:
            self._numbers.append(message.seq)
        if isinstance(message, ProducerLeftMessage | RunEndedMessage) and message.sent is not None:
            self._declared = max(self._declared, message.sent)
            self._dropped = max(self._dropped, message.dropped)

    def completeness(self, on_time: int | None) -> ProducerCompleteness:
        # What it sent after its declaration fills no gap in it.
        unexpected = sum(number >= self._declared for number in self._numbers)
        return ProducerCompleteness(
            received=self._received,
            declared=self._declared,
            missing=max(0, self._declared - (self._received - unexpected)),
            dropped=self._dropped,
            shed=self._shed,
            late=0 if on_time is None else max(0, self._received - on_time),
        )
