"""What all commands have in common: where they print, and how they fail."""

import json
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.text import Text

#: Exit codes: something that was asked for is not there; somebody asked what is wrong, and something is; something is
#: wrong with the call or the server.
NOT_FOUND: Final = 1
FOUND_WRONG: Final = 1
TROUBLE: Final = 2

_LINES_AT_ONCE: Final = 100

#: What is not a terminal has no width: then lines are long enough for most things, and no longer.
out = Console(width=None if sys.stdout.isatty() else 120)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def print_json_line(document: str | dict[str, Any]) -> None:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")


def print_lines(lines: Iterable[Text]) -> None:
    """Print many lines as they come, some at a time: each call takes its time."""
    remaining = iter(lines)
    while some := list(islice(remaining, _LINES_AT_ONCE)):
        out.print(Text("\n").join(some), highlight=False)


def fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"runweaver: {message}\n")
    sys.exit(code)
