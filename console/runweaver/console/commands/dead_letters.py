"""`runweaver dead-letters`: messages that could not be accepted."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from runweaver.console.render import letter_facts, plain
from runweaver.console.terminal import NOT_FOUND, AsJson, fail, out, print_json_line
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.keys import Keys
from runweaver.shared.partitions import raise_partitions
from runweaver.shared.settings import ServerSettings, WorkerSettings
from runweaver.worker import DeadLetters, JobQueue, Merger, Replay

commands = typer.Typer(no_args_is_help=True, help="Messages that could not be accepted.")

LetterIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


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
    chosen = _checked(ids, every=every)
    done: list[str] = []
    refused: dict[str, str] = {}
    with _replay() as (letters, replay_letter):
        for letter in letters.find(chosen):
            reason = replay_letter(letter)
            if reason is None:
                done.append(letter.id)
            else:
                refused[letter.id] = reason
    _report("replayed", done, refused, chosen, as_json=as_json)


@commands.command()
def drop(ids: LetterIds = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Forget messages for good."""
    chosen = _checked(ids, every=every)
    with _dead_letters() as letters:
        done = [letter.id for letter in letters.find(chosen) if letters.drop(letter.id)]
    _report("dropped", done, {}, chosen, as_json=as_json)


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
        client, keys = connect(settings.redis_url, name="replay"), Keys(settings.namespace)
        jobs = JobQueue(connect(settings.effective_jobs_url, name="replay-jobs", retries=0), keys)
        partitions = raise_partitions(client, keys, settings.partitions)
        letters = DeadLetters(client, keys)
        merger = Merger(client, jobs, keys, settings, partitions=partitions)
        yield letters, Replay(letters, merger, max_message_bytes=settings.max_message_bytes)


def _checked(ids: list[str] | None, *, every: bool) -> list[str] | None:
    """The ids that were named; none for all there are."""
    if bool(ids) == every:
        raise typer.BadParameter("name the ids of dead letters, or say --all")
    return ids


def _report(what: str, done: list[str], refused: Mapping[str, str], asked: list[str] | None, *, as_json: bool) -> None:
    """Say what was done. What was asked for and not done makes the command fail."""
    if as_json:
        print_json_line({what: done, "refused": dict(refused)} if what == "replayed" else {what: done})
    else:
        out.print(f"{len(done)} {what}", highlight=False)
    missing = [letter_id for letter_id in asked or [] if letter_id not in done and letter_id not in refused]
    if missing:
        fail(f"no such dead letters: {', '.join(missing)}", NOT_FOUND)
    if refused:
        some = "; ".join(f"{letter_id}: {reason}" for letter_id, reason in list(refused.items())[:3])
        fail(f"{len(refused)} still cannot be accepted: {some}", NOT_FOUND)
