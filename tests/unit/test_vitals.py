"""A thread that is stuck is told from one that has nothing to do, or waits for a server that is away."""

from dataclasses import dataclass

import pytest

from runweaver.console.monitoring.health import ExporterHealth, ProcessHealth
from runweaver.worker.vitals import BACK_WITHIN_S, Vitals


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _states(health: ProcessHealth) -> tuple[bool, bool]:
    """Live, ready."""
    return health.live()[0], health.ready()[0]


def test_it_is_ready_when_its_threads_have_begun(clock: Clock) -> None:
    """Before that it is live."""
    vitals = Vitals(clock)
    health = ProcessHealth(vitals)
    assert (True, False) == _states(health)

    vitals.beat("reader")

    assert (True, True) == _states(health)


def test_a_thread_that_does_not_come_round_is_stuck(clock: Clock) -> None:
    """Also if the others do."""
    vitals = Vitals(clock)
    vitals.beat("reader")
    vitals.beat("sweeper")
    clock.now += BACK_WITHIN_S + 1
    vitals.beat("sweeper")

    assert (False, False) == _states(ProcessHealth(vitals))
    assert {"reader": True, "sweeper": False} == {thread.name: thread.is_stuck for thread in vitals.threads()}


def test_a_thread_says_itself_how_long_it_will_be_away(clock: Clock) -> None:
    """As long as that it is not stuck; a moment later it is."""
    vitals = Vitals(clock)
    vitals.beat("jobs", back_within_s=600)
    clock.now += 600

    assert (True, True) == _states(ProcessHealth(vitals))
    clock.now += 1
    assert (False, False) == _states(ProcessHealth(vitals))


def test_a_server_that_is_away_makes_nobody_stuck(clock: Clock) -> None:
    """Whoever tries again and again is live and not ready, and ready as soon as something works."""
    vitals = Vitals(clock)
    health = ProcessHealth(vitals)
    for _ in range(100):
        vitals.beat("reader")
        vitals.fails("reader", "away")
        clock.now += 5

    assert (True, False) == _states(health)
    assert {
        "ok": False,
        "threads": {"reader": {"silent_s": 5.0, "is_stuck": False, "trouble": "away"}},
    } == health.ready()[1]
    vitals.does_well("reader")
    assert (True, True) == _states(health)
    assert [100] == [thread.failures for thread in vitals.threads()]


def test_an_exporter_is_ready_when_it_can_look() -> None:
    """It is live whenever it answers."""
    can_look, cannot = ExporterHealth(lambda: None), ExporterHealth(lambda: "away")

    assert [(True, True), (True, False)] == [(each.live()[0], each.ready()[0]) for each in (can_look, cannot)]
    assert {"ok": False, "trouble": "away"} == cannot.ready()[1]
