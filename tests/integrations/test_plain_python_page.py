"""docs/integrations/plain-python.md: its programs are run as they stand, and what it shows is what comes out."""

from typing import Final

import pytest

from tests.support.pages import ROOT, blocks
from tests.support.processes import Pipeline

_PAGE: Final = ROOT / "docs" / "integrations" / "plain-python.md"
_PROGRAMS: Final = blocks(_PAGE)


def _run(pipeline: Pipeline, number: int) -> str:
    done = pipeline.run_program(_PROGRAMS[number])
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


def test_decisions_around_code_are_told(pipeline: Pipeline) -> None:
    """The command shows the lines that the page has."""
    (lines,) = blocks(_PAGE, "text")
    run_id = _run(pipeline, 0)
    assert pipeline.summary(run_id)

    shown = pipeline.run("show", run_id, "--full").stdout

    assert [] == [line for line in lines.splitlines() if line not in shown]


@pytest.mark.parametrize(
    ("number", "intents", "problems"),
    [
        (1, ["Look ada up", "Look grace up"], []),
        (2, ["Help", "Serve"], []),
        (3, [], ["The mail server refused ada@example.org"]),
    ],
    ids=["threads", "processes", "logged errors"],
)
def test_a_program_of_the_page_does_what_it_says(
    pipeline: Pipeline, number: int, intents: list[str], problems: list[str]
) -> None:
    """Work in threads, in processes, and errors that are logged."""
    run_id = _run(pipeline, number)

    assert pipeline.summary(run_id)
    run = pipeline.runs.get(run_id)
    assert run is not None
    assert (intents, problems) == (
        sorted(decision.intent for decision in run.decisions),
        [problem.description for problem in run.problems],
    )


def test_each_program_of_the_page_is_run() -> None:
    """A new one needs a test."""
    assert 4 == len(_PROGRAMS)
