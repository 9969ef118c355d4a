"""What is shown on a terminal."""

import io

from rich.console import Console

from runweaver.console.render import decision_lines, summary_panel, summary_table
from runweaver.shared.summary import RunSummary
from tests.support.messages import Script
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
    shown = io.StringIO()
    out = Console(file=shown, width=200)

    out.print(summary_panel(summary), summary_table([summary], width=200), *decision_lines(run))

    assert {"\n"} == {character for character in shown.getvalue() if character < " " or "\x7f" <= character <= "\x9f"}
    assert "First␛]0;owned␇␛[2J" in shown.getvalue()
