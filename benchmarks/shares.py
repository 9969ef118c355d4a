"""What of the server's time goes to which keys: on a cluster, each of these has a server of its own.

    .venv/bin/python -m benchmarks.shares

The server counts how long each command takes. What it takes to read commands and to write replies is shared out by
that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from benchmarks.messages import Load
from benchmarks.processes import Site, fresh_site, server_seconds
from benchmarks.sender import Connection

_LOAD: Final = Load(10_000, 20)

#: By command: what it is for, while messages come in and are merged.
_MERGING: Final = {
    **dict.fromkeys(("xadd",), "take in"),
    **dict.fromkeys(("xreadgroup", "xautoclaim", "xack", "xdel"), "read and acknowledge"),
    **dict.fromkeys(("hset", "exists", "hlen", "time"), "merge"),
    **dict.fromkeys(("zadd", "zmscore"), "mark"),
}
#: By command: what it is for, while runs are finalized.
_FINALIZING: Final = {"zadd": "indexes", "xadd": "announce"}
_OTHER: Final = "jobs, and all else"


def main() -> None:
    """Measure, and print."""
    with fresh_site(RUNWEAVER_SETTLE_S="600") as site:
        site.start("finalizer")
        site.processes.suspend("finalizer")
        (worker,) = site.start_workers(1)
        site.processes.suspend(worker)
        taking_in = _spent(site, lambda: _send(site), _MERGING)
        merging = _spent(site, lambda: _merge(site, worker), _MERGING)
        site.processes.stop(worker)
        site.wait_until_quiet()
        finalizing = _spent(site, lambda: _finalize(site), _FINALIZING)
    messages, runs = _LOAD.total, _LOAD.runs
    _tell("while messages come in", taking_in, messages, "message")
    _tell("while they are merged", merging, messages, "message")
    _tell("while runs are finalized", finalizing, runs, "run")


def _send(site: Site) -> None:
    connection = Connection(site.url)
    for command in _LOAD.packed():
        connection.ask(command, 1)
    connection.close()


def _merge(site: Site, worker: str) -> None:
    site.processes.resume(worker)
    site.wait_until(site.is_merged, every_s=0.05)


def _finalize(site: Site) -> None:
    site.processes.resume("finalizer")
    site.wait_until(lambda: site.summarised() == _LOAD.runs, every_s=0.05)


def _spent(site: Site, act: Any, purposes: Mapping[str, str]) -> dict[str, float]:
    """Seconds of the server's processor, by what they were for."""
    before_s, before = server_seconds(site.client), _by_command(site)
    act()
    after_s, after = server_seconds(site.client), _by_command(site)
    spent: Counter[str] = Counter()
    for command, seconds in after.items():
        spent[purposes.get(command, _OTHER)] += seconds - before.get(command, 0.0)  # type: ignore[assignment]
    whole = sum(spent.values())
    return {purpose: seconds / whole * (after_s - before_s) for purpose, seconds in spent.items()}


def _by_command(site: Site) -> dict[str, float]:
    stats: Mapping[str, Any] = site.client.info("commandstats")
    return {name.removeprefix("cmdstat_").partition("|")[0]: each["usec"] / 1e6 for name, each in stats.items()}


def _tell(when: str, spent: Mapping[str, float], count: int, what: str) -> None:
    rows: Iterable[tuple[str, float]] = sorted(spent.items(), key=lambda each: -each[1])
    print(f"{when}: {sum(spent.values()) / count * 1e6:.2f} µs a {what}")
    for purpose, seconds in rows:
        if seconds > 0:
            print(f"    {purpose:24}{seconds / count * 1e6:8.2f}")


if __name__ == "__main__":
    main()
