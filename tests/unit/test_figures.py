"""The figures of a run: small, whatever the run, and true to it."""

import math

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runweaver.shared import CorruptFiguresError, Run, RunSummary
from runweaver.shared.failures import FailureKind
from runweaver.shared.fields import MAX_COUNT
from runweaver.shared.figures import (
    MAX_CHOICES,
    MAX_FAILURES,
    MAX_FIXES,
    MAX_TEXT,
    RunFigures,
    latency_of,
    latency_step,
)
from runweaver.shared.keys import FINDABLE_TAGS
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of


def _figures(run: Run) -> RunFigures:
    return RunFigures.from_run(run, RunSummary.from_run(run))


def test_choices_that_are_alike_are_one() -> None:
    """What is wanted and taken is the same but for its numbers; how it went is added up."""
    script = Script(RUN_ID)
    run = fold_of(
        script.started(tags=["v2"]),
        *(script.decision(f"d{n}", f"Look at page {n}") for n in range(4)),
        *(script.outcome(f"d{n}", success=n > 0, error="No page 7" if n == 0 else None, tokens_used=5, latency_ms=200)
          for n in range(3)),
        script.decision("e", "Look", node_id="other", chosen_option_id="b"),
        script.ended("failed"),
    )  # fmt: skip

    figures = _figures(run)

    assert [
        ("node", "Look at page 0", "a", "The first way", 2, 1, 1, 15, [(latency_step(200), 3)]),
        ("other", "Look", "b", "The second way", 0, 0, 1, 0, []),
    ] == figures.choices
    assert [(0, "No page 7", 1, 1)] == figures.failures
    assert (["v2"], 5, 15) == (figures.tags, figures.decisions, figures.tokens)
    assert (FailureKind.PENDING_DECISION, 1, "") == figures.breakdown


def test_they_come_back_as_they_were_kept() -> None:
    """All of it, through JSON."""
    script = Script(RUN_ID)
    run = fold_of(
        script.started(),
        *script.steps(20),
        script.problem("p", "critical", suggested_fix="Mend"),
        script.ended("failed"),
    )
    figures = _figures(run)

    assert figures == RunFigures.read(RUN_ID, figures.pack())


def test_a_huge_run_has_small_figures() -> None:
    """What is too much is counted or cut."""
    script = Script(RUN_ID)
    letters = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    messages = [script.started(tags=[f"t{letter}" * 500 for letter in letters])]
    for number, letter in enumerate(letters):
        messages.append(script.decision(f"d{number}", f"{letter} " * 1_000, node_id=letter * 300))
        messages.append(script.outcome(f"d{number}", success=False, error=f"{letter} " * 1_000))
        messages.append(script.problem(f"p{number}", suggested_fix=f"{letter} " * 1_000))
    run = fold_of(*messages, script.ended("failed"))

    figures = _figures(run)

    assert (MAX_CHOICES, 400 - MAX_CHOICES) == (len(figures.choices), figures.other_decisions)
    kept = len(figures.failures), len(figures.fixes), len(figures.tags)
    assert (MAX_FAILURES, MAX_FIXES, FINDABLE_TAGS) == kept
    texts = [text for choice in figures.choices for text in choice[:4]] + [f.error for f in figures.failures]
    assert MAX_TEXT == max(map(len, texts))
    assert len(figures.model_dump_json()) < 200_000
    assert figures == RunFigures.read(RUN_ID, figures.pack())


def test_sums_stay_within_what_json_holds() -> None:
    """Each count is within it; together they might not be."""
    script = Script(RUN_ID)
    outcomes = [script.outcome(f"d{n}", tokens_used=MAX_COUNT, latency_ms=MAX_COUNT) for n in range(3)]
    run = fold_of(script.started(), *(script.decision(f"d{n}") for n in range(3)), *outcomes, script.ended())
    figures = _figures(run)

    assert (MAX_COUNT, MAX_COUNT) == (figures.tokens, figures.choices[0].tokens)
    assert figures == RunFigures.read(RUN_ID, figures.pack())


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_any_time_can_be_kept(at: str) -> None:
    """Also the first and the last one."""
    script = Script(RUN_ID)
    figures = _figures(fold_of(script.started(started_at=at), script.ended(ended_at=at)))

    assert figures == RunFigures.read(RUN_ID, figures.pack())


def test_a_summary_alone_gives_what_it_knows() -> None:
    """Those of an earlier release have no figures: counts and status still count."""
    script = Script(RUN_ID)
    run = fold_of(script.started("g", tags=["v1"]), *script.steps(6), script.ended("cancelled"))
    summary = RunSummary.from_run(run)

    figures = RunFigures.from_summary(summary)

    assert ("g", "cancelled", 3, ["v1"]) == (figures.goal_id, figures.status, figures.decisions, figures.tags)
    assert ([], [], None) == (figures.choices, figures.failures, figures.breakdown)


_PACK = zstandard.ZstdCompressor().compress


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"", "error when determining content size"),
        (b"{}", "error when determining content size"),
        (_PACK(b"[]"), "Input should be an object"),
        (_PACK(b'{"run_id":"r"}'), "goal_id"),
        (_PACK(b"\xff"), "Invalid JSON"),
        (_PACK(b"{}")[:-1], "decompression error"),
        (_PACK(bytes(2 * 1024 * 1024)), "it unpacks to more than figures come to"),
    ],
)
def test_what_is_none_is_refused(packed: bytes, reason: str) -> None:
    """With the run's name, and where it goes wrong; nothing that would fill our memory is unpacked."""
    with pytest.raises(CorruptFiguresError, match=f"what is stored as the figures of run-1 is none: .*{reason}"):
        RunFigures.read(RUN_ID, packed)


@given(st.integers(1, 2**53))
def test_latencies_are_kept_to_within_a_step(latency_ms: int) -> None:
    """2.5 %, or half a millisecond where that is more."""
    error = abs(latency_of(latency_step(latency_ms)) - latency_ms)

    assert error <= max(0.5, (math.sqrt(1.05) - 1) * latency_ms + 0.5)
