"""What all commands have in common: where they print, and how they fail."""

import json
import sys
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console

#: Exit codes: something that was asked for is not there; something is wrong with the call or the server.
NOT_FOUND: Final = 1
TROUBLE: Final = 2

#: What is not a terminal has no width: then lines are long enough for most things, and no longer.
out = Console(width=None if sys.stdout.isatty() else 120)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def print_json_line(document: str | dict[str, Any]) -> None:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")


def fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"runweaver: {message}\n")
    sys.exit(code)
