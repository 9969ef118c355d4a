"""What an accident cost: how much waited, for how long, and how late summaries were."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from simulation import figures
from simulation.model import Course, Summarised

#: It is over when no more waits than so many times the most that ever did before, and than comes in so many seconds.
_AS_BEFORE: Final = 1.5
_NOTHING_S: Final = 1e-6
#: A pipeline that has only just begun is not looked at.
_WARM_UP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Latency:
    """From the last message of a run to its summary, in seconds."""

    p50_s: float
    p99_s: float
    worst_s: float


@dataclass(frozen=True, slots=True)
class Effects:
    """In messages, bytes and seconds."""

    peak_backlog: float
    #: Of it, the most that was in the memory of servers.
    peak_stored_bytes: float
    #: The most that waited with one agent's process, of what was recorded there.
    peak_unsent_bytes: float
    #: From the accident until no more waited than before. None: the time that was looked at did not suffice.
    drained_after_s: float | None
    before: Latency
    during: Latency
    #: None where it was not drained.
    after: Latency | None


def effects_of(course: Course) -> Effects:
    """Compare what was with what had been before."""
    at_s = course.accident.at_s
    usual = max(sample.backlog for sample in course.samples if _WARM_UP_S <= sample.at_s < at_s)
    bearable = max(_AS_BEFORE * usual, course.fleet.rate * _NOTHING_S)
    last_s = max((sample.at_s for sample in course.samples if sample.backlog > bearable), default=at_s)
    end_s = course.samples[-1].at_s
    drained_at_s = max(last_s, at_s) if last_s < end_s else None
    agents = course.fleet.rate / figures.AGENT_RATE
    peak_unsent = max(sample.unsent for sample in course.samples)
    return Effects(
        peak_backlog=max(sample.backlog for sample in course.samples),
        peak_stored_bytes=max(sample.streams + sample.due for sample in course.samples) * figures.JSON_BYTES,
        peak_unsent_bytes=peak_unsent / agents * figures.JSON_BYTES,
        drained_after_s=drained_at_s - at_s if drained_at_s is not None else None,
        before=latency_of(course.summaries, _WARM_UP_S, at_s),
        during=latency_of(course.summaries, at_s, end_s if drained_at_s is None else max(drained_at_s, at_s + 1)),
        after=latency_of(course.summaries, drained_at_s, end_s + 1) if drained_at_s is not None else None,
    )


def latency_of(summaries: Iterable[Summarised], from_s: float, to_s: float) -> Latency:
    """Of the runs that ended in this time.

    What a quiet pipeline takes is added to what they waited, the median to the median and so on: it is small where a
    wait is not, and all there is where there was none.
    """
    some = sorted((each for each in summaries if from_s <= each.born_s < to_s), key=lambda each: each.waited_s)
    p99_s = figures.LINGER_S + figures.QUIET_P99_S
    return Latency(
        p50_s=_quantile(some, 0.5) + figures.LINGER_S / 2 + figures.QUIET_P50_S,
        p99_s=_quantile(some, 0.99) + p99_s,
        worst_s=_quantile(some, 1) + p99_s,
    )


def _quantile(by_wait: Sequence[Summarised], part: float) -> float:
    wanted = part * sum(each.runs for each in by_wait)
    for each in by_wait:
        wanted -= each.runs
        if wanted <= 0:
            return each.waited_s
    return by_wait[-1].waited_s if by_wait else 0.0
