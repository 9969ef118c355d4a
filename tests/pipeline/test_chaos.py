"""Everything is killed at random under load, and every summary is that of what was sent; and this test can fail."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runweaver.shared import Keys, RunSummary
from runweaver.shared.archive import Archive, StoredRun
from runweaver.shared.figures import RunFigures
from tests.chaos.driver import Plan, run_chaos
from tests.chaos.releases import newest_tag, previous_release
from tests.chaos.schedule import Kind, schedule
from tests.chaos.verdict import Verdict
from tests.support.messages import Script, finished_run, summarised, summary_of

#: Asks again after two seconds for a run whose job was lost.
HURRIED = "tests.chaos.hurried"


@pytest.mark.timeout(180)
def test_chaos_costs_nothing(tmp_path: Path) -> None:
    """Workers, finalizers and the server are killed, stopped and frozen: nothing is lost, doubled or wrong."""
    plan = Plan(seconds=16, seed="short", rate=60, module=HURRIED, drain_within_s=60, directory=tmp_path)

    report = run_chaos(plan)

    assert report.has_passed, report.text()
    verdict, tally = report.verdict, report.tally
    assert (0, 0, 0) == (verdict.lost, verdict.doubled, verdict.wrong)
    # It was not too easy.
    assert verdict.messages > 1_000
    assert all((verdict.resent, verdict.garbage, tally.kills["worker"], tally.kills["finalizer"], tally.crashes))


@pytest.mark.timeout(180)
def test_two_releases_work_side_by_side(tmp_path: Path) -> None:
    """Workers and finalizers of the previous release and of this one replace each other under load."""
    tag = newest_tag()
    if tag is None:
        pytest.skip("no release is tagged here: a shallow clone, or no repository at all")
    with previous_release(tag) as previous:
        plan = Plan(
            seconds=10,
            seed="rolling-0",
            rate=60,
            agents=2,
            senders=2,
            module=HURRIED,
            drain_within_s=60,
            previous=previous,
            directory=tmp_path,
        )

        report = run_chaos(plan)

    assert report.has_passed, report.text()
    assert report.tally.rolled > 0


@pytest.mark.timeout(180)
def test_chaos_notices_a_worker_that_acknowledges_before_it_stores(tmp_path: Path) -> None:
    """The rule that everything rests on, broken on purpose: the driver says how many messages are lost."""
    plan = Plan(
        seconds=5,
        seed="careless",
        rate=60,
        agents=1,
        senders=1,
        workers=2,
        finalizers=1,
        module="tests.chaos.careless",
        drain_within_s=60,
        directory=tmp_path,
    )

    report = run_chaos(plan)

    assert report.verdict.lost > 0, report.text()
    assert not report.has_passed


def test_the_verdict_of_what_is_right_is_clean() -> None:
    """A run of which everything is there, once."""
    verdict, script = Verdict(), _script()
    verdict.judge_run("run", _sent(script), _stored(script), summary_of(script.written))

    assert verdict.is_clean, verdict.differences
    assert (1, len(script.written)) == (verdict.runs, verdict.messages)


def test_the_verdict_notices_a_lost_message() -> None:
    """One that was sent, and is not in the archive, though the summary has it; and the other way round."""
    script, shorter = _script(), _script()
    del shorter.written[3]
    in_archive, in_summary = Verdict(), Verdict()
    in_archive.judge_run("run", _sent(script), _stored(shorter), summary_of(script.written))
    in_summary.judge_run("run", _sent(script), _stored(script), summary_of(shorter.written))

    assert (1, 0) == (in_archive.lost, in_archive.doubled)
    assert (1, 0) == (in_summary.lost, in_summary.doubled)


def test_the_verdict_notices_what_is_counted_twice() -> None:
    """A message under a second identity, a summary that has more messages, and one that has more decisions."""
    script, longer = _script(), _script()
    longer.heartbeat()
    summary = summary_of(script.written)
    archived, received, decided = Verdict(), Verdict(), Verdict()
    archived.judge_run("run", _sent(script), _stored(longer), summary)
    received.judge_run("run", _sent(script), _stored(script), summary_of(longer.written))
    more = summary.model_copy(update={"decision_count": summary.decision_count + 2})
    decided.judge_run("run", _sent(script), _stored(script), more)

    assert [(0, 1), (0, 1), (0, 2)] == [(each.lost, each.doubled) for each in (archived, received, decided)]


@pytest.mark.parametrize("field", sorted(RunSummary.model_fields.keys() - {"revision"}))
def test_the_verdict_notices_a_wrong_field(field: str) -> None:
    """Whichever field of a summary it is, but for how often it was written."""
    script = _script()
    verdict, other = Verdict(), summary_of(Script("other", begin=datetime(2025, 1, 1, tzinfo=UTC)).steps(9))
    summary = summary_of(script.written)
    wrong = summary.model_copy(update={field: _something_else(getattr(summary, field), getattr(other, field))})
    verdict.judge_run("run", _sent(script), _stored(script), wrong)

    assert 1 == verdict.wrong
    assert [f"summary.{field}"] == [each.what for each in verdict.differences]


def test_the_verdict_bears_with_an_earlier_release() -> None:
    """It writes no evidence, attention or narrator. All else has to be right, but for the order of failures."""
    script = _script()
    summary = summary_of(script.written)
    written = summary.model_dump(exclude={"evidence", "attention", "narrator"})
    first_line = summary.narrative.partition("\n")[0]
    right = RunSummary.model_validate({**written, "narrative": f"{first_line}\nSomething else failed first."})
    wrong = RunSummary.model_validate({**written, "narrative": "Run failed."})
    forgetful = summary.model_copy(update={"evidence": []})

    verdicts = [Verdict() for _ in range(3)]
    for verdict, one in zip(verdicts, (right, wrong, forgetful), strict=True):
        verdict.judge_run("run", _sent(script), _stored(script), one)

    assert [[], ["summary.narrative"], ["summary.evidence"]] == [
        [difference.what for difference in verdict.differences] for verdict in verdicts
    ]


def test_the_verdict_notices_a_summary_that_is_not_there() -> None:
    """Its messages are lost to whoever reads summaries."""
    verdict, script = Verdict(), _script()
    verdict.judge_run("run", _sent(script), _stored(script), None)

    assert (len(script.written), 1) == (verdict.lost, verdict.wrong)


def test_the_verdict_notices_wrong_figures() -> None:
    """Those of a shorter run, and those that are not there."""
    script, shorter = _script(), _script()
    del shorter.written[3]

    def told(script_: Script) -> bytes:
        run = finished_run(script_.written)
        return RunFigures.from_run(run, summarised(run)).pack()

    right, wrong, absent = Verdict(), Verdict(), Verdict()
    right.judge_figures("run", _sent(script), told(script))
    wrong.judge_figures("run", _sent(script), told(shorter))
    absent.judge_figures("run", _sent(script), None)

    assert [0, 1, 1] == [each.misfigured for each in (right, wrong, absent)]
    assert [True, False, False] == [each.is_clean for each in (right, wrong, absent)]


def test_the_verdict_notices_wrong_places() -> None:
    """An entry that is missing, one that should not be there, and one with another score."""
    verdict = Verdict()
    verdict.judge_places(Keys("rw").index_all, {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 4.0, "d": 5.0})

    assert 3 == verdict.misplaced
    assert [("b", 2.0, 4.0), ("c", 3.0, "(absent)"), ("d", "(absent)", 5.0)] == [
        (each.what, each.expected, each.actual) for each in verdict.differences
    ]


def test_the_verdict_notices_wrong_dead_letters() -> None:
    """Garbage that was not set aside, and a good message that was. The same letter twice is no mistake."""
    verdict = Verdict()
    verdict.judge_letters([b"bad", b"worse"], [b"bad", b"bad", b"good"])

    assert (2, 2) == (verdict.garbage, verdict.misjudged)


def test_the_seed_alone_decides_what_happens_when() -> None:
    """The same seed gives the same schedule, another one another; a short one has all the worst of it."""
    first, again, other = (
        schedule(seed, 30, workers=4, finalizers=2, is_rolling=True) for seed in ("seed", "seed", "other")
    )

    assert first == again
    assert first != other
    assert {*Kind} == {event.kind for event in first}


def _script() -> Script:
    script = Script("run")
    script.started(trace_id=32 * "a", span_id=16 * "b")
    script.steps(10)
    script.ended()
    return script


def _sent(script: Script) -> dict[str, bytes]:
    return {f"p#{number}": message.encode() for number, message in enumerate(script.written)}


def _stored(script: Script) -> StoredRun:
    return StoredRun("run", Archive(_sent(script), revision=1), {})


def _something_else(value: Any, other: Any) -> Any:
    if value != other:
        return other
    return [*value, "more"] if isinstance(value, list) else value + type(value)(1)
