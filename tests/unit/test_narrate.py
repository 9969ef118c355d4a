"""The narrative: the seed's sentences first, then what is worth telling."""

import pytest

from runweaver.shared.run import Run, RunStatus
from runweaver.worker.narrate import PlainNarrator
from tests.support.messages import Script
from tests.unit.making import RUN_ID, at, fold_of

_SEED_OPENINGS = {
    RunStatus.COMPLETED: "Run completed successfully.",
    RunStatus.FAILED: "Run failed.",
    # The seed would call these two failed, which they are not.
    RunStatus.STUCK: "Run got stuck.",
    RunStatus.CANCELLED: "Run was cancelled.",
}


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)


def _narrate(run: Run) -> str:
    return PlainNarrator().narrate(run).text


def _lines(*raws: str) -> list[str]:
    return _narrate(fold_of(*raws)).split("\n")


def _seed_narrative(run: Run) -> str:
    """The seed's `_generate_narrative`, word for word, with what is corrected here."""
    parts = []
    parts.append(_SEED_OPENINGS[run.status])
    parts.append(
        f"Made {run.metrics.total_decisions} decisions: "
        f"{run.metrics.successful_decisions} succeeded, "
        f"{run.metrics.failed_decisions} failed."
    )
    if run.problems:
        critical = [p for p in run.problems if p.severity == "critical"]
        warnings = [p for p in run.problems if p.severity == "warning"]
        if critical:
            parts.append(f"Critical issues: {', '.join(p.description for p in critical)}")
        if warnings:
            parts.append(f"Warnings: {', '.join(p.description for p in warnings)}")
    # The seed takes pending decisions for failed ones.
    failed_decisions = [d for d in run.decisions if d.outcome is not None and not d.outcome.success]
    if failed_decisions:
        parts.append(f"Failed on: {', '.join(d.intent for d in failed_decisions[:3])}")
    return " ".join(parts)


def _eventful(script: Script, status: str) -> Run:
    raws = [script.started(), script.problem("a", "critical", "No budget"), script.problem("b", "warning", "Slow")]
    raws += [script.problem("c", "minor", "Odd"), script.problem("d", "critical", "No time")]
    for number in range(6):
        raws.append(script.decision(f"d{number}", f"Intent {number}"))
        if number < 5:
            raws.append(script.outcome(f"d{number}", success=number == 0))
    return fold_of(*raws, script.ended(status)) if status != "stuck" else fold_of(*raws).as_stuck()


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "stuck"])
def test_the_first_line_is_the_seed_narrative(script: Script, status: str) -> None:
    """Whatever becomes of a run, the seed's words come first, with their errors corrected."""
    run = _eventful(script, status)

    assert _seed_narrative(run) == _narrate(run).split("\n")[0]


def test_the_first_line_word_for_word(script: Script) -> None:
    """The same as a text to read."""
    expected = (
        "Run failed. Made 6 decisions: 1 succeeded, 4 failed. "
        "Critical issues: No budget, No time Warnings: Slow Failed on: Intent 1, Intent 2, Intent 3"
    )

    assert expected == _narrate(_eventful(script, "failed")).split("\n")[0]


def test_a_run_that_goes_on_says_so(script: Script) -> None:
    """A live view can be narrated too."""
    assert ["Run is still going on. Made 0 decisions: 0 succeeded, 0 failed."] == _lines(script.started())


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_short_successful_run_has_one_line(script: Script, count: int) -> None:
    """Where there is nothing to tell, nothing is told."""
    raws = [script.started()]
    for number in range(count):
        raws += [script.decision(f"d{number}", f"Intent {number}"), script.outcome(f"d{number}", latency_ms=5)]

    assert [f"Run completed successfully. Made {count} decisions: {count} succeeded, 0 failed."] == _lines(
        *raws, script.ended()
    )


def _attempt(script: Script, number: int, chosen: str, *, success: bool | None, intent: str = "Look") -> list[str]:
    raws = [script.decision(f"d{number}", intent, chosen_option_id=chosen)]
    if success is not None:
        raws.append(script.outcome(f"d{number}", success=success, error=None if success else "Not found"))
    return raws


def test_a_failure_that_was_tried_again_and_worked(script: Script) -> None:
    """What failed and why, what was tried instead, and which attempt worked."""
    lines = _lines(
        *_attempt(script, 0, "a", success=False),
        *_attempt(script, 1, "a", success=False),
        *_attempt(script, 2, "b", success=True),
        script.ended(),
    )

    expected = (
        "First failure: [node] Look, with “The first way”: Not found. "
        "Tried again with “The first way”, “The second way”: attempt 3 worked, with “The second way”."
    )
    assert [expected] == lines[1:]


def test_a_failure_that_was_tried_again_and_never_worked(script: Script) -> None:
    """How often it was tried."""
    lines = _lines(
        *_attempt(script, 0, "a", success=False), *_attempt(script, 1, "b", success=False), script.ended("failed")
    )

    expected = (
        "First failure: [node] Look, with “The first way”: Not found. "
        "Tried again with “The second way”: 2 attempts, none worked."
    )
    assert [expected] == lines[1:]


def test_a_failure_whose_next_attempt_is_pending(script: Script) -> None:
    """Nobody knows yet."""
    lines = _lines(*_attempt(script, 0, "a", success=False), *_attempt(script, 1, "b", success=None))

    assert lines[1].endswith("Tried again with “The second way”: the result is not known.")


@pytest.mark.parametrize(
    ("success", "expected"),
    [(True, "which succeeded"), (False, "which failed too"), (None, "which is pending")],
)
def test_a_failure_that_was_not_tried_again(
    script: Script,
    success: bool | None,  # noqa: FBT001
    expected: str,
) -> None:
    """What came next, and how that went."""
    lines = _lines(
        *_attempt(script, 0, "a", success=False),
        *_attempt(script, 1, "a", success=success, intent="Act"),
        script.ended(),
    )

    assert lines[1] == (
        "First failure: [node] Look, with “The first way”: Not found. "
        f"It was not tried again; next was [node] Act, {expected}."
    )


def test_a_failure_at_the_end(script: Script) -> None:
    """Nothing came after it; a choice that was none of the options is an unknown action."""
    lines = _lines(*_attempt(script, 0, "c", success=False), script.ended())

    assert ["First failure: [node] Look, with unknown action: Not found. Nothing was tried after that."] == lines[1:]


def test_a_failure_is_told_by_its_summary_where_it_has_no_error(script: Script) -> None:
    """The reason is what the outcome says of itself; without that, there is none."""
    told = [
        script.decision("d", "Look"),
        script.outcome("d", success=False, summary="Came to nothing"),
        script.decision("e", "Act"),
        script.outcome("e", success=False),
    ]

    lines = _lines(*told, script.ended())

    assert lines[1].startswith("First failure: [node] Look, with “The first way”: Came to nothing. ")
    assert lines[2].startswith("Then: [node] Act, with “The first way”. ")


@pytest.mark.parametrize(("failures", "last"), [(4, "1 more thing failed"), (5, "2 more things failed")])
def test_only_the_first_failures_are_told(script: Script, failures: int, last: str) -> None:
    """Three turning points, and how many more there were."""
    raws = [
        raw
        for number in range(failures)
        for raw in _attempt(script, number, "a", success=False, intent=f"Intent {number}")
    ]

    lines = _lines(*raws, script.ended())

    assert [f"{last} after that."] == lines[4:]
    assert ["First failure", "Then", "Then"] == [line.partition(":")[0] for line in lines[1:4]]


def test_where_time_and_tokens_went(script: Script) -> None:
    """Total, the node with the most of it, and the greatest decision."""
    raws: list[str] = []
    for number, (node, latency_ms, tokens) in enumerate(
        [("a", 500, 100), ("b", 90_000, 1_000), ("a", 9_500, 3_000), ("c", 0, 0)]
    ):
        raws.append(script.decision(f"d{number}", f"Intent {number}", node))
        raws.append(script.outcome(f"d{number}", latency_ms=latency_ms, tokens_used=tokens))

    assert [
        "Time: 1 min 40 s, 90% of it in [b]; most for one decision: 1 min 30 s for [b] Intent 1.",
        "Tokens: 4,100, 76% of it in [a]; most for one decision: 3,000 for [a] Intent 2.",
    ] == _lines(*raws, script.ended())[1:]


def test_one_node_has_no_share(script: Script) -> None:
    """Where all of it went to one node, that is not said; and where no tokens are known, nothing of them."""
    raws = [
        raw
        for number in range(4)
        for raw in (script.decision(f"d{number}", f"Intent {number}"), script.outcome(f"d{number}", latency_ms=200))
    ]

    assert ["Time: 800 ms; most for one decision: 200 ms for [node] Intent 0."] == _lines(*raws, script.ended())[1:]


@pytest.mark.parametrize(
    ("times", "failing", "expected"),
    [
        (2, 0, []),
        (3, 0, ["Repeated: [node] Look with “The first way”, 3 times."]),
        (4, 2, ["Repeated: [node] Look with “The first way”, 4 times, 2 failed."]),
    ],
)
def test_repeats_are_told(script: Script, times: int, failing: int, expected: list[str]) -> None:
    """The same choice three times or more, and how often it failed."""
    raws = [raw for number in range(times) for raw in _attempt(script, number, "a", success=number >= failing)]

    assert expected == [line for line in _lines(*raws, script.ended()) if line.startswith("Repeated")]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "Still pending: [node] Intent 0."),
        (3, "Still pending: [node] Intent 0, [node] Intent 1, [node] Intent 2."),
        (5, "Still pending: [node] Intent 0, [node] Intent 1, [node] Intent 2 and 2 more."),
    ],
)
def test_pending_decisions_are_told_and_are_no_failures(script: Script, count: int, expected: str) -> None:
    """Three by name, the others by number."""
    raws = [script.decision(f"d{number}", f"Intent {number}") for number in range(count)]

    assert [f"Run completed successfully. Made {count} decisions: 0 succeeded, 0 failed.", expected] == _lines(
        *raws, script.ended()
    )


@pytest.mark.parametrize(("lost", "expected"), [(1, "1 message"), (2, "2 messages")])
def test_missing_messages_are_told(script: Script, lost: int, expected: str) -> None:
    """A summary that lacks something says so."""
    for _ in range(lost):
        script.heartbeat()  # written, and lost

    assert [f"This is not all: {expected} of this run did not arrive."] == _lines(script.ended())[1:]


def test_outcomes_without_a_decision_are_told(script: Script) -> None:
    """How many there are."""
    raws = [script.outcome("x"), script.outcome("y"), script.ended()]

    assert ["2 outcomes came for decisions that nobody reported."] == _lines(*raws)[1:]
    assert ["1 outcome came for decisions that nobody reported."] == _lines(raws[0])[1:]


def test_a_stuck_run_says_since_when(script: Script) -> None:
    """The last sign of life."""
    run = fold_of(script.started(started_at=at(0)), script.write("heartbeat", sent_at=at(61))).as_stuck()

    assert ["Nothing was heard of it after 2026-01-01 00:01:01 UTC."] == _narrate(run).split("\n")[1:]


def test_the_same_run_gives_the_same_words(script: Script) -> None:
    """Also when its messages came in another order, and after a trip through JSON."""
    raws = [script.started()]
    for number in range(20):
        raws += _attempt(script, number, "ab"[number % 2], success=number % 3 != 0, intent=f"Intent {number % 4}")
    run = fold_of(*raws)

    assert _narrate(run) == _narrate(fold_of(*reversed(raws)))
    assert _narrate(run) == _narrate(Run.model_validate_json(run.model_dump_json()))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("word " * 200, id="very long"),
        pytest.param("one\n\n  two\tthree\r\nfour " * 20, id="many lines"),
    ],
)
def test_long_texts_are_shortened_to_a_line(script: Script, text: str) -> None:
    """Stack traces and prompts do not fill the story: each quote is at most 120 characters on one line."""
    option = {"id": "a", "description": text}
    raws = [
        script.decision("d", "Look", options=[option]),
        script.outcome("d", success=False, error=text),
        script.decision("e", text, options=[option]),
    ]

    lines = _lines(*raws, script.ended())

    shortened = " ".join(text.split())[:119] + "…"
    assert lines[1] == (
        f"First failure: [node] Look, with “{shortened}”: {shortened}. "
        f"It was not tried again; next was [node] {shortened}, which is pending."
    )
    assert f"Still pending: [node] {shortened}." == lines[2]
    assert 3 == len(lines)


def test_a_text_of_just_the_length_is_not_shortened(script: Script) -> None:
    """120 characters stay what they are."""
    text = "x" * 120

    assert f"Still pending: [node] {text}." == _lines(script.decision("d", text))[-1]
