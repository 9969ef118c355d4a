"""What an accident really costs, to hold the model in `simulation` against.

    .venv/bin/python -m benchmarks.deaths

Messages come at a steady pace; something is killed, or stands still for a while. Looked at: what waits on the stream
and in runs that are not summarised, and how long each run waits for its summary.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.messages import Sent, entries, packed, staggered
from benchmarks.processes import KEYS, STREAM, Site, fresh_site
from benchmarks.quantiles import quantile
from benchmarks.sender import Connection
from simulation import figures
from simulation.accidents import Accident, Kind
from simulation.effects import latency_of
from simulation.fleet import Fleet
from simulation.model import simulate

_RATE: Final = 8_000
_RUN_MESSAGES: Final = 20
#: Messages an entry: one run ends with each.
_ENTRY: Final = 20
_RUNS_AT_ONCE: Final = 10
_CLAIM_AFTER_S: Final = 10.0
_STRIKES_AT_S: Final = 5.0
_SECONDS: Final = 30.0
#: One run in so many is looked at: more would keep the server from its work.
_SAMPLED: Final = 10
_LOOK_EVERY_S: Final = 0.01
#: In which everybody does all for the first time.
_WARM_UP_S: Final = 2.0
#: A blow that leaves nothing to drain is looked at for so long.
_LEAST_S: Final = 1.0


@dataclass
class _Seen:
    """What was seen of a measurement. Times are those since its beginning."""

    #: When, messages on the stream, and messages that are in no summary.
    waiting: list[tuple[float, float, float]] = field(default_factory=list)
    #: The age of the oldest message that was ever on the stream.
    oldest_s: float = 0.0
    #: When a run ended, and how long it waited.
    summaries: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Blow:
    """Something that is done to a site, and the same in the model."""

    name: str
    workers: int
    accident: Accident
    strike: Callable[[Site], object]


def main() -> None:
    """Measure, simulate, and print both."""
    for blow in _BLOWS:
        seen, at_s = _observe(blow), blow.accident.at_s
        _tell(blow.name, _on_stream_ms(seen, at_s), _measured(seen, at_s), _modelled(blow))


def _kill(site: Site) -> None:
    site.processes.kill("worker-1")


def _stall(seconds: float, *names: str) -> Callable[[Site], None]:
    def strike(site: Site) -> None:
        for name in names:
            site.processes.suspend(name)
        threading.Timer(seconds, resume, (site,)).start()

    def resume(site: Site) -> None:
        for name in names:
            site.processes.resume(name)

    return strike


_BLOWS: Final = (
    _Blow(
        "one of two workers is killed",
        2,
        Accident(Kind.WORKERS, _STRIKES_AT_S, lasts_s=_SECONDS, claim_after_s=_CLAIM_AFTER_S),
        _kill,
    ),
    _Blow(
        "the only worker stands still for 5 s",
        1,
        Accident(Kind.WORKERS, _STRIKES_AT_S, lasts_s=5.0, claim_after_s=4.0),
        _stall(5.0, "worker-1"),
    ),
    _Blow(
        "all that merges and finalizes stands still for 5 s, as while a primary is away",
        1,
        Accident(Kind.PRIMARY, _STRIKES_AT_S, lasts_s=5.0),
        _stall(5.0, "worker-1", "finalizer"),
    ),
)


def _observe(blow: _Blow) -> _Seen:
    seen = _Seen()
    commands = list(entries(staggered(int(_RATE * _SECONDS / _RUN_MESSAGES), _RUN_MESSAGES, _RUNS_AT_ONCE), _ENTRY))
    with fresh_site(RUNWEAVER_CLAIM_AFTER_S=f"{_CLAIM_AFTER_S:g}") as site:
        site.start("finalizer")
        site.start_workers(blow.workers)
        ended_at: dict[str, float] = {}
        began_at = time.perf_counter()
        sender = threading.Thread(target=_send, args=(site, commands, began_at, ended_at))
        sender.start()
        has_struck = False
        while sender.is_alive() or ended_at:
            now_s = time.perf_counter() - began_at
            if not has_struck and now_s >= blow.accident.at_s:
                has_struck = True
                blow.strike(site)
            _look(site, ended_at, seen, began_at)
            time.sleep(_LOOK_EVERY_S)
        sender.join()
    return seen


def _send(site: Site, batches: Sequence[Sequence[Sent]], began_at: float, ended_at: dict[str, float]) -> None:
    connection = Connection(site.url)
    for number, batch in enumerate(batches):
        due_at = began_at + number * _ENTRY / _RATE
        time.sleep(max(0.0, due_at - time.perf_counter()))
        command = packed(batch)
        connection.ask(command, 1)
        now_s = time.perf_counter() - began_at
        # One run ends with each entry.
        if number % _SAMPLED == 0:
            ended_at |= {run_id: now_s for run_id, raw in batch if raw.startswith(b'{"type":"run_ended"')}
    connection.close()


def _look(site: Site, ended_at: dict[str, float], seen: _Seen, began_at: float) -> None:
    waiting = list(ended_at)
    with site.client.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.xlen(STREAM)
        pipeline.xrange(STREAM, count=1)
        for run_id in waiting:
            pipeline.exists(KEYS.summary(run_id))
        (seconds, microseconds), on_stream, oldest, *are_there = pipeline.execute()
    now_s = time.perf_counter() - began_at
    for run_id, is_there in zip(waiting, are_there, strict=True):
        if is_there:
            at_s = ended_at.pop(run_id)
            seen.summaries.append((at_s, now_s - at_s))
    for entry_id, _ in oldest:
        age_s = seconds + microseconds / 1e6 - int(entry_id.partition(b"-")[0]) / 1000
        seen.oldest_s = max(seen.oldest_s, age_s)
    seen.waiting.append((now_s, on_stream * _ENTRY, len(ended_at) * _SAMPLED * _RUN_MESSAGES))


@dataclass(frozen=True)
class _Told:
    """What both tell. Latencies are those of runs that ended between the blow and the end of what it did."""

    peak_backlog: float
    drained_after_s: float
    p50_s: float
    p99_s: float
    worst_s: float


def _measured(seen: _Seen, at_s: float) -> _Told:
    waiting = [(now_s, max(stream, runs)) for now_s, stream, runs in seen.waiting]
    peak, drained_at_s = _peak(waiting, at_s)
    waits = [wait_s for ended_s, wait_s in seen.summaries if at_s <= ended_s <= drained_at_s]
    return _Told(peak, drained_at_s - at_s, quantile(waits, 0.5), quantile(waits, 0.99), max(seen.oldest_s, *waits))


def _on_stream_ms(seen: _Seen, at_s: float) -> float:
    """How long a message is on the stream, by Little's law."""
    before = [stream for now_s, stream, _ in seen.waiting if _WARM_UP_S <= now_s < at_s]
    return sum(before) / len(before) / _RATE * 1000


def _modelled(blow: _Blow) -> _Told:
    course = simulate(Fleet(_RATE, workers=blow.workers), blow.accident, seed=1, seconds=_SECONDS)
    at_s = blow.accident.at_s
    peak, drained_at_s = _peak([(sample.at_s, sample.backlog) for sample in course.samples], at_s)
    latency = latency_of(course.summaries, at_s, drained_at_s)
    # There is no producer here that would wait for more.
    linger_s = figures.LINGER_S
    return _Told(
        peak,
        drained_at_s - at_s,
        latency.p50_s - linger_s / 2,
        latency.p99_s - linger_s,
        latency.worst_s - linger_s,
    )


def _peak(waiting: Sequence[tuple[float, float]], at_s: float) -> tuple[float, float]:
    """The most that waited after the blow, and when it was down to a tenth of that; a second later at least."""
    after = [(now_s, amount) for now_s, amount in waiting if now_s >= at_s]
    at_peak_s, peak = max(after, key=lambda each: each[1])
    return peak, max(
        at_s + _LEAST_S, next(now_s for now_s, amount in after if now_s > at_peak_s and amount < peak / 10)
    )


def _tell(name: str, on_stream_ms: float, measured: _Told, modelled: _Told) -> None:
    print(f"{name}, at {_RATE:,} messages/s; each was on the stream for {on_stream_ms:.1f} ms before")
    for who, told in (("measured", measured), ("model", modelled)):
        print(
            f"    {who:10}peak {told.peak_backlog:8,.0f} messages; drained after {told.drained_after_s:5.1f} s; "
            f"p50 {told.p50_s:6.2f} s, p99 {told.p99_s:6.2f} s, worst {told.worst_s:6.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
