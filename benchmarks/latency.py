"""How soon after its last message a run's summary can be read, at half of what the pipeline can do."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.messages import Sent, entries, packed, staggered
from benchmarks.processes import KEYS, Site, fresh_site
from benchmarks.quantiles import quantile
from benchmarks.sender import Connection, Sender

_MESSAGES: Final = 20
#: One of these ends with each entry of twenty messages: no two ends come together, as they would not in a fleet.
_RUNS_AT_ONCE: Final = 10
_PEAK_RUNS: Final = 5_000
_LEAST_RUNS: Final = 20
_PACED_S: Final = 15.0
_LEAST_S: Final = 0.5
#: One in so many runs is looked at while it waits, after the first tenth, in which processes do all for the first time.
_SAMPLED: Final = 10
_FIRST: Final = 0.1
_LOOK_EVERY_S: Final = 0.001


@dataclass(frozen=True)
class _Command:
    """An entry as bytes, and the runs that end with it."""

    packed: bytes
    ends: Sequence[str]


def _measure(scale: float) -> Rounds:
    while True:
        peak = _peak(max(_LEAST_RUNS, int(_PEAK_RUNS * scale)))
        rate = peak / 2
        waits_ms = _waits_ms(rate, max(_LEAST_S, _PACED_S * scale))
        yield {
            "peak": Pair(peak),
            "sent": Pair(rate),
            "p50": Pair(quantile(waits_ms, 0.5)),
            "p99": Pair(quantile(waits_ms, 0.99)),
        }


def _peak(runs: int) -> float:
    """Messages a second, merged and summarised while they are sent."""
    commands = [command.packed for command in _commands(runs)]
    with fresh_site() as site, Sender(site.url, commands) as sender:
        site.start("worker", "finalizer")
        started_at = time.perf_counter()
        sender.begin()
        sender.wait()
        site.wait_until(lambda: site.summarised() == runs)
        return runs * _MESSAGES / (time.perf_counter() - started_at)


def _waits_ms(rate: float, seconds: float) -> list[float]:
    """How long each sampled run waited, while so many messages a second are sent."""
    commands = _commands(max(_LEAST_RUNS, int(rate * seconds / _MESSAGES)))
    with fresh_site() as site:
        site.start("worker", "finalizer")
        watch = _Watch(site, commands, rate)
        return [wait_s * 1000 for wait_s in watch.waits_s()]


class _Watch:
    """Sends at a pace from a thread, and looks for summaries meanwhile: both by the same clock."""

    def __init__(self, site: Site, commands: Sequence[_Command], rate: float) -> None:
        self._site = site
        self._commands = commands
        self._every_s = _MESSAGES / rate
        #: When the last message of a run was sent that has no summary yet.
        self._ended_at: dict[str, float] = {}
        self._connection = Connection(site.url)
        self._thread = threading.Thread(target=self._send, name="sender")

    def waits_s(self) -> list[float]:
        """Send everything, and wait for all summaries."""
        found: list[float] = []
        self._thread.start()
        self._site.wait_until(lambda: self._look(found), every_s=_LOOK_EVERY_S)
        self._thread.join()
        self._connection.close()
        return found

    def _send(self) -> None:
        due_at = time.perf_counter()
        numbers = count()
        first = len(self._commands) * _FIRST
        for command in self._commands:
            time.sleep(max(0.0, due_at - time.perf_counter()))
            due_at += self._every_s
            sent_at = time.perf_counter()
            self._connection.ask(command.packed, 1)
            for run_id in command.ends:
                number = next(numbers)
                if number >= first and number % _SAMPLED == 0:
                    self._ended_at[run_id] = sent_at

    def _look(self, found: list[float]) -> bool:
        """Note which summaries can be read by now; whether none is to come any more."""
        is_over = not self._thread.is_alive()
        waiting = list(self._ended_at)
        with self._site.client.pipeline(transaction=False) as pipeline:
            for run_id in waiting:
                pipeline.exists(KEYS.summary(run_id))
            replies = pipeline.execute()
        now = time.perf_counter()
        readable = [run_id for run_id, is_there in zip(waiting, replies, strict=True) if is_there]
        found += [now - self._ended_at.pop(run_id) for run_id in readable]
        return is_over and not self._ended_at


def _commands(runs: int) -> list[_Command]:
    sent = staggered(runs, _MESSAGES, _RUNS_AT_ONCE)
    return [_Command(packed(entry), [each[0] for each in entry if _is_end(each)]) for entry in entries(sent, _MESSAGES)]


def _is_end(sent: Sent) -> bool:
    return sent[1].startswith(b'{"type":"run_ended"')


ROWS: Final = (
    Row(
        "latency",
        f"last message sent → summary readable, 1 worker and 1 finalizer at half of their peak; runs of {_MESSAGES} "
        f"messages, {_RUNS_AT_ONCE} at once, one ends with each entry",
        (
            Kind("peak", "messages/s"),
            Kind("sent", "messages/s"),
            Kind("p50", "ms", "", at_most(150)),
            Kind("p99", "ms", "", at_most(500)),
        ),
        _measure,
    ),
)
