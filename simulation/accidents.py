"""What may happen at peak."""

from dataclasses import dataclass
from enum import StrEnum

from simulation import figures
from simulation.fleet import Fleet, on_one_machine


class Kind(StrEnum):
    """What dies."""

    PRIMARY = "a primary"
    WORKERS = "a machine of workers"
    FINALIZERS = "a machine of finalizers"


@dataclass(frozen=True, slots=True)
class Accident:
    """Something dies, and so many seconds later something stands in for it."""

    kind: Kind
    at_s: float
    lasts_s: float
    #: How many processes die. Of primaries it is one.
    processes: int = 1
    #: After which other workers take over what a dead one had in hand, or a quarter of that later.
    claim_after_s: float = figures.CLAIM_AFTER_S

    @property
    def over_at_s(self) -> float:
        return self.at_s + self.lasts_s


def usual(kind: Kind, fleet: Fleet, at_s: float) -> Accident:
    """One machine, for as long as it takes by default."""
    if kind is Kind.PRIMARY:
        unnoticed_s = figures.SENTINEL_DOWN_AFTER_S if fleet.primaries == 1 else figures.NODE_TIMEOUT_S
        return Accident(kind, at_s, unnoticed_s + sum(figures.ELECTION_S) / 2)
    there_are = fleet.workers if kind is Kind.WORKERS else fleet.finalizers
    return Accident(kind, at_s, figures.REPLACED_AFTER_S, on_one_machine(there_are))
