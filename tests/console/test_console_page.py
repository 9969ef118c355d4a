"""docs/console.md is held to the API that there is."""

import re

from runweaver.console.web.app import create_app
from runweaver.shared import ConsoleSettings
from tests.support.pages import ROOT


def test_the_page_lists_the_answers_that_there_are() -> None:
    """Each path of the API, and no other, whatever its parameter is called."""
    _, _, text = (ROOT / "docs" / "console.md").read_text().partition("## The API\n")
    documented = set(re.findall(r"`(/api/[^`.]+)`", text))

    paths = create_app(ConsoleSettings()).openapi()["paths"]

    assert {path.replace("{run_id}", "RUN_ID").replace("{letter_id}", "ID") for path in paths} == documented
