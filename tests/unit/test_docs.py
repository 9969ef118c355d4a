"""The documentation is held to the code: what it names exists, and what it says of defaults is so."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.main import get_command

from runweaver.console.cli import app
from runweaver.shared import (
    ConsoleSettings,
    Decision,
    DecisionEvaluation,
    ExporterSettings,
    FinalizerSettings,
    McpSettings,
    Message,
    Option,
    Outcome,
    Problem,
    ProducerSettings,
    ServerSettings,
    WebhookSettings,
    WorkerSettings,
)
from runweaver.shared.fields import utc_now
from runweaver.shared.messages import BaseMessage
from tests.support.pages import ROOT, anchors, table_after

PAGES: Final = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
ROLES: Final[dict[str, type[ServerSettings]]] = {
    "producer": ProducerSettings,
    "worker": WorkerSettings,
    "finalizer": FinalizerSettings,
    "webhooks": WebhookSettings,
    "mcp": McpSettings,
    "console": ConsoleSettings,
    "exporter": ExporterSettings,
}
COMMAND_LINE: Final = get_command(app)
MESSAGES: Final[dict[str, type[BaseMessage]]] = {
    kind.model_fields["type"].default: kind for kind in get_args(get_args(Message)[0])
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_the_settings_table_lists_what_can_be_set() -> None:
    """docs/operating.md names every variable that is read, no other, and each with its default."""
    documented = {row[0]: row[1] for row in settings_table()}

    assert defaults_of_settings() | defaults_of_the_command_line() == documented


def test_the_settings_table_says_who_reads_what() -> None:
    """A variable that a role reads is listed for that role, and for no other."""
    documented = {row[0]: set(ROLES) & set(re.findall(r"\w+", row[3])) for row in settings_table()}

    assert roles_of_settings() | {variable: set() for variable in defaults_of_the_command_line()} == documented


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_protocol_lists_the_fields_of_messages(kind: str) -> None:
    """For each message type, docs/protocol.md names all fields and what stands for an absent one."""
    timed_by_itself = MESSAGES[kind].model_fields["sent_at"].default_factory is not None
    common = {"v", "type", "run_id", "producer", "seq", "shed_bytes", *(() if timed_by_itself else ("sent_at",))}

    assert defaults_of_fields(MESSAGES[kind], leave_out=common) == field_table(f"`{kind}`")


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Decision object", Decision),
        ("Option object", Option),
        ("Outcome object", Outcome),
        ("Evaluation object", DecisionEvaluation),
        ("Problem object", Problem),
    ],
)
def test_the_protocol_lists_the_fields_of_objects(heading: str, model: type[BaseModel]) -> None:
    """So it does for the objects inside of messages."""
    assert defaults_of_fields(model) == field_table(heading)


def test_the_protocol_lists_what_all_messages_have() -> None:
    """The table of common fields is that of the base class, and the type."""
    expected = {"type": "required", **defaults_of_fields(BaseMessage)}

    assert expected == field_table("What every message has")


def test_every_event_of_workers_and_finalizers_is_explained() -> None:
    """docs/operating.md lists each of them, at its level, and no other."""
    documented = {row[0]: row[1] for row in table_after("Logs", ROOT / "docs" / "operating.md", number=2)}

    assert events_logged_by(ROOT / "worker") == documented


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that exists; one to a heading names a heading that exists."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in anchors(target)):
            dead.append(link)

    assert [] == dead


@each_page
def test_named_files_exist(page: Path) -> None:
    """What looks like a path of this repository is one."""
    top = {entry.name for entry in ROOT.iterdir() if entry.is_dir()}
    named = [span for span in code_spans(page) if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", span)]
    paths = [span for span in named if span.partition("/")[0] in top and ("." in span or span.endswith("/"))]

    assert [] == [path for path in paths if not (ROOT / path).exists()]


@each_page
def test_mentioned_commands_exist(page: Path) -> None:
    """Every `runweaver …` that a page mentions is a command, with the options that it is shown with."""
    assert [] == [words for words in mentioned_commands(page) if not is_a_command(words)]


def test_commands_are_found_in_the_pages() -> None:
    """The check of commands sees spans and blocks alike, and would notice one that does not exist."""
    found = [words for page in PAGES for words in mentioned_commands(page)]

    assert ["worker"] in found
    assert ["dead-letters", "list", "--json"] in found
    assert not is_a_command(["no-such-command"])
    assert not is_a_command(["status", "--no-such-option"])


def settings_table() -> list[list[str]]:
    """The rows of the table of settings, without the quoting of code."""
    return table_after("Settings", ROOT / "docs" / "operating.md")


def defaults_of_settings() -> dict[str, str]:
    """Every variable of the settings classes with its default, as it is written in a table."""
    found: dict[str, str] = {}
    for settings in ROLES.values():
        for name, field in settings.model_fields.items():
            written = _as_setting(field.default)
            assert found.setdefault(_variable(name), written) == written, f"{name} has two defaults"
    return found


def roles_of_settings() -> dict[str, set[str]]:
    """Who reads which variable."""
    return {
        _variable(name): {role for role, settings in ROLES.items() if name in settings.model_fields}
        for settings in ROLES.values()
        for name in settings.model_fields
    }


def defaults_of_the_command_line() -> dict[str, str]:
    """The variables that the command line reads by itself, with their defaults."""
    commands = [COMMAND_LINE, *(command for _, command in sorted(COMMAND_LINE.commands.items()))]  # type: ignore[attr-defined]
    options = [option for command in commands for option in command.params if option.envvar]
    return {str(option.envvar): _as_setting(option.default) for option in options}


def field_table(heading: str) -> dict[str, str]:
    """What the protocol says of a message or an object: its fields, and `required` or what an absent one means."""
    return {row[0]: row[2] for row in table_after(heading, ROOT / "docs" / "protocol.md")}


def defaults_of_fields(model: type[BaseModel], leave_out: set[str] | None = None) -> dict[str, str]:
    """The same from the code."""
    return {
        name: _as_default(field)
        for name, field in model.model_fields.items()
        if name not in {"type", *(leave_out or ())}
    }


def events_logged_by(folder: Path) -> dict[str, str]:
    """What the code says to its log, and at which level."""
    found = {}
    for path in folder.rglob("*.py"):
        for call in re.finditer(r"_log\.(\w+)\(\s*\"([^\"]+)\"", path.read_text(encoding="utf-8")):
            found[call[2]] = "error" if call[1] == "exception" else call[1]
    return found


def code_spans(page: Path) -> list[str]:
    """What stands in single backticks outside of blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def code_lines(page: Path) -> list[str]:
    """The lines of blocks that are no program: fenced ones and indented ones."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for language, block in fenced if language != "python" for line in block.splitlines()]
    return lines + re.findall(r"^ {4,}(.+)$", text, re.MULTILINE)


def mentioned_commands(page: Path) -> list[list[str]]:
    """The words after `runweaver` wherever it stands as a command."""
    mentioned = []
    for code in code_spans(page) + code_lines(page):
        command = re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*runweaver ([^|&;<>]+)", code)
        if command is not None:
            mentioned.append(shlex.split(command[1], comments=True))
    return mentioned


def is_a_command(words: list[str]) -> bool:
    """Whether the command line has these subcommands and options."""
    command: Any = COMMAND_LINE
    rest = list(words)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        command = command.commands.get(rest.pop(0))
    if command is None:
        return False
    known = {"--help", *(name for parameter in command.params for name in parameter.opts)}
    return known.issuperset(word.partition("=")[0] for word in rest if word.startswith("-"))


def _variable(name: str) -> str:
    return f"{ServerSettings.model_config['env_prefix']}{name}".upper()


def _as_setting(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "not set" if default is None else f"{default:.15g}" if isinstance(default, float) else str(default)


def _as_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is utc_now:
        return "entry time"
    return json.dumps(field.get_default(call_default_factory=True))
