"""The model of a fleet: what goes in comes out, the same seed gives the same course, and the page says what it says."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from runweaver.producer import outbox
from runweaver.shared import FinalizerSettings, ProducerSettings, WorkerSettings
from runweaver.worker import jobs, sweep
from simulation import figures, report
from simulation.accidents import Accident, Kind, usual
from simulation.effects import effects_of
from simulation.fleet import Fleet, primary_of, provision
from simulation.model import simulate
from simulation.waiting import Parcel, Waiting

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "scaling.md"

each_kind = pytest.mark.parametrize("kind", Kind)
each_rate = pytest.mark.parametrize("rate", [1_000, 100_000, 1_000_000])


def test_the_page_says_what_is_printed() -> None:
    """docs/scaling.md holds each table and each chart of `make simulate`, to the letter."""
    printed = subprocess.run(
        [sys.executable, "-m", "simulation"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    page = PAGE.read_text(encoding="utf-8")

    blocks = [block for block in printed.split("\n\n") if not block.endswith("messages that wait")]
    assert 3 == len(blocks)
    assert [] == [block for block in blocks if block.strip("\n") not in page]


def test_the_page_says_what_the_model_does() -> None:
    """Also in sentences: what a scarce fleet suffers, and where one server, and one key, has enough."""
    page = PAGE.read_text(encoding="utf-8")
    message_us = (figures.TAKE_IN_S + figures.READ_S + figures.MERGE_S) * 1e6
    run_us = (figures.FINALIZE_S + figures.INDEXES * figures.INDEX_S + figures.ANNOUNCE_S) * 1e6
    most = figures.TARGET_LOAD / max(Fleet(1).loads)
    scarce = report.accidents([replace(provision(100_000), finalizers=6)], 1).splitlines()

    assert scarce[-1] in page
    assert f"{message_us:.2f} µs of a processor a message and {run_us:.0f} µs a run" in page
    assert f"{most // 100 * 100:,.0f} messages a second, at 70 %" in page
    assert f"{figures.TARGET_LOAD / figures.INDEX_S // 10_000 * 10_000:,.0f} runs a second at 70 %" in page


def test_the_same_seed_gives_the_same_course() -> None:
    """And another seed another one."""
    fleet = provision(100_000)
    accident = usual(Kind.PRIMARY, fleet, 5)

    first, again, other = (simulate(fleet, accident, seed=seed, seconds=20) for seed in (1, 1, 2))

    assert (first.samples, first.summaries) == (again.samples, again.summaries)
    assert first.samples != other.samples


@each_kind
@each_rate
def test_what_is_recorded_is_summarised_or_waits(kind: Kind, rate: float) -> None:
    """No message is lost in the model, and none counted twice, while something is away and after that."""
    fleet = provision(rate)
    for seconds in (7, 40):
        course = simulate(fleet, usual(kind, fleet, 5), seed=3, seconds=seconds)

        summarised = sum(each.runs for each in course.summaries) * figures.MESSAGES_A_RUN
        assert course.recorded == pytest.approx(summarised + course.samples[-1].backlog)


@each_kind
@each_rate
def test_a_proposed_fleet_gets_over_it(kind: Kind, rate: float) -> None:
    """In the end no more waits than before, and summaries come as they did."""
    fleet = provision(rate)
    effects = effects_of(simulate(fleet, usual(kind, fleet, 10), seed=1, seconds=150))

    assert effects.drained_after_s is not None
    assert effects.after is not None
    assert (effects.before.p50_s, effects.before.p99_s) == pytest.approx((effects.after.p50_s, effects.after.p99_s))


@pytest.mark.parametrize("part", ["workers", "finalizers"])
def test_more_of_them_never_make_it_worse(part: str) -> None:
    """With each one more, less waits and summaries come sooner, or nothing changes."""
    kind = Kind.WORKERS if part == "workers" else Kind.FINALIZERS
    accident = Accident(kind, at_s=5, lasts_s=30)
    # Both are scarce without the one that dies.
    scarce = Fleet(300_000, primaries=6, partitions=64, workers=2, finalizers=13)

    courses = (
        simulate(replace(scarce, **{part: getattr(scarce, part) + more}), accident, seed=1, seconds=60)
        for more in range(4)
    )
    found = [(effects.peak_backlog, effects.during.p99_s) for effects in map(effects_of, courses)]

    assert sorted(found, reverse=True) == found
    assert found[0] > found[-1]


def test_too_few_are_never_done() -> None:
    """Where more comes in than can be worked off, what waits grows, and that is said."""
    fleet = replace(provision(100_000), finalizers=4)
    course = simulate(fleet, usual(Kind.WORKERS, fleet, 5), seed=1, seconds=60)

    assert effects_of(course).drained_after_s is None
    assert course.samples[200].due < course.samples[-1].due


def test_what_a_dead_worker_had_in_hand_waits_until_others_take_it() -> None:
    """It is late by the time after which workers claim, and by no more than a quarter of that in addition."""
    fleet = provision(1_000_000)
    effects = effects_of(simulate(fleet, usual(Kind.WORKERS, fleet, 10), seed=1, seconds=120))

    assert figures.CLAIM_AFTER_S <= effects.during.worst_s <= figures.CLAIM_AFTER_S * 1.25 + 1
    assert effects.during.p99_s < 1


def test_while_a_primary_is_away_nothing_is_merged() -> None:
    """Each batch is of runs on all primaries. Agents keep what they record."""
    fleet = provision(100_000)
    accident = usual(Kind.PRIMARY, fleet, 5)
    course = simulate(fleet, accident, seed=1, seconds=60)

    away = [sample for sample in course.samples if accident.at_s <= sample.at_s < accident.over_at_s]
    assert away[-1].backlog == pytest.approx(fleet.rate * accident.lasts_s, rel=0.02)
    assert away[-1].unsent == away[-1].backlog
    assert not [each for each in course.summaries if accident.at_s < each.born_s + each.waited_s < accident.over_at_s]


@each_rate
def test_a_proposed_fleet_is_as_busy_as_it_may_be(rate: float) -> None:
    """No server is busier than that, no partition is missing, and one primary fewer would not do."""
    fleet = provision(rate)

    assert max(fleet.loads) <= figures.TARGET_LOAD
    assert fleet.partitions == sum(fleet.partitions_on)
    # All that is to be done is done by somebody.
    whole_s = figures.TAKE_IN_S + figures.READ_S + figures.MERGE_S
    whole_s += (figures.FINALIZE_S + figures.INDEXES * figures.INDEX_S + figures.ANNOUNCE_S) / figures.MESSAGES_A_RUN
    assert sum(fleet.loads) == pytest.approx(rate * whole_s)


def test_keys_lie_where_a_cluster_puts_them() -> None:
    """By the slot of what stands in braces: these slots are those that `CLUSTER KEYSLOT` tells."""
    slots = 16_384

    assert [12_739, 12_182] == [primary_of(key, slots) for key in ("123456789", "foo")]
    assert primary_of("rw:run:{foo}", slots) == primary_of("foo", slots)
    assert primary_of("{}foo", slots) == primary_of("{}foo", slots) != primary_of("foo", slots)


def test_a_queue_gives_what_came_first() -> None:
    """Also parts of it, and never more than there is."""
    waiting = Waiting()
    waiting.put([Parcel(1, 10), Parcel(2, 10)])

    assert [Parcel(1, 4)] == waiting.take(4)
    assert [Parcel(1, 6), Parcel(2, 1)] == waiting.take(7)
    assert 9 == waiting.amount
    assert [Parcel(2, 9)] == waiting.take(100)
    assert ([], 0) == (waiting.take(1), waiting.amount)
    waiting.put([Parcel(4, 1)])
    waiting.put_first([Parcel(1, 1), Parcel(3, 1)])
    assert [Parcel(1, 1), Parcel(3, 1), Parcel(4, 1)] == waiting.take(3)


def test_settings_are_those_of_the_code() -> None:
    """A changed default, or a changed constant, is changed in the model, too."""
    producer, worker, finalizer = (
        {name: field.default for name, field in settings.model_fields.items()}
        for settings in (ProducerSettings, WorkerSettings, FinalizerSettings)
    )

    assert producer["max_backlog"] == figures.MAX_BACKLOG
    assert worker["claim_after_s"] == figures.CLAIM_AFTER_S
    assert worker["settle_s"] == figures.SETTLE_S
    assert (finalizer["archive_ttl_s"], finalizer["summary_ttl_s"]) == (figures.ARCHIVE_TTL_S, figures.SUMMARY_TTL_S)
    assert outbox.LINGER_S == figures.LINGER_S
    assert (jobs.RUNS_A_JOB, sweep.SWEEP_EVERY_S) == (figures.RUNS_A_JOB, figures.SWEEP_EVERY_S)


def test_measured_figures_are_those_of_the_page() -> None:
    """What the model takes from docs/performance.md stands there."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    rows = {
        "167,848 messages/s": 1 / figures.WORKER_S,
        "1,238 runs/s": 1 / figures.FINALIZER_S,
        "12,474;": figures.LIVE_BYTES * figures.MESSAGES_A_RUN,
        "JSON 11,321": figures.JSON_BYTES * figures.MESSAGES_A_RUN,
        "| 24 ms": figures.QUIET_P50_S * 1000,
        "| 53 ms": figures.QUIET_P99_S * 1000,
    }

    assert [] == [row for row in rows if row not in page]
    for row, figure in rows.items():
        assert figure == pytest.approx(float("".join(filter(str.isdigit, row))))
    assert f"{figures.ARCHIVE_BYTES:,}; 2,751; 950; {figures.INDEXES * figures.INDEX_BYTES:,.0f} bytes" in page
    assert figures.SUMMARY_BYTES == 2_751 + 950


def test_a_chart_has_its_top_where_the_most_waits() -> None:
    """Its first line says how much that is, and its last how long it took."""
    fleet = provision(10_000)
    course = report.course_of(fleet, Kind.PRIMARY, 1)
    first, *_, last = report.chart(course).splitlines()

    assert f"{max(sample.backlog for sample in course.samples):,.0f}" == first.split()[0]
    assert ["0", "90", "180", "s"] == last.split()
