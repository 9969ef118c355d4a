"""What becomes of bad input: it is set aside with the reason, and its neighbours go on."""

import json
from collections import Counter

import pytest

from runweaver.shared import RunStatus, RunSummary
from runweaver.worker import DeadLetter, DeadLetters
from runweaver.worker.accept import accept
from runweaver.worker.consume import Entry
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


def _dead_letter(pipeline: Pipeline, entry_id: str) -> DeadLetter:
    """Wait for the dead letter of this entry."""
    letters = DeadLetters(pipeline.redis, pipeline.keys)
    found = wait_until(
        lambda: [letter for letter in letters if letter.entry_id == entry_id], what=f"dead letter of {entry_id}"
    )
    assert 1 == len(found)
    return found[0]


def _between_good_ones(pipeline: Pipeline, run_id: str, bad: str | bytes) -> tuple[str, RunSummary]:
    """Send a bad message in the middle of an entry with a whole good run.

    Returns:
        The entry's id, and the good run's summary.
    """
    script = Script(run_id)
    entry_id = pipeline.send(
        script.started(), script.decision("d"), bad, script.outcome("d"), script.ended(), partition=0
    )
    return entry_id, pipeline.summary(run_id)


_LONG_TEXT = "x" * (1024 * 1024)


@pytest.mark.parametrize(
    ("bad", "code", "says"),
    [
        ("{not json", "not-json", "Invalid JSON"),
        ("", "not-json", "Invalid JSON"),
        (b'{"type":"heartbeat","run_id":"\xff\xfe"}', "not-json", "Invalid JSON"),
        ('{"type":"telepathy","run_id":"r"}', "unknown-type", "telepathy"),
        ('{"v":2,"type":"telepathy","run_id":"r"}', "version", "upgrade workers and finalizers, then replay it"),
        ('{"run_id":"r"}', "invalid", "type"),
        ('{"type":"heartbeat"}', "invalid", "heartbeat.run_id: Field required"),
        ('{"type":"heartbeat","run_id":"{r}"}', "invalid", "heartbeat.run_id"),
        ('{"type":"heartbeat","run_id":"a run"}', "invalid", "heartbeat.run_id"),
        ('{"type":"heartbeat","run_id":"r","producer":"p"}', "invalid", "producer and seq go together"),
        ('{"type":"heartbeat","run_id":"r","producer":"p","seq":10000000}', "invalid", "heartbeat.seq"),
        ('{"type":"heartbeat","run_id":"r","producer":"p","seq":-1}', "invalid", "heartbeat.seq"),
        ('{"type":"heartbeat","run_id":"r","sent_at":"2026-01-01T00:00:00"}', "invalid", "timezone"),
        (json.dumps({"type": "heartbeat", "run_id": "r", "padding": _LONG_TEXT}), "too-large", "1,048,576"),
    ],
    ids=[
        "invalid JSON",
        "empty",
        "no UTF-8",
        "unknown type",
        "later version",
        "no type",
        "no run id",
        "run id with braces",
        "run id with blanks",
        "producer without seq",
        "absurd seq",
        "negative seq",
        "time without offset",
        "over the limit",
    ],
)
def test_a_bad_message_is_set_aside_by_itself(
    pipeline: Pipeline, run_id: str, bad: str | bytes, code: str, says: str
) -> None:
    """It ends as a dead letter with its original bytes and the reason; the messages around it are summarised."""
    entry_id, summary = _between_good_ones(pipeline, run_id, bad)

    letter = _dead_letter(pipeline, entry_id)

    assert bad == letter.message if isinstance(bad, bytes) else bad.encode() == letter.message
    assert code == letter.code
    assert says in letter.reason
    assert (RunStatus.COMPLETED, 1, 4) == (summary.status, summary.decision_count, summary.completeness.received)


def test_an_outcome_for_a_decision_that_never_comes_counts_for_nothing_and_is_told(
    pipeline: Pipeline, run_id: str
) -> None:
    """The run's numbers are those of its decisions; the narrative says that an outcome found none."""
    script = Script(run_id)
    pipeline.send(script.started(), script.decision("d"), script.outcome("elsewhere", success=False), script.ended())

    summary = pipeline.summary(run_id)

    assert (1, 0, 1) == (summary.decision_count, summary.failed_decisions, summary.pending_decisions)
    assert "1 outcome came for decisions that nobody reported." in summary.narrative


def test_a_decision_sent_twice_counts_once(pipeline: Pipeline, run_id: str) -> None:
    """Of two decisions with one id, the later one counts."""
    script = Script(run_id)
    early, late = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"
    pipeline.send(
        script.started(),
        script.decision("d", "Second thought", timestamp=late),
        script.decision("d", "First thought", timestamp=early),
        script.outcome("d", success=False),
        script.ended(),
    )

    summary = pipeline.summary(run_id)

    assert ["✗ [node] Second thought → The first way"] == summary.key_decisions
    assert 1 == summary.decision_count


def test_of_two_ends_the_later_one_counts(pipeline: Pipeline, run_id: str) -> None:
    """Whichever comes first."""
    script = Script(run_id)
    pipeline.send(
        script.started(),
        script.ended("failed", ended_at="2026-01-01T00:00:02Z"),
        script.ended("completed", ended_at="2026-01-01T00:00:01Z"),
    )

    assert RunStatus.FAILED == pipeline.summary(run_id).status


def test_an_end_before_the_start_gives_no_negative_duration(pipeline: Pipeline, run_id: str) -> None:
    """Clocks of two machines differ; the run took no time then."""
    script = Script(run_id)
    pipeline.send(script.started(started_at="2026-01-01T00:00:02Z"), script.ended(ended_at="2026-01-01T00:00:01Z"))

    assert 0 == pipeline.summary(run_id).duration_ms


def test_messages_after_the_end_give_the_next_revision(pipeline: Pipeline, run_id: str) -> None:
    """What comes after the summary is added to it, and counted as late."""
    script = Script(run_id)
    pipeline.send(script.started(), script.decision("d"), script.ended())
    assert 1 == pipeline.summary(run_id).pending_decisions

    pipeline.send(script.outcome("d", success=False, error="too late"))
    summary = pipeline.summary(run_id, revision=2)

    assert (2, 1, 0) == (summary.revision, summary.failed_decisions, summary.pending_decisions)
    assert (4, 3, 0, 1) == (
        summary.completeness.received,
        summary.completeness.declared,
        summary.completeness.missing,
        summary.completeness.late,
    )


def test_a_run_without_a_start_is_summarised_all_the_same(pipeline: Pipeline, run_id: str) -> None:
    """Its goal is `unknown`, and it began with its first message."""
    script = Script(run_id)
    pipeline.send(script.decision("d", timestamp="2026-01-01T00:00:01Z"), script.ended(ended_at="2026-01-01T00:00:03Z"))

    summary = pipeline.summary(run_id)

    assert ("unknown", 2000) == (summary.goal_id, summary.duration_ms)


def test_missing_messages_are_declared_missing(pipeline: Pipeline, run_id: str) -> None:
    """After the settle time the run is summarised with what is there, and says what is not."""
    script = Script(run_id)
    started, _lost, ended = script.started(), script.decision("lost"), script.ended()
    pipeline.send(started, ended)

    summary = pipeline.summary(run_id)

    assert (2, 3, 1) == (
        summary.completeness.received,
        summary.completeness.declared,
        summary.completeness.missing,
    )
    assert "This is not all: 1 message of this run did not arrive." in summary.narrative


def test_a_key_that_holds_something_else_costs_only_its_own_run(pipeline: Pipeline, run_id: str) -> None:
    """Messages for it are set aside; other runs of the same entry are summarised."""
    strange = f"{run_id}-strange"
    pipeline.redis.set(pipeline.keys.run(strange), "not a run", ex=60)
    good, bad = Script(run_id), Script(strange)

    entry_id = pipeline.send(good.started(), bad.started(), good.ended())

    assert "refused" == _dead_letter(pipeline, entry_id).code
    assert RunStatus.COMPLETED == pipeline.summary(run_id).status


def test_a_replayed_dead_letter_completes_its_run(pipeline: Pipeline, run_id: str) -> None:
    """After what was wrong is mended, the message is merged as if it had come in time, under its own identity."""
    script = Script(run_id)
    pipeline.redis.set(pipeline.keys.run(run_id), "in the way", ex=60)
    entry_id = pipeline.send(script.started("the-goal"))
    letter = _dead_letter(pipeline, entry_id)
    pipeline.redis.delete(pipeline.keys.run(run_id))

    assert 0 == pipeline.run("dead-letters", "replay", letter.id).returncode
    pipeline.send(script.ended())

    summary = pipeline.summary(run_id)
    assert ("the-goal", 0) == (summary.goal_id, summary.completeness.missing)
    assert letter.id not in [each.id for each in DeadLetters(pipeline.redis, pipeline.keys)]


def test_a_replayed_message_is_the_one_that_it_would_have_been(own_pipeline: Pipeline) -> None:
    """Also without a producer, a number and a time: the run is exactly what it would be without the accident."""
    told = ['{"type":"run_started","run_id":"run","goal_id":"goal"}'] + [
        json.dumps(
            {
                "type": "problem",
                "run_id": "run",
                "problem": {"id": f"p{n}", "severity": "minor", "description": "x" * n},
            }
        )
        for n in range(0, 2_000, 400)
    ]
    # Longer messages than this are refused, until somebody raises the limit.
    worker = own_pipeline.start("worker", RUNWEAVER_MAX_MESSAGE_BYTES="1024")
    entry_id = own_pipeline.send(*told)
    wait_until(lambda: own_pipeline.redis.xlen(own_pipeline.keys.dead_letters(0)) == 2, what="two dead letters")
    own_pipeline.stop(worker)

    replayed = own_pipeline.run("dead-letters", "replay", "--all", "--json")

    assert 2 == len(json.loads(replayed.stdout)["replayed"])
    expected = accept([Entry(0, entry_id, tuple(map(str.encode, told)))], max_message_bytes=10_000).runs["run"].fields
    stored = own_pipeline.redis.hgetall(own_pipeline.keys.run("run"))
    assert {str(name).encode(): raw for name, raw in zip(expected[::2], expected[1::2], strict=True)} == stored
    assert 0 == own_pipeline.redis.xlen(own_pipeline.keys.dead_letters(0))


def test_a_run_takes_only_so_many_messages(own_pipeline: Pipeline) -> None:
    """What is more is set aside, now and after its summary; it can still end, and its summary says what it lacks."""
    limit = {"RUNWEAVER_MAX_RUN_MESSAGES": "1000"}
    own_pipeline.start("worker", **limit)
    own_pipeline.start("finalizer", **limit)
    flood, other = Script("flood"), Script("other")
    own_pipeline.send(flood.started())
    for _ in range(30):
        own_pipeline.send(*flood.steps(100))
        own_pipeline.wait_until_merged()
    own_pipeline.send(flood.ended(), *other.written, other.started(), other.ended())

    assert 0 == own_pipeline.summary("other").completeness.missing
    first = own_pipeline.summary("flood").completeness
    # The limit is noticed with the first batch that passes it.
    assert 1_000 <= first.received < 1_200
    assert (3_002, 3_002 - first.received) == (first.declared, first.missing)
    assert {"run-full": 3_002 - first.received} == Counter(
        letter.code for letter in DeadLetters(own_pipeline.redis, own_pipeline.keys)
    )

    own_pipeline.send(*flood.steps(100), flood.left())

    second = own_pipeline.summary("flood", revision=2).completeness
    assert (first.received + 1, 3_103) == (second.received, second.declared)
    own_pipeline.wait_until_idle()
    assert 0 == own_pipeline.redis.hlen(own_pipeline.keys.run("flood"))


def test_a_run_takes_only_so_many_bytes(own_pipeline: Pipeline) -> None:
    """Few messages can be too many, where they are large."""
    limit = {"RUNWEAVER_MAX_RUN_BYTES": "5000000"}
    own_pipeline.start("worker", **limit)
    own_pipeline.start("finalizer", **limit)
    script = Script("large")
    own_pipeline.send(script.started())
    for number in range(20):
        own_pipeline.send(script.decision(f"d{number}", reasoning="x" * 900_000))
        own_pipeline.wait_until_merged()
    own_pipeline.send(script.ended())

    counts = own_pipeline.summary("large").completeness

    assert 5 <= counts.received <= 12
    assert (22, 22 - counts.received) == (counts.declared, counts.missing)
    assert {"run-full": counts.missing} == Counter(
        letter.code for letter in DeadLetters(own_pipeline.redis, own_pipeline.keys)
    )
