"""The servers behind a client, and what each says of itself."""

from typing import Any, Final

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import NoPermissionError

from runweaver.shared.cluster import servers_of

#: A replica that has not acknowledged anything for so long does not keep up. It does so every second.
_REPLICA_AWAY_AFTER_S: Final = 10


class ServerStatus(BaseModel):
    """One server."""

    #: Host and port, or the path of its socket.
    address: str
    product: str
    version: str
    is_replica: bool
    up_s: int
    memory_used: int
    #: None where it has none.
    memory_limit: int | None
    #: Of the machine, or of what contains the server.
    memory_of_machine: int | None
    #: What it deletes when its memory is full; `noeviction`: nothing.
    eviction_policy: str
    is_append_only: bool
    #: Whether its last attempts to write its data to the disk succeeded.
    append_ok: bool
    snapshot_ok: bool
    is_loading: bool
    clients: int
    #: None where it does not say.
    most_clients: int | None
    #: Replicas that are connected to it, and those of them that do not keep up.
    replicas: int
    replicas_behind: int
    #: Whether it had replicas a while ago and has none.
    lost_replicas: bool
    #: Of a replica: whether it hears its primary.
    hears_primary: bool
    is_of_cluster: bool
    #: Whether its cluster says that it is whole; none where it is not of one, or we may not ask.
    cluster_ok: bool | None = None

    @property
    def memory_share(self) -> float:
        """How much of its limit is used, from 0 on; 0 where it has none."""
        return self.memory_used / self.memory_limit if self.memory_limit else 0.0

    @property
    def clients_share(self) -> float:
        """The same for connections."""
        return self.clients / self.most_clients if self.most_clients else 0.0

    @property
    def deletes_data(self) -> bool:
        """Whether it would delete what is not to be deleted, once its memory is full."""
        return self.eviction_policy != "noeviction"


def nodes_of(client: Redis) -> list[tuple[str, Redis]]:
    """The servers that take this client's writes, each with its address.

    Raises:
        RedisError: one cannot be reached.
    """
    return [(address_of(server), server) for server in servers_of(client)]


def address_of(server: Redis) -> str:
    """Host and port of a server, or the path of its socket."""
    pool = server.connection_pool
    # Behind sentinels, only the connection knows.
    connection: Any = pool.get_connection()
    try:
        return str(getattr(connection, "path", None) or f"{connection.host}:{connection.port}")
    finally:
        pool.release(connection)


def read_servers(client: Redis) -> list[ServerStatus]:
    """Ask each of the servers behind a client about itself.

    Raises:
        RedisError: one does not answer, or does not let us ask (INFO).
    """
    return [read_server(address, server) for address, server in nodes_of(client)]


def read_server(address: str, server: Redis) -> ServerStatus:
    """Ask one server about itself: see `read_servers`."""
    status = server_status(address, server.info())
    if status.is_of_cluster:
        status.cluster_ok = _cluster_ok(server)
    return status


def server_status(address: str, info: dict[str, Any]) -> ServerStatus:
    """What a server's answer to INFO says of it. Pure."""
    is_replica = info.get("role") == "slave"
    replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
    return ServerStatus(
        address=address,
        product=str(info.get("server_name", "redis")).capitalize(),
        version=str(info.get("valkey_version", info.get("redis_version", "unknown"))),
        is_replica=is_replica,
        up_s=info.get("uptime_in_seconds", 0),
        memory_used=info.get("used_memory", 0),
        memory_limit=info.get("maxmemory") or None,
        memory_of_machine=info.get("total_system_memory"),
        eviction_policy=info.get("maxmemory_policy", "noeviction"),
        is_append_only=bool(info.get("aof_enabled")),
        append_ok="err" not in (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status")),
        snapshot_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        is_loading=bool(info.get("loading")),
        clients=info.get("connected_clients", 0),
        most_clients=info.get("maxclients"),
        replicas=len(replicas),
        replicas_behind=sum(
            each.get("state") != "online" or each.get("lag", 0) > _REPLICA_AWAY_AFTER_S for each in replicas
        ),
        # It keeps what a replica that comes back would have to catch up with, for an hour.
        lost_replicas=not is_replica and not replicas and bool(info.get("repl_backlog_active")),
        hears_primary=not is_replica or info.get("master_link_status") == "up",
        is_of_cluster=bool(info.get("cluster_enabled")),
    )


def _cluster_ok(server: Redis) -> bool | None:
    try:
        told = server.execute_command("CLUSTER INFO")
    except NoPermissionError:
        return None
    return bool(told.get("cluster_state") == "ok")
