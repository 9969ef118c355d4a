"""Summaries: what of a run a Builder reads first."""

import json

import pytest

from runweaver.shared.attention import Attention, AttentionFlag
from runweaver.shared.errors import CorruptSummaryError
from runweaver.shared.evidence import Evidence
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary
from tests.support.messages import Script
from tests.unit.making import RUN_ID, at, fold_of, moment


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)


def _key_decisions(*raws: str) -> list[str]:
    return RunSummary.from_run(fold_of(*raws)).key_decisions


def test_a_summary_condenses_the_run(script: Script) -> None:
    """Every field is the run's."""
    run = fold_of(
        script.started("g", goal_description="Do it", tags=["a"], started_at=at(0)),
        script.decision("d", "One", "first"),
        script.outcome("d", tokens_used=5, latency_ms=50, summary="Done"),
        script.decision("e", "Two", "second"),
        script.outcome("e", success=False, tokens_used=7, latency_ms=70),
        script.decision("f", "Three", "first"),
        script.decision("g", "Four", "third"),
        script.problem("x", "critical", "No budget"),
        script.problem("y", "warning", "Slow"),
        script.problem("z", "minor", "Odd"),
        script.ended("failed", ended_at=at(60), narrative="All told"),
    )

    expected = RunSummary(
        run_id=RUN_ID,
        goal_id="g",
        status=RunStatus.FAILED,
        duration_ms=60_000,
        decision_count=4,
        success_rate=0.25,
        problem_count=3,
        narrative="All told",
        key_decisions=["✗ [second] Two → The first way"],
        critical_problems=["No budget"],
        warnings=["Slow"],
        successes=["Done"],
        revision=3,
        goal_description="Do it",
        tags=["a"],
        started_at=moment(0),
        finished_at=moment(60),
        failed_decisions=1,
        pending_decisions=2,
        tokens=12,
        latency_ms=120,
        nodes=["first", "second", "third"],
        completeness=run.completeness,
        evidence=[Evidence.of_run("All told")],
        narrator="agent",
        attention=[
            Attention(
                flag=AttentionFlag.PENDING,
                reason="2 decisions had no outcome at the end: [first] Three was the first.",
                value=2,
                threshold=0,
                decision_ids=["f", "g"],
            )
        ],
    )

    assert expected == RunSummary.from_run(run, revision=3, evidence=[Evidence.of_run("All told")], narrator="agent")


@pytest.mark.parametrize(
    ("outcome", "quality", "is_key"),
    [
        (True, None, False),
        (True, 0.8, False),
        (True, 0.81, True),
        (False, None, True),
        (False, 0.1, True),
        (None, None, False),
        (None, 0.8, False),
        (None, 0.9, True),
    ],
)
def test_key_decisions_failed_or_were_of_high_quality(
    script: Script,
    outcome: bool | None,  # noqa: FBT001
    quality: float | None,
    is_key: bool,  # noqa: FBT001
) -> None:
    """Quality above 0.8; a pending decision has not failed, as it had in the seed."""
    evaluation = None if quality is None else {"outcome_quality": quality}
    raws = [script.decision("d", evaluation=evaluation)]
    if outcome is not None:
        raws.append(script.outcome("d", success=outcome))

    assert is_key == bool(_key_decisions(*raws))


def test_at_most_five_key_decisions_in_order(script: Script) -> None:
    """The first five, failed and good ones as they came."""
    raws = []
    for number in range(8):
        raws.append(script.decision(f"d{number}", str(number), evaluation={"outcome_quality": 0.9}))
        raws.append(script.outcome(f"d{number}", success=number % 2 == 0))

    assert [
        "✓ [node] 0 → The first way [quality: 0.9]",
        "✗ [node] 1 → The first way [quality: 0.9]",
        "✓ [node] 2 → The first way [quality: 0.9]",
        "✗ [node] 3 → The first way [quality: 0.9]",
        "✓ [node] 4 → The first way [quality: 0.9]",
    ] == _key_decisions(*reversed(raws))


def test_at_most_three_successes_in_order(script: Script) -> None:
    """Only those that succeeded, and only what says something of itself."""
    raws = []
    for number in range(7):
        raws.append(script.decision(f"d{number}"))
        raws.append(script.outcome(f"d{number}", success=number != 1, summary="" if number == 2 else f"Did {number}"))

    assert ["Did 0", "Did 3", "Did 4"] == RunSummary.from_run(fold_of(*raws)).successes


def test_problems_are_told_by_severity_in_order(script: Script) -> None:
    """Minor ones are only counted."""
    severities = ["warning", "critical", "minor", "critical", "warning"]
    raws = [script.problem(str(number), severity, f"Odd {number}") for number, severity in enumerate(severities)]

    summary = RunSummary.from_run(fold_of(*reversed(raws)))

    assert (["Odd 1", "Odd 3"], ["Odd 0", "Odd 4"], 5) == (
        summary.critical_problems,
        summary.warnings,
        summary.problem_count,
    )


def test_a_summary_survives_json_exactly(script: Script) -> None:
    """Also with fields that it does not know: a plugged-in narrator may add some."""
    run: Run = fold_of(script.started(), script.decision("d"), script.outcome("d", summary="ü"), script.ended())
    summary = RunSummary.model_validate({**RunSummary.from_run(run).model_dump(), "of_somebody": {"a": [1]}})

    read = RunSummary.model_validate_json(summary.model_dump_json())

    assert summary == read
    assert {"of_somebody": {"a": [1]}} == read.model_extra
    assert summary.model_dump_json() == read.model_dump_json()


def test_condensing_does_not_change_the_run(script: Script) -> None:
    """Twice gives the same."""
    run = fold_of(script.started(tags=["a"]), script.decision("d"), script.ended())
    before = run.model_dump_json()

    first, second = RunSummary.from_run(run), RunSummary.from_run(run)

    assert first == second
    assert before == run.model_dump_json()


def test_a_stuck_run_is_finished_at_its_last_sign_of_life(script: Script) -> None:
    """So it has a duration and a place in the index."""
    run = fold_of(script.started(started_at=at(0)), script.decision("d", timestamp=at(30))).as_stuck()

    summary = RunSummary.from_run(run)

    assert (RunStatus.STUCK, moment(30), 30_000) == (summary.status, summary.finished_at, summary.duration_ms)


@pytest.mark.parametrize("raw", [b"", b"null", b"{secret", b'{"run_id":"secret"}', b"\xff", b"[" * 5_000])
def test_what_is_stored_and_is_no_summary_is_refused(raw: bytes) -> None:
    """The error names the run; what somebody wrote there does not get into logs."""
    with pytest.raises(CorruptSummaryError, match=f"stored as the summary of {RUN_ID} is none") as caught:
        RunSummary.read(RUN_ID, raw)

    assert "secret" not in str(caught.value)


def test_a_stored_summary_is_read(script: Script) -> None:
    """As it was written."""
    summary = RunSummary.from_run(fold_of(script.started(), script.ended()))

    assert summary == RunSummary.read(RUN_ID, summary.model_dump_json().encode())


def test_a_summary_of_an_earlier_release_is_read(script: Script) -> None:
    """It says neither what its narrative rests on nor whether it needs attention, and is otherwise the same."""
    summary = RunSummary.from_run(fold_of(script.started(), script.decision("d"), script.ended()))
    fields = summary.model_dump(mode="json", exclude={"evidence", "attention"})

    read = RunSummary.read(RUN_ID, json.dumps(fields))

    assert summary.model_copy(update={"attention": []}) == read
    assert {"evidence", "attention"}.isdisjoint(read.model_fields_set)
