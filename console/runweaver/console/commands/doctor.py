"""`runweaver doctor`: the set-up."""

import os
from collections import Counter
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from runweaver.console.doctor.check import Check
from runweaver.console.doctor.examine import Wish, examine
from runweaver.console.doctor.rights import Role
from runweaver.console.render import plain
from runweaver.console.terminal import FOUND_WRONG, AsJson, out, print_json_line

commands = typer.Typer()

_STYLES: Final = {"ok": "green", "warning": "bold yellow", "wrong": "bold red", "unknown": "cyan"}


@commands.command("doctor")
def doctor_command(
    *,
    role: Annotated[Role | None, typer.Option(help="Whose rights the user in the URL has to have.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write a key of its own as well, and remove it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a set-up, and say how to mend it: exit code 1 where something is wrong."""
    checks = examine(os.environ, Wish(role, write))
    counts = Counter(check.verdict for check in checks)
    if as_json:
        print_json_line({"checks": [check.model_dump() for check in checks], "wrong": counts["wrong"]})
    else:
        out.print(_table(checks), highlight=False)
        out.print("\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()), highlight=False)
    if counts["wrong"]:
        raise typer.Exit(FOUND_WRONG)


def _table(checks: list[Check]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold")
    table.add_column()
    for check in checks:
        told = f"{check.what} {check.todo}".rstrip()
        table.add_row(Text(check.verdict, style=_STYLES[check.verdict]), plain(check.name), plain(told))
    return table
