"""What waits in a queue: how much of it, and since when."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parcel:
    """Messages, or runs, that agents recorded at the same time. There may be any part of one."""

    born_s: float
    amount: float


class Waiting:
    """A queue: what came first goes first."""

    def __init__(self) -> None:
        self._parcels: deque[Parcel] = deque()
        self.amount = 0.0

    def put(self, parcels: Iterable[Parcel]) -> None:
        """Add them at the end."""
        for parcel in parcels:
            self._parcels.append(parcel)
            self.amount += parcel.amount

    def put_first(self, parcels: Iterable[Parcel]) -> None:
        """Add them before all others."""
        some = list(parcels)
        self._parcels.extendleft(reversed(some))
        self.amount += sum(parcel.amount for parcel in some)

    def take(self, amount: float) -> list[Parcel]:
        """Take so much from the front, or all there is."""
        if amount >= self.amount:
            taken = list(self._parcels)
            self._parcels.clear()
            self.amount = 0.0
            return taken
        taken = []
        while amount > 0 and self._parcels:
            first = self._parcels.popleft()
            part = min(first.amount, amount)
            taken.append(Parcel(first.born_s, part))
            if part < first.amount:
                self._parcels.appendleft(Parcel(first.born_s, first.amount - part))
            amount -= part
            self.amount -= part
        return taken
