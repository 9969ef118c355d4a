"""Which servers will do: no command is newer than the oldest of them, and docs/operating.md says which came when."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from runweaver.shared.connection import MINIMUM_SERVER
from tests.support.binary import server_under_test
from tests.support.server import Server

ROOT: Final = Path(__file__).parents[2]

#: From here on a server tells since when it has a command.
_TELLS: Final = (7, 0)
#: What came with streams, or before them, is not worth a word.
_FOR_LONG: Final = (5, 0)


def _version(text: str) -> tuple[int, int]:
    major, minor, *_ = map(int, text.split("."))
    return major, minor


def _used() -> set[str]:
    """What any of our users may do: deploy/users.acl, to which tests/security holds all that we send."""
    rules = (ROOT / "deploy" / "users.acl").read_text().split()
    return {rule[1:] for rule in rules if rule.startswith("+") and not rule.startswith("+@")}


def _documented() -> dict[tuple[int, int], set[str]]:
    """The table in docs/operating.md: versions, and the commands that they brought."""
    _, _, text = (ROOT / "docs" / "operating.md").read_text().partition("| since | commands |\n")
    rows = [row.strip("|").split("|") for row in text.partition("\n\n")[0].splitlines()[1:]]
    return {
        _version(since.strip()): {name.lower().replace(" ", "|") for name in re.findall("`([^`]+)`", commands)}
        for since, commands in rows
    }


@pytest.fixture
def since(server: Server) -> dict[str, tuple[int, int]]:
    """Since when there are which commands, as the server says."""
    if server_under_test().version < _TELLS:
        pytest.skip("before Redis 7.0, servers do not tell since when they have a command")
    with server.client() as client:
        client.set_response_callback("COMMAND", lambda reply, **_: reply)
        return _flat(client.execute_command("COMMAND", "DOCS"))


def _flat(docs: Any) -> dict[str, tuple[int, int]]:
    found = {}
    for name, facts in _mapping(docs).items():
        known = _mapping(facts)
        found[name.decode()] = _version(known[b"since"].decode())
        found |= _flat(known.get(b"subcommands", {}))
    return found


def _mapping(reply: Any) -> Mapping[bytes, Any]:
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def test_no_command_is_newer_than_the_oldest_server(since: Mapping[str, tuple[int, int]]) -> None:
    """Everything that anybody may send is there since the version that `check_server` asks for."""
    assert {} == {command: since[command] for command in _used() if since[command] > MINIMUM_SERVER}


def test_the_page_says_which_command_came_when(since: Mapping[str, tuple[int, int]]) -> None:
    """The table in docs/operating.md names each command under its version that not every server has had for long."""
    came: dict[tuple[int, int], set[str]] = {}
    for command in _used():
        if since[command] > _FOR_LONG:
            came.setdefault(since[command], set()).add(command)

    assert came == _documented()
