"""docs/llm-narrator.md: what it says to set starts a finalizer that asks, and what it names is so."""

import re
import shlex
from typing import Final

from runweaver.shared import FinalizerSettings
from runweaver.worker.llm.answer import LONGEST_SENTENCE, MOST_SENTENCES
from runweaver.worker.totals import NARRATIONS
from tests.support.messages import Script
from tests.support.model_server import ModelServer, says
from tests.support.pages import ROOT, table_after
from tests.support.processes import Pipeline

_PAGE: Final = ROOT / "docs" / "llm-narrator.md"
_OWN, _OPENAI = re.findall(r"^```sh\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _exported(block: str) -> dict[str, str]:
    words = [shlex.split(line) for line in block.splitlines() if line.startswith("export ")]
    return dict(word[1].split("=", 1) for word in words)


def test_what_the_page_exports_makes_a_model_tell(own_pipeline: Pipeline) -> None:
    """With the address of a server that is there."""
    with ModelServer(says(("It gave up at once.", ["d1"]))) as model:
        own_pipeline.start("worker")
        own_pipeline.start("finalizer", **{**_exported(_OWN), "RUNWEAVER_LLM_URL": model.url})
        script = Script("run")
        decided = [script.decision("a"), script.outcome("a", success=False)]
        own_pipeline.send(script.started(), *decided, script.ended("failed"))

        assert f"llm:{_exported(_OWN)['RUNWEAVER_LLM_MODEL']}" == own_pipeline.summary("run").narrator


def test_all_that_the_page_exports_is_a_setting() -> None:
    """With a value that makes sense."""
    for block in (_OWN, _OPENAI):
        given = {name.removeprefix("RUNWEAVER_").lower(): value for name, value in _exported(block).items()}

        assert given.keys() == FinalizerSettings(**given).model_fields_set  # type: ignore[arg-type]


def test_the_page_lists_all_reasons() -> None:
    """Each has a row, but for the one that is none."""
    documented = [row[0] for row in table_after("When it does not tell", _PAGE)]

    assert {*NARRATIONS} - {"written"} == {*documented}


def test_the_page_gives_the_defaults() -> None:
    """Those of the settings."""
    defaults = {f"RUNWEAVER_{name.upper()}": field.default for name, field in FinalizerSettings.model_fields.items()}
    documented = {row[1]: row[2] for row in table_after("What it costs", _PAGE) if row[1] != "–"}

    for variable, told in documented.items():
        default = defaults[variable]
        assert told.startswith(default if isinstance(default, str) else f"{default:,.0f}")


def test_the_page_gives_the_bounds_of_an_answer() -> None:
    """As they are checked."""
    assert (400, 8) == (LONGEST_SENTENCE, MOST_SENTENCES)
