"""Attention: why to look at a run, with thresholds that say what goes unnoticed."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from runweaver.shared.attention import Attention, AttentionFlag, AttentionThresholds, attention_of
from runweaver.shared.decision import Decision
from runweaver.shared.run import Run, RunStatus
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of
from tests.unit.strategies import runs

#: What nothing is above, so that a test sees the flag that it is about.
MANY = 10**9
UNNOTICED = AttentionThresholds(MANY, MANY, MANY, MANY, MANY, MANY, MANY)


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)


def _run(script: Script, steps: str) -> Run:
    """An ended run of these steps: what was wanted (a letter), what was done (a or b), and how it went (+, - or ?)."""
    raws = []
    for number, step in enumerate(steps.split()):
        intent, chosen, result = tuple(step)
        raws.append(script.decision(f"d{number}", intent, chosen_option_id=chosen))
        if result != "?":
            raws.append(script.outcome(f"d{number}", success=result == "+"))
    return fold_of(*raws, script.ended())


def _found(run: Run, flag: AttentionFlag, **threshold: int) -> Attention | None:
    """The flag, with this threshold."""
    found = attention_of(run, AttentionThresholds(**{**vars(UNNOTICED), **threshold}))
    assert [flag] * len(found) == [each.flag for each in found]
    return found[0] if found else None


def _worth(found: Attention | None) -> tuple[int, Sequence[str]]:
    return (found.value, found.decision_ids) if found is not None else (0, [])


def test_the_thresholds_by_default() -> None:
    """Those that the documentation names."""
    assert (
        AttentionThresholds(retries=3, slow_ms=60_000, tokens=100_000, loop=2, steps=20, missing=0, pending=0)
        == AttentionThresholds()
    )


def test_a_run_like_any_other_needs_none(script: Script) -> None:
    """Some failures, and retries that work, are no reason to look."""
    assert [] == attention_of(_run(script, "Xa- Xb+ Ya- Ya- Yb+"))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("Xa+ Xa+ Xa+", (0, [])),
        ("Xa-", (0, [])),
        ("Xa- Xb-", (1, ["d0", "d1"])),
        ("Xa- Xa- Xb+ Xa+ Xa+", (2, ["d0", "d1", "d2"])),
        ("Xa+ Xa- Ya+ Xb?", (1, ["d1", "d3"])),
        ("Xa- Xa+ Xa- Xa- Xa+", (2, ["d2", "d3", "d4"])),
        ("Xa- Ya- Xb- Ya- Ya-", (2, ["d1", "d3", "d4"])),
    ],
)
def test_retries(script: Script, steps: str, expected: tuple[int, list[str]]) -> None:
    """Attempts at one thing after it failed, up to the one that worked; later ones count from its next failure on."""
    assert expected == _worth(_found(_run(script, steps), AttentionFlag.RETRIED, retries=0))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("Xa- Xa- Xa-", (3, ["d0", "d1", "d2"])),
        ("Xa- Xa+ Xa- Xa-", (2, ["d2", "d3"])),
        ("Xa- Xb- Xa- Xb- Xa-", (3, ["d0", "d2", "d4"])),
        ("Xa- Ya+ Xa- Xb+", (2, ["d0", "d2"])),
        ("Xa- Xa? Xa-", (2, ["d0", "d2"])),
        ("Xc- Xc- Xc-", (0, [])),
        ("Xa+ Xa+ Xa+", (0, [])),
    ],
)
def test_loops(script: Script, steps: str, expected: tuple[int, list[str]]) -> None:
    """The same choice fails, and never works in between, whatever else is tried; what is not known is not the same."""
    assert expected == _worth(_found(_run(script, steps), AttentionFlag.LOOP, loop=0))


def test_other_parameters_are_another_choice(script: Script) -> None:
    """An option that is taken with other parameters each time is no loop."""
    raws = []
    for number in range(5):
        option = {"id": "a", "description": "Call", "action_params": {"seat": number // 2}}
        raws += [script.decision(f"d{number}", options=[option]), script.outcome(f"d{number}", success=False)]

    assert (2, ["d0", "d1"]) == _worth(_found(fold_of(*raws, script.ended()), AttentionFlag.LOOP, loop=0))


def test_slow_outcomes(script: Script) -> None:
    """The slowest is told, and all that are above the threshold are named."""
    raws = []
    for number, latency_ms in enumerate([1_000, 9_000, 1_001, 5]):
        raws += [script.decision(f"d{number}", "Look"), script.outcome(f"d{number}", latency_ms=latency_ms)]
    run = fold_of(*raws, script.ended())

    found = _found(run, AttentionFlag.SLOW, slow_ms=1_000)

    assert found is not None
    assert ("[node] Look took 9.0 s, and 1 more decision took longer than 1.0 s.", 9_000, 1_000, ["d1", "d2"]) == (
        found.reason,
        found.value,
        found.threshold,
        found.decision_ids,
    )
    assert _found(run, AttentionFlag.SLOW, slow_ms=9_000) is None


def test_the_slowest_is_named_however_late_it_was(script: Script) -> None:
    """Of thirty slow ones, twenty are named: the first nineteen, and the one that is told."""
    raws = []
    for number in range(30):
        raws += [script.decision(f"d{number}"), script.outcome(f"d{number}", latency_ms=10 + (number == 28))]

    expected = (11, [*(f"d{number}" for number in range(19)), "d28"])
    assert expected == _worth(_found(fold_of(*raws, script.ended()), AttentionFlag.SLOW, slow_ms=1))


def test_costly_runs(script: Script) -> None:
    """All tokens count, and the decision with the most of them is named."""
    raws = []
    for number, tokens in enumerate([400, 700, 100]):
        raws += [script.decision(f"d{number}", f"Step {number}"), script.outcome(f"d{number}", tokens_used=tokens)]
    run = fold_of(*raws, script.ended())

    found = _found(run, AttentionFlag.COSTLY, tokens=1_199)

    assert found is not None
    assert ("It used 1,200 tokens, most for one decision: 700 for [node] Step 1.", ["d1"]) == (
        found.reason,
        found.decision_ids,
    )
    assert _found(run, AttentionFlag.COSTLY, tokens=1_200) is None


def test_long_runs(script: Script) -> None:
    """Decisions are counted; it is about the whole run."""
    run = _run(script, "Xa+ Ya+ Xa?")

    assert (3, []) == _worth(_found(run, AttentionFlag.LONG, steps=2))
    assert _found(run, AttentionFlag.LONG, steps=3) is None


@pytest.mark.parametrize("status", RunStatus)
def test_what_is_absent_counts_at_the_end(script: Script, status: RunStatus) -> None:
    """Missing messages and open decisions of runs that ended or got stuck. While a run goes on, they may still come."""
    script.heartbeat()  # written, and lost
    run = fold_of(script.decision("d", "Look"), script.decision("e", "Look"), script.left())

    found = attention_of(run.model_copy(update={"status": status}), AttentionThresholds())

    expected = [
        ("missing", "1 message of it did not arrive.", 1, []),
        ("pending", "2 decisions had no outcome at the end: [node] Look was the first.", 2, ["d", "e"]),
    ]
    assert ([] if status is RunStatus.RUNNING else expected) == [
        (each.flag, each.reason, each.value, each.decision_ids) for each in found
    ]


def _naive_retries(run: Run) -> int:
    """From each failure on, the attempts at the same thing until one works."""
    most = 0
    for begin, failure in enumerate(run.decisions):
        later = [each for each in run.decisions[begin + 1 :] if _thing(each) == _thing(failure)]
        worked = [number for number, each in enumerate(later, 1) if each.was_successful]
        most = max(most, min(worked, default=len(later)) if failure.has_failed else 0)
    return most


def _naive_loop(run: Run) -> int:
    """From each failure on, the failures of the same choice until it works."""
    most = 0
    for begin, failure in enumerate(run.decisions):
        choice = (*_thing(failure), _how(failure))
        same = [each for each in run.decisions[begin:] if (*_thing(each), _how(each)) == choice]
        worked = next((number for number, each in enumerate(same) if each.was_successful), len(same))
        most = max(most, sum(each.has_failed for each in same[:worked]) if _how(failure) else 0)
    return most


def _thing(decision: Decision) -> tuple[str, str]:
    return decision.node_id, decision.intent


def _how(decision: Decision) -> str | None:
    # In these runs an option has no parameters.
    return decision.chosen_option.id if decision.chosen_option is not None else None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_the_values_are_those_of_the_run(run: Run) -> None:
    """Counted in another way; with thresholds of nothing, whatever there is is flagged, once and in order."""
    found = attention_of(run, AttentionThresholds(0, 0, 0, 0, 0, 0, 0))

    is_over = run.status is not RunStatus.RUNNING
    expected = {
        "retried": _naive_retries(run),
        "slow": max((each.outcome.latency_ms for each in run.decisions if each.outcome), default=0),
        "costly": sum(each.outcome.tokens_used for each in run.decisions if each.outcome),
        "loop": _naive_loop(run),
        "long": len(run.decisions),
        "missing": run.completeness.missing * is_over,
        "pending": sum(each.outcome is None for each in run.decisions) * is_over,
    }
    assert [pair for pair in expected.items() if pair[1]] == [(str(each.flag), each.value) for each in found]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_what_is_named_is_there(run: Run) -> None:
    """Each decision once, in order of time, twenty at most; and what is told of it is."""
    ids = [decision.id for decision in run.decisions]

    for each in attention_of(run, AttentionThresholds(0, 0, 0, 0, 0, 0, 0)):
        assert each.decision_ids == [one for one in ids if one in set(each.decision_ids)]
        assert len(each.decision_ids) <= 20
        assert bool(each.decision_ids) == (each.flag not in (AttentionFlag.LONG, AttentionFlag.MISSING))
