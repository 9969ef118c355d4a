"""What a check finds."""

from typing import Literal

from pydantic import BaseModel

Verdict = Literal["ok", "warning", "wrong", "unknown"]


class Check(BaseModel):
    """One thing that was looked at."""

    name: str
    #: `wrong`: something does not work, or data will be lost. `unknown`: it could not be looked at.
    verdict: Verdict
    what: str
    #: How to mend it, or what it takes to look; nothing where all is well.
    todo: str = ""


def ok(name: str, what: str) -> Check:
    return Check(name=name, verdict="ok", what=what)


def warning(name: str, what: str, todo: str) -> Check:
    return Check(name=name, verdict="warning", what=what, todo=todo)


def wrong(name: str, what: str, todo: str = "") -> Check:
    return Check(name=name, verdict="wrong", what=what, todo=todo)


def unknown(name: str, what: str, todo: str) -> Check:
    return Check(name=name, verdict="unknown", what=what, todo=todo)


def not_allowed(name: str, right: str) -> Check:
    """This user may not ask."""
    return unknown(
        name, f"This user may not ask ({right}).", "Run `runweaver doctor` with the URL of an administrator."
    )
