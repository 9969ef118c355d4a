"""What happens to whom, and when: decided beforehand, by the seed alone."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """What can happen."""

    KILL = auto()
    TERMINATE = auto()
    FREEZE = auto()
    ROLL = auto()
    SERVER_CRASH = auto()
    SERVER_HANG = auto()


@dataclass(frozen=True)
class Event:
    """One blow."""

    at_s: float
    kind: Kind
    #: Whom it meets: `worker` or `finalizer`, and which of them; nobody where it is the server.
    role: str = ""
    number: int = 0
    #: Whether to wait for a moment in which it has something in hand.
    is_aimed: bool = False
    #: How long what is frozen, hangs or was killed stays so, where it does not come back at once.
    lasts_s: float = 0.0


#: Out of this bag events are drawn, until it is empty; then it is filled again. So a short time has some of each.
_BAG: Final = (
    *4 * ((Kind.KILL, "worker"),),
    *3 * ((Kind.KILL, "finalizer"),),
    *2 * ((Kind.TERMINATE, "worker"),),
    *1 * ((Kind.TERMINATE, "finalizer"),),
    *2 * ((Kind.FREEZE, "worker"),),
    *2 * ((Kind.FREEZE, "finalizer"),),
    *2 * ((Kind.SERVER_CRASH, ""),),
    *1 * ((Kind.SERVER_HANG, ""),),
)
_ROLLS: Final = ((Kind.ROLL, "worker"), (Kind.ROLL, "worker"), (Kind.ROLL, "finalizer"))

_FIRST_AT_S: Final = 2.0
_SHORTEST_GAP_S: Final = 0.3
_LONGEST_GAP_S: Final = 2.5


def schedule(seed: str, seconds: float, *, workers: int, finalizers: int, is_rolling: bool) -> list[Event]:
    """All events of these seconds, in order of time."""
    dice = random.Random(f"schedule-{seed}")
    kinds = _kinds(dice, is_rolling=is_rolling)
    at_s, server_back_at_s = _FIRST_AT_S, 0.0
    events = []
    while at_s < seconds:
        kind, role = next(kinds)
        if not role and at_s < server_back_at_s:
            # It is away already: meanwhile a worker falls.
            kind, role = Kind.KILL, "worker"
        count = workers if role == "worker" else finalizers
        number = dice.randrange(count) if role else 0
        event = Event(at_s, kind, role, number, is_aimed=dice.random() < 0.6, lasts_s=_duration(dice, kind))
        if not role:
            server_back_at_s = at_s + event.lasts_s
        events.append(event)
        at_s += dice.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S)
    return events


def _kinds(dice: random.Random, *, is_rolling: bool) -> Iterator[tuple[Kind, str]]:
    while True:
        bag = [*_BAG, *(_ROLLS if is_rolling else ())]
        dice.shuffle(bag)
        yield from bag


def _duration(dice: random.Random, kind: Kind) -> float:
    match kind:
        case Kind.FREEZE:
            return dice.uniform(0.3, 3.0)
        case Kind.SERVER_CRASH:
            return dice.uniform(0.1, 2.0)
        case Kind.SERVER_HANG:
            # Now and then longer than anybody's socket waits.
            return dice.choice((0.5, 1.5, 6.5))
        case _:
            return 0.0
