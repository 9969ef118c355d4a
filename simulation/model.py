"""The flow of messages through a fleet, step by step: from agents to streams, to runs, to summaries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from random import Random
from typing import Final

from simulation import figures
from simulation.accidents import Accident, Kind
from simulation.fleet import Fleet
from simulation.waiting import Parcel, Waiting

STEP_S: Final = 0.05

#: Messages of one agent's batch: they come together.
_BATCH: Final = max(1.0, figures.AGENT_RATE * figures.LINGER_S)


@dataclass(frozen=True, slots=True)
class Sample:
    """What waits at a moment, in messages."""

    at_s: float
    #: With agents, because the server for it is away or busy.
    unsent: float
    #: On the streams, also what a worker has in hand.
    streams: float
    #: In runs that have ended and are not summarised.
    due: float

    @property
    def backlog(self) -> float:
        return self.unsent + self.streams + self.due


@dataclass(frozen=True, slots=True)
class Summarised:
    """Runs that ended at the same time, and had to wait for so long beyond what a quiet pipeline takes."""

    born_s: float
    runs: float
    waited_s: float


@dataclass
class Course:
    """What came of it."""

    fleet: Fleet
    accident: Accident
    recorded: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    summaries: list[Summarised] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Held:
    """What a dead process had in hand, until others take it over."""

    until_s: float
    parcels: Sequence[Parcel]


def simulate(fleet: Fleet, accident: Accident, *, seed: int, seconds: float) -> Course:
    """Let agents record messages for so long. The same seed gives the same course."""
    flow = _Flow(fleet, accident, Random(seed))
    for step in range(round(seconds / STEP_S)):
        flow.step(step * STEP_S)
    return flow.course


class _Flow:
    """Where everything is at the moment."""

    def __init__(self, fleet: Fleet, accident: Accident, random: Random) -> None:
        self._fleet = fleet
        self._random = random
        self._accident = accident
        #: How late the others look for what is left, as a part of how often they do.
        self._luck = random.random()
        #: For each primary: what agents have for it, and what lies on its streams.
        self._unsent = [Waiting() for _ in range(fleet.primaries)]
        self._streams = [Waiting() for _ in range(fleet.primaries)]
        self._due = Waiting()
        self._held_messages: list[_Held] = []
        self._held_runs: list[_Held] = []
        self._has_struck = False
        self.course = Course(fleet, accident)

    def step(self, now_s: float) -> None:
        """What happens in one step. What could not be done in it waits for the next."""
        self._record(now_s)
        self._release(now_s)
        if not self._has_struck and now_s >= self._accident.at_s:
            self._has_struck = True
            self._strike(now_s)
        work = self._work(now_s)
        self._send(work)
        self._merge(work)
        self._finalize(work, now_s)
        self._look(now_s)

    def _record(self, now_s: float) -> None:
        usual = self._fleet.rate * STEP_S
        batches = max(1.0, usual / _BATCH)
        amount = max(0.0, usual * self._random.gauss(1, 1 / sqrt(batches)))
        self.course.recorded += amount
        for unsent, partitions in zip(self._unsent, self._fleet.partitions_on, strict=True):
            unsent.put([Parcel(now_s, amount * partitions / self._fleet.partitions)] if partitions else [])

    def _release(self, now_s: float) -> None:
        """Others take over what the dead had in hand, before they read anything new."""
        for held in _over(self._held_messages, now_s):
            # Any primary will do: it is not much.
            self._streams[0].put_first(held.parcels)
        for held in _over(self._held_runs, now_s):
            self._due.put(held.parcels)

    def _strike(self, now_s: float) -> None:
        """What the dying have in hand stays there for a while."""
        if self._accident.kind is Kind.WORKERS:
            part = self._accident.processes / self._fleet.workers
            in_hand = self._fleet.rate * figures.IN_HAND_S + sum(stream.amount for stream in self._streams)
            lost = min(in_hand * part, self._accident.processes * figures.MOST_IN_HAND)
            until_s = now_s + self._accident.claim_after_s * (1 + self._luck / 4)
            self._held_messages.append(_Held(until_s, _taken_evenly([*self._streams, *self._unsent], lost)))
        if self._accident.kind is Kind.FINALIZERS:
            part = self._accident.processes / self._fleet.finalizers
            in_hand = self._fleet.runs_a_second * figures.IN_HAND_S + self._due.amount
            lost = min(in_hand * part, self._accident.processes * figures.RUNS_A_JOB)
            until_s = now_s + figures.SETTLE_S + self._luck * figures.SWEEP_EVERY_S
            ended = _taken_evenly([*self._streams, *self._unsent], lost * figures.MESSAGES_A_RUN)
            runs = [Parcel(parcel.born_s, parcel.amount / figures.MESSAGES_A_RUN) for parcel in ended]
            self._held_runs.append(_Held(until_s, runs))

    def _work(self, now_s: float) -> "_Work":
        """How much of each kind all servers and processes can do in this step."""
        fleet, accident = self._fleet, self._accident
        is_on = accident.at_s <= now_s < accident.over_at_s
        is_away = is_on and accident.kind is Kind.PRIMARY
        workers = fleet.workers - (accident.processes if is_on and accident.kind is Kind.WORKERS else 0)
        finalizers = fleet.finalizers - (accident.processes if is_on and accident.kind is Kind.FINALIZERS else 0)
        room = [partitions * figures.MAX_BACKLOG for partitions in fleet.partitions_on]
        send = [
            # An agent looks at all streams before it sends: it waits, too, while it cannot ask for one of them.
            min(unsent.amount, max(0.0, most - stream.amount)) if not is_away else 0.0
            for unsent, stream, most in zip(self._unsent, self._streams, room, strict=True)
        ]
        waiting = [stream.amount + sent for stream, sent in zip(self._streams, send, strict=True)]
        merge = min(workers * STEP_S / figures.WORKER_S, sum(waiting))
        # What is merged in this step is finalized in it, too, where there is time.
        due = self._due.amount + merge / figures.MESSAGES_A_RUN
        return _Work(fleet, is_away, send, waiting, merge, min(finalizers * STEP_S / figures.FINALIZER_S, due)).shared()

    def _send(self, work: "_Work") -> None:
        for unsent, stream, amount in zip(self._unsent, self._streams, work.send, strict=True):
            stream.put(unsent.take(amount))

    def _merge(self, work: "_Work") -> None:
        whole = sum(stream.amount for stream in self._streams)
        merged = [
            Parcel(parcel.born_s, parcel.amount / figures.MESSAGES_A_RUN)
            for stream in self._streams
            for parcel in stream.take(work.merge * stream.amount / whole if whole else 0.0)
        ]
        self._due.put(sorted(merged, key=lambda parcel: parcel.born_s))

    def _finalize(self, work: "_Work", now_s: float) -> None:
        self.course.summaries += [
            Summarised(parcel.born_s, parcel.amount, now_s - parcel.born_s) for parcel in self._due.take(work.finalize)
        ]

    def _look(self, now_s: float) -> None:
        held = sum(parcel.amount for held in self._held_messages for parcel in held.parcels)
        held_runs = sum(parcel.amount for held in self._held_runs for parcel in held.parcels)
        self.course.samples.append(
            Sample(
                now_s,
                unsent=sum(unsent.amount for unsent in self._unsent),
                streams=sum(stream.amount for stream in self._streams) + held,
                due=(self._due.amount + held_runs) * figures.MESSAGES_A_RUN,
            )
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done in a step."""

    fleet: Fleet
    #: Whether a primary does not answer.
    is_away: bool
    #: For each primary: messages put onto its streams, and what lies there then.
    send: Sequence[float]
    waiting: Sequence[float]
    #: Messages merged, and runs finalized, over all primaries.
    merge: float
    finalize: float

    def shared(self) -> "_Work":
        """As much of it as the servers have time for.

        A server serves all who ask in turn. A batch, and a job, is of runs on all primaries: it is done when the
        slowest of them has done its part, and not before one that is away is back.
        """
        share = [min(1.0, STEP_S / wanted_s) if (wanted_s := self._wanted_s(each)) else 1.0 for each in self._primaries]
        send = [amount * part for amount, part in zip(self.send, share, strict=True)]
        slowest = 0.0 if self.is_away else min(share)
        return _Work(self.fleet, self.is_away, send, self.waiting, self.merge * slowest, self.finalize * slowest)

    @property
    def _primaries(self) -> range:
        return range(self.fleet.primaries)

    def _wanted_s(self, primary: int) -> float:
        """How long a primary would need for its part."""
        whole = sum(self.waiting)
        read = self.merge * self.waiting[primary] / whole if whole else 0.0
        return (
            self.send[primary] * figures.TAKE_IN_S
            + read * figures.READ_S
            + self.merge / self.fleet.primaries * figures.MERGE_S
            + self.finalize * (figures.FINALIZE_S / self.fleet.primaries + self.fleet.single_keys_s[primary])
        )


def _over(held: list[_Held], now_s: float) -> list[_Held]:
    """Take those out whose time has come."""
    over = [each for each in held if now_s >= each.until_s]
    held[:] = [each for each in held if now_s < each.until_s]
    return over


def _taken_evenly(queues: Iterable[Waiting], amount: float) -> list[Parcel]:
    """Take so much out of all of them together, from each by what it has."""
    queues = list(queues)
    whole = sum(queue.amount for queue in queues)
    return [parcel for queue in queues for parcel in queue.take(amount * queue.amount / whole if whole else 0.0)]
