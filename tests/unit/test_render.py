"""What is shown on a terminal."""

import io

from rich.console import Console, RenderableType

from runweaver.console.render import decision_lines, evidence_lines, summary_panel, summary_table
from runweaver.console.watch_tables import telling_sentence
from runweaver.shared.attention import AttentionThresholds, attention_of
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary
from runweaver.worker.narrate import story_of
from tests.support.messages import Script, summary_of
from tests.unit.making import RUN_ID, fold_of

_ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x7f"


def test_nothing_that_an_agent_reports_is_obeyed_by_a_terminal() -> None:
    """Escape sequences in its texts are shown as signs; line breaks stay."""
    script = Script(RUN_ID)
    run = fold_of(
        script.started("g", goal_description=f"Goal{_ESCAPE}", tags=[f"tag{_ESCAPE}"]),
        script.decision("d", f"Look{_ESCAPE}", f"node{_ESCAPE}", reasoning=f"So{_ESCAPE}"),
        script.outcome("d", success=False, error=f"No{_ESCAPE}"),
        script.problem("x", "critical", f"Odd{_ESCAPE}"),
        script.ended("failed", narrative=f"First{_ESCAPE}\nsecond"),
    )
    summary = RunSummary.from_run(run)
    evident = RunSummary.from_run(run, evidence=story_of(run.model_copy(update={"narrative": ""})).evidence)
    evident.attention = attention_of(run, AttentionThresholds(loop=0))

    shown = _shown(summary_panel(summary), summary_table([summary], width=200), *decision_lines(run))
    told = _shown(summary_panel(evident), *evidence_lines(evident))

    for text in (shown, told):
        assert {"\n"} == {character for character in text if character < " " or "\x7f" <= character <= "\x9f"}
    assert "First␛]0;owned␇␛[2J" in shown
    assert "loop: [node␛]0;owned␇␛[2J" in told


def _shown(*parts: RenderableType) -> str:
    shown = io.StringIO()
    out = Console(file=shown, width=200)
    for part in parts:
        out.print(part)
    return shown.getvalue()


def _eventful() -> Run:
    script = Script(RUN_ID)
    return fold_of(
        script.started(),
        script.decision("d-1", "Look", "first"),
        script.outcome("d-1", success=False),
        script.problem("p-1", "critical", "No way"),
        script.decision("d-2", "Act", "second"),
        script.ended("failed"),
    )


def _summary() -> RunSummary:
    run = _eventful()
    return RunSummary.from_run(run, evidence=story_of(run).evidence)


def test_each_sentence_is_shown_with_what_it_rests_on() -> None:
    """Decisions, problems and the node, or the whole run; and each flag with its threshold."""
    lines = _shown(*evidence_lines(_summary())).splitlines()

    assert [
        *("Run failed.", "    the whole run"),
        *("Made 2 decisions: 0 succeeded, 1 failed.", "    the whole run"),
        *("Critical issues: No way", "    problems p-1"),
        *("Failed on: Look", "    decisions d-1; node first"),
        *("First failure: [first] Look, with “The first way”.", "    decisions d-1; node first"),
        *("It was not tried again; next was [second] Act, which is pending.", "    decisions d-1, d-2"),
        *("Still pending: [second] Act.", "    decisions d-2; node second"),
        "pending: 1 decision had no outcome at the end: [second] Act.",
        "    1, where 0 would go unnoticed; decisions d-2",
    ] == [line.rstrip() for line in lines]


def test_a_narrative_of_unknown_grounds_says_so() -> None:
    """Instead of nothing."""
    assert "not known" in _shown(*evidence_lines(RunSummary.from_run(_eventful())))


def test_a_run_that_needs_attention_is_marked() -> None:
    """In a table of any width, and with its reasons where it is shown by itself; others are not."""
    marked, calm = _summary(), _summary().model_copy(update={"attention": []})

    for width in (60, 200):
        assert "failed !" in _shown(summary_table([marked], width=width))
        assert "failed !" not in _shown(summary_table([calm], width=width))
    assert "attention  pending: 1 decision had no outcome at the end" in _shown(summary_panel(marked))
    assert "attention" not in _shown(summary_panel(calm))


def test_a_finished_run_is_told_by_what_is_particular_about_it() -> None:
    """Its status stands beside it already; where nothing else is told, the narrative begins with it."""
    script = Script("run")
    failing = [
        script.started(),
        script.decision("d", "Look"),
        script.outcome("d", success=False),
        script.ended("failed"),
    ]
    fine = Script("run")

    assert "Failed on: Look" == telling_sentence(summary_of(failing))
    assert "Run completed successfully." == telling_sentence(summary_of([fine.started(), fine.ended()]))
    assert (
        "Told by the agent"
        == telling_sentence(summary_of([fine.started(), fine.ended(narrative="Told by the agent\nin two lines")]))[:17]
    )
