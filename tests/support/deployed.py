"""What the files that deploy Runweaver say, and what a container engine would make of them."""

import json
import re
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.secured import password_variable

REPOSITORY: Final = Path(__file__).parents[2]
#: Where the programs of this installation are.
SCRIPTS: Final = Path(sysconfig.get_path("scripts"))
#: What the command itself reads, whichever role it runs.
VARIABLES_OF_ALL: Final = {
    "RUNWEAVER_LOG_LEVEL",
    "RUNWEAVER_LOG_FORMAT",
    "RUNWEAVER_METRICS_HOST",
    "RUNWEAVER_METRICS_PORT",
}


def compose_file(name: str) -> dict[str, Any]:
    """A file of docker compose, as it stands."""
    read: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text())
    return read


def instruction(wanted: str) -> str:
    """The arguments of the Dockerfile's instruction that counts: the last one, of those that make the image."""
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    instructions = [(name.upper(), arguments) for name, arguments in lines]
    last_from = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return [arguments for name, arguments in instructions[last_from:] if name == wanted][-1]


def command_of(service: Mapping[str, Any]) -> list[str]:
    """What the container of one of our services runs, with the programs of this installation."""
    command: list[str] = json.loads(instruction("ENTRYPOINT")) + service["command"]
    program, *arguments = command
    return [str(SCRIPTS / program), *arguments]


def interpolated(value: object, passwords: Mapping[str, str]) -> str:
    """What docker compose makes of a value."""
    variables = {password_variable(user): password for user, password in passwords.items()}
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: variables[found[1]], str(value)).replace("$$", "$")
