"""docs/integrations/opentelemetry.md: its programs are run as they stand, and what it shows is what comes out."""

import inspect
import re
from typing import Final

from runweaver.producer.integrations.opentelemetry import RunweaverSpanProcessor
from tests.support.pages import ROOT, blocks
from tests.support.processes import Pipeline

_PAGE: Final = ROOT / "docs" / "integrations" / "opentelemetry.md"
_LOOP, _JOINING = blocks(_PAGE)


def _run(pipeline: Pipeline, program: str) -> str:
    done = pipeline.run_program(program)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


def test_the_loop_is_told(pipeline: Pipeline) -> None:
    """The command shows the lines that the page has."""
    (lines,) = blocks(_PAGE, "text")
    run_id = _run(pipeline, _LOOP)
    assert pipeline.summary(run_id)

    shown = pipeline.run("show", run_id, "--full").stdout

    assert [] == [line for line in lines.splitlines() if line not in shown]


def test_an_agent_elsewhere_takes_part(pipeline: Pipeline) -> None:
    """By the baggage that came with the request."""
    summary = pipeline.summary(_run(pipeline, _JOINING))

    assert ("planner", "completed") == (summary.goal_id, summary.status)
    run = pipeline.runs.get(summary.run_id)
    assert run is not None
    assert (2, 0) == (len(run.completeness.producers), run.completeness.missing)


def test_the_settings_are_those_of_the_class() -> None:
    """With their defaults."""
    [signature] = re.findall(r"^`RunweaverSpanProcessor(\(.*\))`$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    parameters = inspect.signature(RunweaverSpanProcessor).parameters.values()

    assert [f"{each.name}={each.default}" for each in parameters] == re.findall(
        r"\w+=\w+", signature.replace("10_000", "10000")
    )
