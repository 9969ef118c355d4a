"""Whether a server is set up to keep what it is given. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from runweaver.console.amounts import spell_bytes
from runweaver.console.doctor.check import Check, not_allowed, ok, unknown, warning, wrong
from runweaver.query.servers import ServerStatus
from runweaver.shared.connection import MINIMUM_SERVER

#: Since then a server tells the right to read a key from the right to write it.
_APART_SINCE: Final = (7, 0)
_NEARLY_FULL: Final = 0.85
#: What a server may have of its machine's memory: it needs some beside that, all the more while it saves.
_MOST_OF_MACHINE: Final = 0.8
_SET: Final = "Run `redis-cli CONFIG SET"


def check_server_setup(server: ServerStatus, config: Mapping[str, str] | None, *, holds_data: bool) -> Iterator[Check]:
    """Look at a server.

    Args:
        server: what it says of itself.
        config: the settings that it runs with; none where we may not ask for them.
        holds_data: whether it holds more than RQ's jobs, which can be made again.
    """
    yield _version(server)
    if holds_data:
        yield from _persistence(server, config)
    yield _eviction(server)
    yield _memory(server)
    yield from _replication(server, config)
    yield _connections(server)


def _version(server: ServerStatus) -> Check:
    name, what = "version", f"{server.product} {server.version}."
    numbers = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
    if numbers and numbers < MINIMUM_SERVER:
        return wrong(name, what, "Upgrade it: at least Redis 6.2, or any Valkey, is needed.")
    if numbers and numbers < _APART_SINCE:
        return warning(
            name,
            f"{what} It does not tell reading a key from writing it, nor how far webhooks are behind.",
            "Redis 7 and Valkey do; until then change deploy/users.acl as docs/security.md says.",
        )
    return ok(name, what)


def _persistence(server: ServerStatus, config: Mapping[str, str] | None) -> Iterator[Check]:
    name = "persistence"
    to_append = f"{_SET} appendonly yes`, and set the same in its configuration file."
    if not server.is_append_only:
        if config is None:
            yield warning(
                name, "There is no append-only file: a crash may lose all since the last snapshot.", to_append
            )
        elif config.get("save"):
            what = f"Snapshots only ({config['save']}): a crash loses what came after the last one."
            yield warning(name, what, to_append)
        else:
            yield wrong(name, "Nothing is written to its disk: a restart loses everything.", to_append)
        return
    if not server.append_ok:
        yield wrong(name, "It could not write its append-only file.", "Make room on its disk, and read its log.")
        return
    flush = (config or {}).get("appendfsync")
    match flush:
        case None:
            what = "Append-only file; how often it is flushed is not to be seen (CONFIG GET)."
            yield unknown(name, what, "Run `runweaver doctor` with the URL of an administrator.")
        case "no":
            what = "Append-only file, flushed when the machine likes: a power cut loses half a minute or more."
            yield warning(name, what, f"{_SET} appendfsync everysec`.")
        case "everysec":
            yield ok(name, "Append-only file, flushed every second: that much a power cut may lose.")
        case _:
            yield ok(name, "Append-only file, flushed with each write.")


def _eviction(server: ServerStatus) -> Check:
    name = "eviction"
    if not server.deletes_data:
        return ok(name, "noeviction: it deletes nothing to make room.")
    to_keep = f"{_SET} maxmemory-policy noeviction`, and set the same in its configuration file."
    what = f"maxmemory-policy is {server.eviction_policy}: it deletes runs, summaries or jobs to make room"
    if server.memory_limit is None:
        return warning(name, f"{what}, once it has a maxmemory.", to_keep)
    return wrong(name, f"{what}.", to_keep)


def _memory(server: ServerStatus) -> Check:
    name, used, machine = "memory", spell_bytes(server.memory_used), server.memory_of_machine
    if server.memory_limit is None:
        what = f"{used} in use, and no maxmemory: a flood takes all of the machine's, until something is killed."
        sensible = f"{machine * _MOST_OF_MACHINE / 2**20:.0f}mb at most" if machine else "80 % of the machine's at most"
        return warning(name, what, f"{_SET} maxmemory <limit>`, {sensible}: then producers wait.")
    limit = spell_bytes(server.memory_limit)
    if server.memory_share >= _NEARLY_FULL:
        what = f"{used} of {limit} in use: when it is full, it takes no messages."
        return wrong(name, what, "Raise its maxmemory, or keep less: see docs/operating.md, Retention and memory.")
    if machine and server.memory_limit > _MOST_OF_MACHINE * machine:
        what = f"maxmemory is {limit}, and the machine has {spell_bytes(machine)}: it needs more than that to save."
        return warning(name, what, f"{_SET} maxmemory {machine * _MOST_OF_MACHINE / 2**20:.0f}mb`, or less.")
    return ok(name, f"{used} of {limit} in use.")


def _replication(server: ServerStatus, config: Mapping[str, str] | None) -> Iterator[Check]:
    name = "replication"
    if server.is_replica:
        yield wrong(name, "It is a replica: it takes no writes.", "Name the primary in the URL.")
        return
    if server.cluster_ok is not None:
        yield (
            ok("cluster", "All slots have a server.")
            if server.cluster_ok
            else wrong("cluster", "It is not whole.", f"Run `redis-cli --cluster check {server.address}`.")
        )
    elif server.is_of_cluster:
        yield not_allowed("cluster", "CLUSTER INFO")
    if server.lost_replicas:
        yield warning(name, "It had replicas, and has none any more.", "Start them again.")
    if not server.replicas:
        return
    if server.replicas_behind:
        what = f"{server.replicas_behind} of {server.replicas} replicas do not keep up."
        yield warning(name, what, "Look at them, and at the network.")
    elif config is None:
        yield not_allowed(name, "CONFIG GET min-replicas-to-write")
    elif config.get("min-replicas-to-write", "0") == "0":
        what = "A primary that is cut off from its replicas takes writes that are lost when one takes its place."
        yield warning(name, what, f"{_SET} min-replicas-to-write 1`.")
    else:
        yield ok(name, f"{server.replicas} replicas, {config['min-replicas-to-write']} needed for a write.")


def _connections(server: ServerStatus) -> Check:
    name = "connections"
    most = f" of {server.most_clients:,}" if server.most_clients is not None else ""
    what = f"{server.clients:,}{most}."
    if server.clients_share >= _NEARLY_FULL:
        return warning(name, what, "Raise its maxclients, and look at who connects: `CLIENT LIST`.")
    return ok(name, what)
