"""What the commands for dead letters of both kinds have in common."""

from collections.abc import Mapping
from typing import Annotated

import typer

from runweaver.console.terminal import NOT_FOUND, fail, out, print_json_line

LetterIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def checked_ids(ids: list[str] | None, *, every: bool) -> list[str] | None:
    """The ids that were named; none for all there are."""
    if bool(ids) == every:
        raise typer.BadParameter("name the ids of dead letters, or say --all")
    return ids


def report(
    what: str, done: list[str], refused: Mapping[str, str], asked: list[str] | None, *, trouble: str, as_json: bool
) -> None:
    """Say what was done. What was asked for and not done makes the command fail; `trouble` says what that means."""
    if as_json:
        print_json_line({what: done, "refused": dict(refused)} if what == "replayed" else {what: done})
    else:
        out.print(f"{len(done)} {what}", highlight=False)
    missing = [letter_id for letter_id in asked or [] if letter_id not in done and letter_id not in refused]
    if missing:
        fail(f"no such dead letters: {', '.join(missing)}", NOT_FOUND)
    if refused:
        some = "; ".join(f"{letter_id}: {reason}" for letter_id, reason in list(refused.items())[:3])
        fail(f"{len(refused)} {trouble}: {some}", NOT_FOUND)
