"""The workers and finalizers under attack. Whoever ends is started again, as an operator's supervisor would do it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final

from tests.chaos.hands import Hands
from tests.chaos.releases import CURRENT, Release
from tests.chaos.report import Tally
from tests.support.processes import Pipeline

#: A process that was asked to stop has to be gone after so long.
_STOPS_WITHIN_S: Final = 30.0
#: How long to lie in wait for a process to have something in hand.
_AIMS_FOR_S: Final = 3.0
#: What the command says when it cannot begin because the server is away.
_TROUBLE: Final = 2


class Doom(Enum):
    """How the present process of a member is to end."""

    NOT_YET = auto()
    KILLED = auto()
    ASKED = auto()


@dataclass
class Member:
    """A place in the crew, with whoever fills it now."""

    role: str
    number: int
    #: Of the next process in this place; `process` may still be one of another.
    release: Release
    process: subprocess.Popen[bytes] = field(init=False)
    running: Release = field(init=False)
    doom: Doom = Doom.NOT_YET
    asked_at: float = 0.0
    #: Until when somebody lies in wait for it to have something in hand; none where nobody does.
    hunted_until: float | None = None

    def __str__(self) -> str:
        return f"{self.role} {self.number}"


class Crew:
    """Some workers and some finalizers."""

    def __init__(
        self,
        pipeline: Pipeline,
        hands: Hands,
        tally: Tally,
        tell: Callable[[str], object],
        *,
        module: str,
        logs: Path,
        releases: Sequence[Release],
    ) -> None:
        self._pipeline = pipeline
        self._hands = hands
        self._tally = tally
        self._tell = tell
        self._module = module
        self._logs = logs
        self._releases = releases
        self._members: list[Member] = []

    def start(self, role: str, count: int) -> None:
        """Fill so many places, by turns with each release."""
        for number in range(count):
            member = Member(role, number, self._releases[number % len(self._releases)])
            self._members.append(member)
            self._start(member)

    def member(self, role: str, number: int) -> Member:
        """Who has this place."""
        return next(each for each in self._members if (each.role, each.number) == (role, number))

    def kill(self, member: Member, *, is_aimed: bool) -> None:
        """SIGKILL: now, or (aimed) at the next moment in which it has something in hand."""
        if is_aimed:
            member.hunted_until = time.monotonic() + _AIMS_FOR_S
        elif member.process.poll() is None:
            self._kill_now(member)

    def terminate(self, member: Member) -> None:
        """SIGTERM."""
        if member.doom is Doom.NOT_YET and member.process.poll() is None:
            member.doom, member.asked_at = Doom.ASKED, time.monotonic()
            member.process.terminate()
            self._tally.asked_to_stop += 1
            self._tell(f"{member} asked to stop")

    def roll(self, member: Member) -> None:
        """Stop it, and go on with another release in its place."""
        others = [release for release in self._releases if release is not member.release]
        member.release = (others or [CURRENT])[0]
        self.terminate(member)
        self._tally.rolled += 1
        self._tell(f"{member} goes on as {member.release.name}")

    def freeze(self, member: Member) -> Callable[[], None]:
        """It stands still, without knowing: returns what lets it go on."""
        process = member.process
        process.send_signal(signal.SIGSTOP)
        self._tally.frozen += 1
        self._tell(f"{member} frozen")
        return lambda: process.send_signal(signal.SIGCONT)

    def tend(self) -> None:
        """Start whoever has ended, count those that should not have, and kill those that are caught."""
        for member in self._members:
            if member.hunted_until is not None and member.process.poll() is None:
                self._hunt(member)
            code = member.process.poll()
            if code is not None:
                self._account(member, code)
                self._start(member)
            elif member.doom is Doom.ASKED and time.monotonic() > member.asked_at + _STOPS_WITHIN_S:
                self._blame(member, f"did not stop within {_STOPS_WITHIN_S} s of SIGTERM")
                member.doom = Doom.KILLED
                self._pipeline.kill(member.process)

    def stop(self) -> None:
        """Ask all to stop, and wait for it."""
        for member in self._members:
            if member.process.poll() is None and member.doom is not Doom.ASKED:
                member.doom = Doom.ASKED
                member.process.terminate()
        for member in self._members:
            try:
                self._account(member, member.process.wait(_STOPS_WITHIN_S))
            except subprocess.TimeoutExpired:
                self._blame(member, f"did not stop within {_STOPS_WITHIN_S} s of SIGTERM")

    def releases_at_work(self) -> Iterator[str]:
        """The name of each member's release."""
        return (member.release.name for member in self._members)

    def _start(self, member: Member) -> None:
        member.doom, member.running = Doom.NOT_YET, member.release
        command = [sys.executable, "-m", self._module, member.role, "--parent", str(os.getpid())]
        log = self._logs / f"{member.role}-{member.number}.log"
        member.process = self._pipeline.spawn_logged(command, log, member.release.environment)

    def _account(self, member: Member, code: int) -> None:
        match member.doom:
            case Doom.KILLED:
                pass
            case Doom.NOT_YET if code == _TROUBLE:
                # The server was away, and it could not begin.
                self._tally.could_not_begin += 1
            # Python ends so before the command has seen to its signals.
            case Doom.ASKED if code in (0, _TROUBLE, -signal.SIGTERM):
                pass
            case _:
                self._blame(member, f"ended with {code}")

    def _blame(self, member: Member, what: str) -> None:
        # An earlier release may have faults that this one has mended.
        is_ours = member.running is CURRENT
        blamed = self._tally.misbehaved if is_ours else self._tally.misbehaved_before
        blamed.append(f"{member} of {member.running.name} {what}")

    def _hunt(self, member: Member) -> None:
        # Frozen first, so that it still has in hand what we see there when it dies.
        member.process.send_signal(signal.SIGSTOP)
        is_late = member.hunted_until is not None and time.monotonic() > member.hunted_until
        if is_late or self._hands.are_full(member.role, member.process.pid):
            self._kill_now(member)
        else:
            member.process.send_signal(signal.SIGCONT)

    def _kill_now(self, member: Member) -> None:
        member.doom, member.hunted_until = Doom.KILLED, None
        self._pipeline.kill(member.process)
        is_busy = self._hands.are_full(member.role, member.process.pid)
        self._tally.killed(member.role, is_busy=is_busy)
        self._tell(f"{member} killed{' in the middle of its work' if is_busy else ''}")
