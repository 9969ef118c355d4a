"""docs/integrations/pydantic-ai.md: its program is run as it stands, and what it shows is what comes out."""

from typing import Final

from tests.support.pages import ROOT, blocks
from tests.support.processes import Pipeline

_PAGE: Final = ROOT / "docs" / "integrations" / "pydantic-ai.md"


def test_the_agent_is_told(own_pipeline: Pipeline) -> None:
    """The command shows the lines that the page has."""
    for role in ("worker", "finalizer"):
        own_pipeline.start(role)
    (program,), (lines,) = blocks(_PAGE), blocks(_PAGE, "text")

    done = own_pipeline.run_program(program)

    assert (0, "", "You fly on Monday\n") == (done.returncode, done.stderr, done.stdout)
    own_pipeline.wait_until_summarised()
    [summary] = own_pipeline.summaries.list(goal="planner").items
    shown = own_pipeline.run("show", summary.run_id, "--full").stdout
    assert [] == [line for line in lines.splitlines() if line not in shown]
