"""A language model that tells the runs of a pipeline."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from runweaver.console.doctor.settings import check_settings
from runweaver.shared import RunStatus
from tests.support import model_server
from tests.support.messages import Script
from tests.support.model_server import Exchange, ModelServer, says
from tests.support.ports import free_port
from tests.support.processes import Pipeline
from tests.support.telling import GOOD, KEY
from tests.support.waiting import wait_until


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model that tells something sensible."""
    with ModelServer(GOOD) as running:
        yield running


@pytest.fixture
def asking(own_pipeline: Pipeline, model: ModelServer, tmp_path: Path) -> Pipeline:
    """A pipeline whose finalizers ask the model, with a log of all they say."""
    own_pipeline.environment |= {
        "RUNWEAVER_NARRATOR": "llm",
        "RUNWEAVER_LLM_URL": model.url,
        "RUNWEAVER_LLM_MODEL": "small",
        "RUNWEAVER_LLM_KEY": KEY,
        "RUNWEAVER_LOG_LEVEL": "debug",
        "RUNWEAVER_LOG_FORMAT": "json",
    }
    own_pipeline.log = tmp_path / "log"
    own_pipeline.start("worker")
    return own_pipeline


def _send_failed(pipeline: Pipeline, run_id: str) -> None:
    script = Script(run_id)
    pipeline.send(
        script.started(),
        script.decision("a", "Take the seat of honour"),
        script.outcome("a", success=False, error="taken"),
        script.problem("x", "critical", "No seats"),
        script.decision("b", "Take another"),
        script.outcome("b", success=False),
        script.ended("failed"),
    )


def test_from_the_agent_to_the_reader(asking: Pipeline, model: ModelServer) -> None:
    """The summary says who told it, also where it was not the model; no log has the key, or what an agent wrote."""
    port = free_port()
    asking.start("finalizer", RUNWEAVER_METRICS_PORT=str(port))
    _send_failed(asking, "told")
    told = asking.summary("told")
    model.behaviour = model_server.fails(401)
    _send_failed(asking, "fallen-back")
    fallen_back = asking.summary("fallen-back")
    script = Script("own")
    asking.send(script.started(), script.ended("failed", narrative="I failed."))

    assert ("llm:small", RunStatus.FAILED) == (told.narrator, told.status)
    assert told.narrative.startswith("Run failed. Made 2 decisions")
    assert told.narrative.endswith("\nNo seat was left on that flight.\nIt was tried again in vain.")
    assert told.narrative == "\n".join(
        [" ".join(each.sentence for each in told.evidence[:-2]), *(each.sentence for each in told.evidence[-2:])]
    )
    assert "runweaver" == fallen_back.narrator
    assert ("agent", "I failed.") == ((own := asking.summary("own")).narrator, own.narrative)
    assert "told by    llm:small" in asking.run("show", "told").stdout
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    for result in ("written", "unauthorized"):
        assert f'runweaver_finalizer_narrations_total{{result="{result}"}} 1.0' in metrics
    assert 'runweaver_finalizer_narration_tokens_total{kind="input"}' in metrics
    assert asking.log is not None
    log = asking.log.read_text()
    assert "the model told nothing of use, telling the run plainly" in log
    for secret in (KEY, "seat of honour", "No seat was left"):
        assert secret not in log + metrics


def test_a_finalizer_ends_in_time_in_the_midst_of_a_request(asking: Pipeline, model: ModelServer) -> None:
    """And leaves the run to the next one."""
    model.behaviour = model_server.hangs
    finalizer = asking.start("finalizer")
    _send_failed(asking, "run")
    wait_until(lambda: model.asked, what="the model is asked")
    began_at = time.monotonic()

    code = asking.stop(finalizer)

    assert 0 == code
    assert time.monotonic() - began_at < 5.5
    assert asking.is_due("run")


def test_messages_that_come_while_the_model_is_asked(asking: Pipeline, model: ModelServer) -> None:
    """They are in the summary. What they do not change for the model is not asked again."""
    script = Script("run")
    decided = [script.decision("a"), script.outcome("a", success=False)]

    def interrupted(exchange: Exchange) -> None:
        asking.send(script.heartbeat())
        asking.wait_until_merged()
        says(("It gave up.", ["d1"]))(exchange)

    model.behaviour = interrupted
    asking.start("finalizer")
    asking.send(script.started(), *decided, script.ended("failed"))

    summary = asking.summary("run")

    assert (1, 5, "llm:small") == (summary.revision, summary.completeness.received, summary.narrator)
    assert 1 == len(model.asked)


def test_a_missing_extra_is_one_sentence(own_pipeline: Pipeline) -> None:
    """At the start of the finalizer, and not with the first run."""
    program = (
        "import sys; sys.modules['pydantic_ai'] = None; sys.argv = ['runweaver', 'finalizer'];"
        "from runweaver.console.__main__ import main; main()"
    )
    own_pipeline.environment |= {"RUNWEAVER_NARRATOR": "llm", "RUNWEAVER_LLM_MODEL": "small"}

    result = own_pipeline.run_program(program)

    assert 2 == result.returncode
    assert "pip install 'runweaver[llm]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_doctor_looks_at_these_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a finalizer is started with them."""
    monkeypatch.setenv("RUNWEAVER_NARRATOR", "llm")

    assert ["wrong"] == [check.verdict for check in check_settings({}) if "RUNWEAVER_LLM_MODEL" in check.what]
