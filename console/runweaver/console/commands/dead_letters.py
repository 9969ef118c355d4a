"""`runweaver dead-letters`: messages that could not be accepted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from runweaver.console.letters import All, LetterIds, checked_ids, report
from runweaver.console.render import letter_facts, plain
from runweaver.console.replaying import replaying
from runweaver.console.terminal import NOT_FOUND, AsJson, fail, out, print_json_line
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.keys import Keys
from runweaver.shared.settings import ServerSettings, WorkerSettings
from runweaver.worker import DeadLetters, Replay

commands = typer.Typer(no_args_is_help=True, help="Messages that could not be accepted.")


@commands.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """List messages that could not be accepted, and why: the oldest first."""
    with _dead_letters() as letters:
        found = [letter for letter, _ in zip(letters, range(limit), strict=False)]
    if as_json:
        for letter in found:
            print_json_line(letter.as_json())
        return
    if not found:
        out.print("No dead letters.")
        return
    table = Table("id", "when (UTC)", "why", "message", box=None, pad_edge=False, header_style="bold")
    for letter in found:
        message = letter.message[:120].decode(errors="backslashreplace")
        reason = f"{letter.code}: {letter.reason}"
        table.add_row(letter.id, f"{letter.at:%m-%d %H:%M:%S}", plain(reason), plain(message))
    out.print(table)


@commands.command()
def replay(ids: LetterIds = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Merge messages into their runs after all, once what made them unacceptable is mended."""
    chosen = checked_ids(ids, every=every)
    done: list[str] = []
    refused: dict[str, str] = {}
    with _replay() as (letters, replay_letter):
        for letter in letters.find(chosen):
            reason = replay_letter(letter)
            if reason is None:
                done.append(letter.id)
            else:
                refused[letter.id] = reason
    report("replayed", done, refused, chosen, trouble="still cannot be accepted", as_json=as_json)


@commands.command()
def drop(ids: LetterIds = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Forget messages for good."""
    chosen = checked_ids(ids, every=every)
    with _dead_letters() as letters:
        done = [letter.id for letter in letters.find(chosen) if letters.drop(letter.id)]
    report("dropped", done, {}, chosen, trouble="", as_json=as_json)


@commands.command("show")
def show_dead_letter(letter_id: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False) -> None:
    """Show one message with all that is known about it."""
    with _dead_letters() as letters:
        letter = letters.get(letter_id)
    if letter is None:
        fail(f"no dead letter {letter_id!r} is there (any more): `runweaver dead-letters list` lists them", NOT_FOUND)
    if as_json:
        print_json_line(json.dumps(letter.as_json(), ensure_ascii=False, indent=2))
    else:
        out.print(letter_facts(letter))


@contextmanager
def _dead_letters() -> Iterator[DeadLetters]:
    settings = ServerSettings.load()
    with server_errors(settings.redis_url):
        yield DeadLetters(connect(settings.redis_url, name="query"), Keys(settings.namespace))


@contextmanager
def _replay() -> Iterator[tuple[DeadLetters, Replay]]:
    settings = WorkerSettings.load()
    with server_errors(settings.redis_url):
        client = connect(settings.redis_url, name="replay")
        jobs_client = connect(settings.effective_jobs_url, name="replay-jobs", retries=0)
        yield replaying(client, jobs_client, settings)
