"""The tables and charts, as they stand in docs/scaling.md."""

from collections.abc import Iterable, Sequence
from typing import Final

from simulation import figures
from simulation.accidents import Kind, usual
from simulation.effects import Latency, effects_of
from simulation.fleet import Fleet
from simulation.model import Course, simulate

#: Messages a second that the tables are of.
RATES: Final = (1_000, 10_000, 100_000, 1_000_000)

_STRIKES_AT_S: Final = 30.0
_SECONDS: Final = 180.0
_DAY_S: Final = 24 * 3_600.0
#: What is shorter is told in seconds.
_IN_SECONDS_S: Final = 300.0
_KILO: Final = 1_000
_BYTES: Final = ("B", "kB", "MB", "GB", "TB")
_BIT: Final = 8
#: Each message is sent to a server, to a worker, back to a server, and to a finalizer.
_TRIPS: Final = 4
_COLUMNS: Final = 72
_LINES: Final = 8
#: Lines of a chart that say how much they stand for, from below.
_LABELLED: Final = (3, 7)
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


def provisioning(fleets: Iterable[Fleet]) -> str:
    """What each of these fleets is made of, and what that holds."""
    heads = (
        *("messages/s", "primaries", "partitions", "busiest primary", "workers", "finalizers"),
        *("live runs", "kept a day", "summaries for", "an index is full after", "network of a primary"),
    )
    return _table(heads, map(_provisioned, fleets))


def _provisioned(fleet: Fleet) -> list[str]:
    return [
        f"{fleet.rate:,.0f}",
        f"{fleet.primaries}",
        f"{fleet.partitions}",
        f"{max(fleet.loads):.0%}",
        f"{fleet.workers}",
        f"{fleet.finalizers}",
        _bytes(fleet.rate * figures.RUN_LASTS_S * figures.LIVE_BYTES),
        _bytes(fleet.runs_a_second * _kept_bytes() * _DAY_S),
        _duration(summaries_kept_s(fleet)),
        _duration(index_full_after_s(fleet)),
        f"{_network(fleet) * _BIT / 1e6:,.0f} Mbit/s",
    ]


def summaries_kept_s(fleet: Fleet) -> float:
    """For how long summaries can be kept, and archives a quarter of that, where servers have the assumed memory.

    So much of it is left to live runs, and to what piles up while a primary is away.
    """
    spare = fleet.rate * (figures.RUN_LASTS_S * figures.LIVE_BYTES + figures.SENTINEL_DOWN_AFTER_S * figures.JSON_BYTES)
    room = fleet.primaries * figures.SERVER_BYTES * figures.TARGET_LOAD - spare
    return min(index_full_after_s(fleet), room / (fleet.runs_a_second * (_summary_bytes() + figures.ARCHIVE_BYTES / 4)))


def index_full_after_s(fleet: Fleet) -> float:
    """How long it takes until an index in which all runs stand fills the server that it lies on."""
    return figures.SERVER_BYTES * figures.TARGET_LOAD / (fleet.runs_a_second * figures.INDEX_BYTES)


def _summary_bytes() -> float:
    return figures.SUMMARY_BYTES + figures.INDEXES * figures.INDEX_BYTES


def _kept_bytes() -> float:
    return _summary_bytes() + figures.ARCHIVE_BYTES


def _network(fleet: Fleet) -> float:
    """Bytes a second in and out of one primary, those to one replica among them."""
    stored = figures.ARCHIVE_BYTES + figures.SUMMARY_BYTES
    # To the replica goes what is written: the message as it comes in and as it is merged.
    messages = fleet.rate * figures.JSON_BYTES * (_TRIPS + 2)
    return (messages + fleet.runs_a_second * stored * 2) / fleet.primaries


def accidents(fleets: Iterable[Fleet], seed: int) -> str:
    """What an accident at peak costs, a row for each fleet and accident."""
    heads = (
        *("messages/s", "dies", "peak backlog", "in memory", "with an agent", "drained after"),
        *("before: p50, p99", "during: p50, p99, worst", "after: p50, p99"),
    )
    return _table(heads, (_accident(kind, course_of(fleet, kind, seed)) for fleet in fleets for kind in Kind))


def course_of(fleet: Fleet, kind: Kind, seed: int) -> Course:
    """A fleet at peak, at which the usual accident happens."""
    return simulate(fleet, usual(kind, fleet, _STRIKES_AT_S), seed=seed, seconds=_SECONDS)


def _accident(kind: Kind, course: Course) -> list[str]:
    effects = effects_of(course)
    return [
        f"{course.fleet.rate:,.0f}",
        f"{course.accident.processes} of {_of(kind, course.fleet)}",
        f"{effects.peak_backlog:,.0f}",
        _bytes(effects.peak_stored_bytes),
        _bytes(effects.peak_unsent_bytes),
        _duration(effects.drained_after_s) if effects.drained_after_s is not None else "not yet",
        _quantiles(effects.before),
        f"{_quantiles(effects.during)}, {_duration(effects.during.worst_s)}",
        _quantiles(effects.after) if effects.after else "–",
    ]


def _of(kind: Kind, fleet: Fleet) -> str:
    return {
        Kind.PRIMARY: f"{fleet.primaries} primaries",
        Kind.WORKERS: f"{fleet.workers} workers",
        Kind.FINALIZERS: f"{fleet.finalizers} finalizers",
    }[kind]


def chart(course: Course) -> str:
    """What waits over time, in messages: each column is the most in its time."""
    samples = course.samples
    width = len(samples) / _COLUMNS
    most = [
        max(sample.backlog for sample in samples[int(column * width) : int((column + 1) * width)])
        for column in range(_COLUMNS)
    ]
    top = max(1.0, *most)
    lines = []
    for line in reversed(range(_LINES)):
        parts = (min(1.0, max(0.0, amount / top * _LINES - line)) for amount in most)
        label = f"{top * (line + 1) / _LINES:,.0f}" if line in _LABELLED else ""
        lines.append(f"{label:>10} {''.join(_BLOCKS[round(part * (len(_BLOCKS) - 1))] for part in parts)}".rstrip())
    scale = f"{0:<{_COLUMNS // 2}}{_SECONDS / 2:<{_COLUMNS // 2 - 5}.0f}{_SECONDS:.0f} s"
    return "\n".join((*lines, f"{'':10} {scale}"))


def _quantiles(latency: Latency) -> str:
    return f"{_duration(latency.p50_s)}, {_duration(latency.p99_s)}"


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---" for _ in heads], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bytes(amount: float) -> str:
    power = max((power for power in range(len(_BYTES)) if amount >= _KILO**power), default=0)
    return f"{amount / _KILO**power:,.3g} {_BYTES[power]}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _IN_SECONDS_S:
        return f"{seconds:.1f} s"
    return f"{seconds / 3_600:,.1f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:,.0f} days"
