"""How many of each there are, where their keys lie, and how busy that keeps each server."""

import math
from binascii import crc_hqx
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from runweaver.shared import RunStatus
from runweaver.shared.keys import Keys
from simulation import figures

_KEYS: Final = Keys("rw")
_SLOTS: Final = 16_384
#: Redis Cluster has no fewer primaries, if it has more than one.
_LEAST_OF_A_CLUSTER: Final = 3
_MOST_PARTITIONS: Final = 1_024

#: Indexes in which all runs stand, so that each lies on one server whatever the fleet: where all agents pass the same
#: five nodes and have one goal, as those of the benchmark do.
_HOT_INDEXES: Final = (
    _KEYS.index_all,
    _KEYS.index_expiry,
    _KEYS.index_status(RunStatus.COMPLETED),
    _KEYS.index_goal("goal"),
    _KEYS.index_goal_status("goal", RunStatus.COMPLETED),
    *(_KEYS.index_node(f"node-{number}") for number in range(5)),
)


def primary_of(key: str, primaries: int) -> int:
    """The server that a key lies on, where the slots are shared out as `redis-cli --cluster create` does."""
    start, end = key.find("{"), key.find("}")
    tag = key[start + 1 : end] if 0 <= start < end - 1 else key
    return crc_hqx(tag.encode(), 0) % _SLOTS * primaries // _SLOTS


@dataclass(frozen=True)
class Fleet:
    """So many of each, for so many messages a second."""

    rate: float
    primaries: int = 1
    partitions: int = 1
    workers: int = 1
    finalizers: int = 1

    @property
    def runs_a_second(self) -> float:
        return self.rate / figures.MESSAGES_A_RUN

    @cached_property
    def partitions_on(self) -> Sequence[int]:
        """How many partitions lie on each primary."""
        lie = Counter(primary_of(_KEYS.messages(partition), self.primaries) for partition in range(self.partitions))
        return [lie[primary] for primary in range(self.primaries)]

    @cached_property
    def single_keys_s(self) -> Sequence[float]:
        """For each primary: seconds of its processor a run, for keys of which there is one each."""
        spent = [0.0] * self.primaries
        for key in _HOT_INDEXES:
            spent[primary_of(key, self.primaries)] += figures.INDEX_S
        spent[primary_of(_KEYS.finished, self.primaries)] += figures.ANNOUNCE_S
        return spent

    @cached_property
    def loads(self) -> Sequence[float]:
        """How busy each primary is, of one processor."""
        stream_s = self.rate * (figures.TAKE_IN_S + figures.READ_S)
        spread_s = self.rate * figures.MERGE_S + self.runs_a_second * figures.FINALIZE_S
        return [
            stream_s * partitions / self.partitions + spread_s / self.primaries + self.runs_a_second * single_s
            for partitions, single_s in zip(self.partitions_on, self.single_keys_s, strict=True)
        ]


def provision(rate: float) -> Fleet:
    """The smallest fleet that is busy to the target at most, and that can spare any one machine of workers."""
    primaries, partitions = _servers(rate)
    return Fleet(
        rate,
        primaries,
        partitions,
        workers=_processes(rate * figures.WORKER_S),
        finalizers=_processes(rate / figures.MESSAGES_A_RUN * figures.FINALIZER_S),
    )


def _servers(rate: float) -> tuple[int, int]:
    """So few primaries as can be, and so few partitions for them, a power of two, as spread evenly enough."""
    primaries = 1
    while True:
        partitions = 1 << (primaries - 1).bit_length()
        while partitions <= min(_MOST_PARTITIONS, 32 * primaries):
            fleet = Fleet(rate, primaries, partitions)
            if max(fleet.loads) <= figures.TARGET_LOAD:
                return primaries, partitions
            partitions *= 2
        primaries = max(_LEAST_OF_A_CLUSTER, primaries + 1)


def on_one_machine(processes: int) -> int:
    """How many of so many end with one machine: a small fleet is not on one alone."""
    return min(figures.PROCESSES_A_MACHINE, max(1, processes // 2))


def _processes(cores: float) -> int:
    """So many that they are busy to the target, and keep up without those of one machine; two at least."""
    processes = max(2, math.ceil(cores / figures.TARGET_LOAD))
    while processes - on_one_machine(processes) < cores:
        processes += 1
    return processes
