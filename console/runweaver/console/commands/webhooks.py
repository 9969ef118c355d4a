"""`runweaver webhooks`: posts summaries to URLs, and looks after those that were not taken."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from redis import Redis
from rich.table import Table

from runweaver.console.letters import All, LetterIds, checked_ids, report
from runweaver.console.render import plain
from runweaver.console.terminal import AsJson, out, print_json_line
from runweaver.console.webhooks import WebhookDeadLetters, Webhooks, load_hooks
from runweaver.console.webhooks.replay import WebhookReplay
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.keys import Keys
from runweaver.shared.settings import ServerSettings, WebhookSettings
from runweaver.worker import stop_on_signals

commands = typer.Typer(invoke_without_command=True)
dead_letters = typer.Typer(no_args_is_help=True, help="Summaries that a receiver did not take.")
commands.add_typer(dead_letters, name="dead-letters")

Config = Annotated[
    Path | None, typer.Option("--config", help="The file with the hooks; absent: RUNWEAVER_WEBHOOKS.", metavar="FILE")
]


@commands.callback()
def webhooks(context: typer.Context, config: Config = None) -> None:
    """Post each new summary to the URLs of a file, until SIGTERM. Start as many as you like."""
    if context.invoked_subcommand is not None:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    instance = Webhooks(WebhookSettings.load(webhooks=config))
    stop_on_signals(instance.stop)
    instance.run()


@dead_letters.command("list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """List what was given up, and why: the oldest first."""
    with _letters() as (letters, *_):
        found = list(islice(letters, limit))
    if as_json:
        for letter in found:
            print_json_line(letter.as_json())
        return
    if not found:
        out.print("No dead letters.")
        return
    table = Table("id", "when (UTC)", "hook", "run", "tried", "why", box=None, pad_edge=False, header_style="bold")
    for letter in found:
        facts = (letter.hook, f"{letter.run_id} (revision {letter.revision})", str(letter.attempts), letter.reason)
        table.add_row(letter.id, f"{letter.at:%m-%d %H:%M:%S}", *map(plain, facts))
    out.print(table)


@dead_letters.command()
def replay(ids: LetterIds = None, config: Config = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Post them again, once each: the summaries as they are now. What is not taken stays."""
    chosen = checked_ids(ids, every=every)
    done: list[str] = []
    refused: dict[str, str] = {}
    hooks = load_hooks(WebhookSettings.load(webhooks=config).webhooks)
    with _letters() as (letters, client, keys), WebhookReplay(client, keys, hooks) as replay_letter:
        for letter in letters.find(chosen):
            reason = replay_letter(letter)
            if reason:
                refused[letter.id] = reason
            else:
                letters.drop(letter.id)
                done.append(letter.id)
    report("replayed", done, refused, chosen, trouble="were not taken", as_json=as_json)


@dead_letters.command()
def drop(ids: LetterIds = None, *, every: All = False, as_json: AsJson = False) -> None:
    """Forget them for good."""
    chosen = checked_ids(ids, every=every)
    with _letters() as (letters, *_):
        done = [letter.id for letter in letters.find(chosen) if letters.drop(letter.id)]
    report("dropped", done, {}, chosen, trouble="", as_json=as_json)


@contextmanager
def _letters() -> Iterator[tuple[WebhookDeadLetters, Redis, Keys]]:
    settings = ServerSettings.load()
    with server_errors(settings.redis_url):
        client = connect(settings.redis_url, name="query")
        keys = Keys(settings.namespace)
        yield WebhookDeadLetters(client, keys), client, keys
