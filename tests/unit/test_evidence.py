"""Every sentence of a narrative carries what it rests on, and none says what that contradicts."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runweaver.shared.evidence import name
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary
from runweaver.worker.narrate import PlainNarrator, story_of
from runweaver.worker.story import Story
from tests.support.messages import Script
from tests.unit.claims import KINDS, Claim
from tests.unit.making import RUN_ID, accepted, fold_of, fold_stored
from tests.unit.strategies import entries, runs

# Time limits a single example would make slow machines fail; the whole file has its own.
carefully = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: Long ones, and any that messages can tell of.
any_run = runs() | entries().map(lambda sent: fold_stored(accepted(*sent)))


@carefully
@given(any_run)
def test_the_narrative_is_its_sentences(run: Run) -> None:
    """Joined by blanks and line breaks, and nothing else in between."""
    story = PlainNarrator().narrate(run)

    rest = story.text
    for each in story.evidence:
        assert each.sentence == rest[: len(each.sentence)]
        rest = rest[len(each.sentence) :]
        assert rest == "" or rest[0] in " \n"
        rest = rest[1:]
    assert "" == rest


@carefully
@given(any_run)
def test_every_sentence_rests_on_something_that_is_there(run: Run) -> None:
    """On decisions and problems of the run, each once, in order of time, twenty at most; or on the run as a whole."""
    decisions = [decision.id for decision in run.decisions]
    problems = [problem.id for problem in run.problems]

    for each in PlainNarrator().narrate(run).evidence:
        assert each.decision_ids or each.problem_ids or each.whole_run, each.sentence
        for named, there in ((each.decision_ids, decisions), (each.problem_ids, problems)):
            assert named == [one for one in there if one in set(named)]
            assert len(named) <= 20


@carefully
@given(any_run)
def test_the_node_is_that_of_the_decisions_named(run: Run) -> None:
    """Where they are of one node, and the sentence speaks of no other."""
    for each in PlainNarrator().narrate(run).evidence:
        nodes = {decision.node_id for decision in run.decisions if decision.id in each.decision_ids}
        spoken_of = nodes | set(re.findall(r"of it in \[(.*?)\];", each.sentence))

        assert (spoken_of.pop() if len(spoken_of) == 1 else None) == each.node


@carefully
@given(any_run)
def test_no_sentence_is_contradicted(run: Run) -> None:
    """What it says of failures, attempts, results, counts and amounts holds for what it names; each kind is known."""
    for each in PlainNarrator().narrate(run).evidence:
        Claim.of(each, run).check()


def test_every_kind_of_sentence_is_checked() -> None:
    """Two runs in which everything happens that is told of one: what holds them to the truth is in use."""
    script = Script(RUN_ID)
    raws = [script.started(), script.problem("p", "critical"), script.write("heartbeat", shed_bytes=1)]
    script.heartbeat()
    for number, (intent, success) in enumerate(
        [("Look", False), ("Look", False), ("Look", False), ("Act", False), ("Ask", False), ("Go", False), ("Go", None)]
    ):
        raws.append(script.decision(f"d{number}", intent))
        if success is not None:
            raws.append(script.outcome(f"d{number}", success=success, latency_ms=5, tokens_used=5))
    stuck = fold_of(*raws, script.outcome("unheard-of"), script.left()).as_stuck()
    last = fold_of(*raws[:1], script.decision("d", "Look"), script.outcome("d", success=False), script.ended())

    told = [(each, run) for run in (stuck, last) for each in PlainNarrator().narrate(run).evidence]

    assert KINDS == {Claim.of(each, run).check() for each, run in told}


def test_first_is_what_failed_first(script: Script) -> None:
    """Not what was first tried: what worked at first and failed later comes later."""
    run = fold_of(
        *(script.decision("a", "Look"), script.outcome("a")),
        *(script.decision("b", "Act"), script.outcome("b", success=False)),
        *(script.decision("c", "Look"), script.outcome("c", success=False)),
        script.ended(),
    )

    leads = [each for each in PlainNarrator().narrate(run).evidence if re.match("First|Then", each.sentence)]

    assert [("First failure: [node] Act", ["b"]), ("Then: [node] Look", ["c"])] == [
        (each.sentence.partition(",")[0], each.decision_ids) for each in leads
    ]


@pytest.mark.parametrize(("success", "chosen"), [(True, "a"), (None, "a"), (False, "b")])
def test_the_attempt_that_matters_is_named_however_late_it_was(
    script: Script,
    success: bool | None,  # noqa: FBT001
    chosen: str,
) -> None:
    """Of thirty attempts, twenty are named: the first nineteen, and the one that worked, is open or differs."""
    raws = []
    for number in range(30):
        is_it = number == 28
        raws.append(script.decision(f"d{number}", "Look", chosen_option_id=chosen if is_it else "a"))
        if not is_it or success is not None:
            raws.append(script.outcome(f"d{number}", success=is_it and success is True))
    run = fold_of(*raws, script.ended())

    (retried,) = [each for each in PlainNarrator().narrate(run).evidence if each.sentence.startswith("Tried again")]

    assert [*(f"d{number}" for number in range(19)), "d28"] == retried.decision_ids
    assert "Tried again with " == Claim.of(retried, run).check()


@given(st.integers(0, 60), st.sets(st.integers(0, 59), max_size=20))
def test_at_most_twenty_are_named(count: int, numbers: set[int]) -> None:
    """Those on which it depends are among them, the others are the first; in order of time."""
    script = Script(RUN_ID)
    decisions = fold_of(*(script.decision(f"d{number:02}") for number in range(count)), script.ended()).decisions
    deciding = [decisions[number] for number in sorted(numbers) if number < count]

    named = name(decisions, deciding)

    others = [decision for decision in decisions if decision not in deciding]
    assert sorted(others[: 20 - len(deciding)] + deciding, key=lambda each: each.id)[: max(20, count)] == named


class _Short:
    def narrate(self, run: Run) -> str:
        return f"{run.goal_id}, in short"


class _Careful:
    def narrate(self, run: Run) -> Story:
        evidence = PlainNarrator().narrate(run).evidence[:1]
        return Story("Carefully.", evidence)


class _Silent:
    def narrate(self, _run: Run) -> None:
        return None


def test_another_narrator_may_say_what_its_text_rests_on(script: Script) -> None:
    """A text alone has no evidence; a story brings its own. Who told it is said."""
    run = fold_of(script.started("g"), script.ended())

    assert Story("g, in short", narrator=f"{__name__}:_Short") == story_of(run, _Short())
    assert Story("g, in short", narrator="mine:short") == story_of(run, _Short(), name="mine:short")
    assert ("Carefully.", ["Run completed successfully."]) == (
        story_of(run, _Careful()).text,
        [each.sentence for each in story_of(run, _Careful()).evidence],
    )


def test_a_narrator_that_tells_nothing_is_an_error(script: Script) -> None:
    """It says what was expected, and what came."""
    with pytest.raises(TypeError, match="a str or a Story, and this one told a NoneType"):
        story_of(fold_of(script.started()), _Silent())  # type: ignore[arg-type]


def test_what_the_agent_told_has_no_evidence(script: Script) -> None:
    """Nobody knows what it rests on; the narrator is not asked."""
    run = fold_of(script.started(), script.ended(narrative="It went well."))

    assert Story("It went well.", narrator="agent") == story_of(run) == story_of(run, _Short())


@carefully
@given(any_run)
def test_evidence_survives_json(run: Run) -> None:
    """A summary is read as it was written, with all that its narrative rests on."""
    story = story_of(run)
    run.narrative = story.text
    summary = RunSummary.from_run(run, evidence=story.evidence)

    read = RunSummary.read(run.id, summary.model_dump_json())

    assert (summary, story.evidence) == (read, read.evidence)


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)
