"""How fast messages are merged: while they are sent, or all that waits."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.processes import Site, fresh_site
from benchmarks.sender import UNLIMITED, Sender


@dataclass(frozen=True)
class Merged:
    """What it took until no message waited any more."""

    messages: int
    seconds: float
    #: How long the server and each process has worked for it.
    cpu_s: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def server_us(self) -> float:
        """Microseconds of the server's processor for each message."""
        return self.cpu_s["server"] / self.messages * 1e6


def merged_while_sent(role: str, commands: Sequence[bytes], messages: int) -> Merged:
    """From the first message sent until the last is merged, by one process of this role that is there before."""
    with fresh_site() as site, Sender(site.url, commands) as sender:
        site.start_workers(1, role)
        started_at, before = time.perf_counter(), site.cpu_seconds()
        sender.begin()
        sender.wait()
        return _when_merged(site, messages, started_at, before)


def drained(role: str, commands: Sequence[bytes], messages: int, *, count: int = 1) -> Merged:
    """From when all messages wait until the last is merged, by so many processes of this role."""
    with fresh_site() as site:
        return drained_at(site, commands, messages, site.start_workers(count, role))


def drained_at(site: Site, commands: Sequence[bytes], messages: int, names: Sequence[str]) -> Merged:
    """The same, at a site where those who merge are already there."""
    with Sender(site.url, commands, most_waiting=UNLIMITED) as sender:
        for name in names:
            site.processes.suspend(name)
        sender.begin()
        sender.wait()
    started_at, before = time.perf_counter(), site.cpu_seconds()
    for name in names:
        site.processes.resume(name)
    return _when_merged(site, messages, started_at, before)


def _when_merged(site: Site, messages: int, started_at: float, before: Mapping[str, float]) -> Merged:
    site.wait_until(site.is_merged)
    seconds, after = time.perf_counter() - started_at, site.cpu_seconds()
    return Merged(messages, seconds, {name: after[name] - before[name] for name in before})
