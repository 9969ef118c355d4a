"""docs/mcp.md is held to the server that it describes."""

import asyncio
import json
import re
from pathlib import Path
from typing import Final

from runweaver.console.mcp.bounding import MOST_CHARACTERS
from runweaver.console.mcp.server import make_server
from runweaver.console.sources import Sources
from runweaver.shared import McpSettings

_PAGE: Final = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")


def test_the_page_lists_the_tools_with_their_first_sentences() -> None:
    """In the order in which the server lists them."""
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", _PAGE, re.MULTILINE))

    # Nothing is connected before something is asked.
    tools = asyncio.run(make_server(Sources(McpSettings())).list_tools())

    expected = {tool.name: " ".join((tool.description or "").split("\n\n")[0].split()) for tool in tools}
    assert list(expected) == list(listed)
    assert [] == [name for name, sentence in listed.items() if not expected[name].startswith(sentence)]


def test_the_page_says_how_long_an_answer_may_be() -> None:
    """The number is that of the code."""
    assert f"at most {MOST_CHARACTERS:,} characters" in _PAGE


def test_the_configuration_is_json_with_the_command() -> None:
    """As programs take it."""
    [block] = re.findall(r"^```json\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)

    server = json.loads(block)["mcpServers"]["runweaver"]

    assert ("runweaver", ["mcp"]) == (server["command"], server["args"])
