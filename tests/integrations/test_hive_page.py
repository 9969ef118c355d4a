"""docs/integrations/hive.md: its two programs do what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

from runweaver.producer.integrations.hive import recorded_run
from runweaver.query import hive
from runweaver.shared import RunStatus
from tests.support.pages import ROOT, blocks
from tests.support.processes import Pipeline

_PAGE = ROOT / "docs" / "integrations" / "hive.md"
_TEXT = _PAGE.read_text()
_AGENT, _BUILDER = blocks(_PAGE)


def _run(program: str, pipeline: Pipeline, directory: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=pipeline.environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.splitlines()


@pytest.fixture
def own(own_pipeline: Pipeline) -> Pipeline:
    """One in which no other runs failed."""
    own_pipeline.start("worker")
    own_pipeline.start("finalizer")
    return own_pipeline


def test_the_agent_reports_and_the_builder_reads(own: Pipeline, tmp_path: Path) -> None:
    """Both as they stand, one after the other."""
    counted, run_id = _run(_AGENT, own, tmp_path)
    summary = own.summary(run_id)
    run = own.runs.get(run_id)

    assert "2 of 3 decisions succeeded" == counted
    assert (RunStatus.FAILED, "Qualified one lead of two.", 120) == (summary.status, summary.narrative, summary.tokens)
    assert run is not None
    assert ["qualifier->writer", "writer->qualifier"] == run.metrics.edges_traversed

    told = _run(_BUILDER, own, tmp_path)

    assert [
        f"Failure of {run_id}",
        "Where: ✗ [qualifier] Does Bob have a budget? → Infer it from the revenue",
        "Why: The revenue is not known",
    ] == told[:3]
    assert "Runs: 1, of which 0.0% succeeded" in told
    assert any(line.startswith("high: Improve the prompt or the tools of 'qualifier'") for line in told)


def test_the_page_names_the_bounds() -> None:
    """As they are in the code."""
    bounds = [
        f"the newest {recorded_run.MOST_KEPT:,} decisions and problems",
        f"{recorded_run.MOST_BYTES // 1024**2} MiB",
        f"the newest {hive.MOST_SUMMARIES:,}",
        f"the newest {hive.MOST_RUNS} runs",
    ]

    assert [] == [bound for bound in bounds if bound not in _TEXT]
