"""Whether the environment makes sense."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from runweaver.console.doctor.check import Check, ok, warning, wrong
from runweaver.shared.errors import MissingExtraError, SettingsError
from runweaver.shared.settings import (
    FinalizerSettings,
    McpSettings,
    ProducerSettings,
    ServerSettings,
    WebhookSettings,
    WorkerSettings,
)
from runweaver.worker.finalizer_process import load_narrator

_ROLES: Final[tuple[type[ServerSettings], ...]] = (
    ProducerSettings,
    WorkerSettings,
    FinalizerSettings,
    WebhookSettings,
    McpSettings,
)
_PREFIX: Final = "RUNWEAVER_"
#: What the command line reads by itself.
COMMAND_LINE: Final = frozenset({"RUNWEAVER_LOG_LEVEL", "RUNWEAVER_LOG_FORMAT"})


def check_settings(environment: Mapping[str, str]) -> Iterator[Check]:
    """Look at all variables, whichever role reads them."""
    problems: dict[str, None] = {}
    for role in _ROLES:
        try:
            role.load()
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).split("; "))
    if not problems:
        problems |= dict.fromkeys(_at_odds())
    for problem in problems:
        yield wrong("settings", f"{problem}.", "Correct it: docs/operating.md lists all settings.")
    known = {f"{_PREFIX}{name}".upper() for role in _ROLES for name in role.model_fields} | COMMAND_LINE
    ours = [name for name in environment if name.startswith(_PREFIX)]
    for name in sorted(set(ours) - known):
        # Those of deploy/users.acl, for the server.
        if not name.endswith("_PASSWORD"):
            yield warning("settings", f"Nobody reads {name}.", _instead_of(name, known))
    if not problems:
        yield ok("settings", f"{len(known.intersection(ours))} of {len(known)} are set, and make sense.")


def _at_odds() -> Iterator[str]:
    """What is wrong with settings that are each well formed."""
    for look in (
        lambda: load_narrator(FinalizerSettings.load()),
        lambda: WorkerSettings.load().effective_jobs_url,
    ):
        try:
            look()
        except (SettingsError, MissingExtraError) as error:
            yield str(error)


def _instead_of(name: str, known: set[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else "Remove it: docs/operating.md lists all settings."
