"""A small run a second, and how long each waits for its summary."""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from redis import Redis

from runweaver.producer import Producer
from runweaver.shared import Keys, ProducerSettings, connect

#: The goal of the probe's runs, which tells them from others.
GOAL: Final = "probe"

_EVERY_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.005
_FIRST_PATIENCE_S: Final = 60.0
#: How long runs may still wait when the probe is stopped.
_LAST_PATIENCE_S: Final = 60.0


@dataclass(frozen=True)
class Waits:
    """How long runs waited from their end until their summary could be read, in seconds."""

    runs: int
    p50_s: float
    max_s: float
    #: Runs without a summary a minute after the last.
    lost: int = 0


class Probe:
    """Sends its runs from a thread, until it is stopped."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._client: Redis = connect(url, name="probe")
        self._keys = keys
        self._settings = ProducerSettings(redis_url=url, namespace=keys.namespace)
        #: When a run ended that has no summary yet.
        self._ended_at: dict[str, float] = {}
        self._waited_s: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="probe", daemon=True)
        self._thread.start()

    def wait_for_first(self) -> None:
        """Wait until the pipeline works; the first run does not count.

        Raises:
            RuntimeError: it does not.
        """
        deadline = time.monotonic() + _FIRST_PATIENCE_S
        while not self._waited_s:
            if time.monotonic() > deadline:
                raise RuntimeError("the first run has no summary: do the worker and the finalizer run?")
            time.sleep(_LOOK_EVERY_S)
        self._waited_s.clear()

    def cut(self) -> Waits:
        """What was measured since the last cut."""
        measured, self._waited_s = self._waited_s, []
        return _waits(measured, 0)

    def stop(self) -> Waits:
        """Send no more, wait for what is under way, and tell what was measured since the last cut."""
        self._stopping.set()
        self._thread.join()
        return _waits(self._waited_s, len(self._ended_at))

    def _work(self) -> None:
        next_at = time.monotonic()
        with Producer(name="probe", settings=self._settings) as producer:
            while not self._stopping.is_set():
                if time.monotonic() >= next_at:
                    self._send_run(producer)
                    next_at += _EVERY_S
                self._look()
                time.sleep(_LOOK_EVERY_S)
            deadline = time.monotonic() + _LAST_PATIENCE_S
            while self._ended_at and time.monotonic() < deadline:
                self._look()
                time.sleep(_LOOK_EVERY_S)

    def _send_run(self, producer: Producer) -> None:
        run = producer.start_run(GOAL, "See how long it takes")
        run.record_outcome(run.quick_decision("Look", "wait"), success=True)
        run.end()
        self._ended_at[run.run_id] = time.monotonic()

    def _look(self) -> None:
        if not self._ended_at:
            return
        run_ids = list(self._ended_at)
        found = self._client.mget([self._keys.summary(run_id) for run_id in run_ids])
        now = time.monotonic()
        for run_id, summary in zip(run_ids, found, strict=True):
            if summary is not None:
                self._waited_s.append(now - self._ended_at.pop(run_id))


def _waits(waited_s: Sequence[float], lost: int) -> Waits:
    return Waits(
        runs=len(waited_s),
        p50_s=statistics.median(waited_s) if waited_s else float("nan"),
        max_s=max(waited_s, default=float("nan")),
        lost=lost,
    )
