"""A Redis Cluster, for those who know one server only: each command goes to the server that holds its key.

The driver has a client for clusters. It connects when it is made, where an agent must not wait; it asks a server where
the keys of each `XREAD` stand; and it keeps to itself which connection a command went over, where `WAIT` and `WATCH`
have to go over the same. From it comes what is hard to get right: who holds which slots, and who took them over.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, TypeVar

from redis import ConnectionPool, Redis
from redis import exceptions as driver
from redis.backoff import AbstractBackoff
from redis.client import Pipeline
from redis.cluster import ClusterNode, NodesManager
from redis.crc import key_slot

from runweaver.shared.exchange import Command, Read, as_it_is, exchange

#: How often a key may turn out to be elsewhere before we give up on it.
_MOST_MOVES: Final = 16
#: How long to leave a slot alone that is just being moved.
_MOVING_S: Final = 0.05

#: Where the first key of a command stands, if not right after its name.
_KEY_AT: Final = {"EVAL": 3, "MEMORY": 2, "OBJECT": 2, "XGROUP": 2, "XINFO": 2}
#: They have none.
_KEYLESS: Final = frozenset({"ACL", "CLIENT", "COMMAND", "CONFIG", "INFO", "LATENCY", "PING", "ROLE", "TIME", "WAIT"})

_ASKING: Final = ("ASKING",)

#: A key is elsewhere, or is on its way there.
ELSEWHERE: Final = (driver.AskError, driver.TryAgainError)
#: Whoever has it cannot be asked just now.
AWAY: Final = (driver.ConnectionError, driver.TimeoutError, driver.ClusterDownError)

#: What a reply says where its command was not done, and can be somewhere, or soon.
_ASTRAY: Final = (*ELSEWHERE, driver.ClusterDownError)

_Result = TypeVar("_Result")


class Cluster(Redis):
    """A client of all primaries of a cluster. It connects when it is first used."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], *, backoff: AbstractBackoff, retries: int, options: dict[str, Any]
    ) -> None:
        """Nothing is connected yet.

        Args:
            addresses: some servers of the cluster, by host and port: they know the others.
            backoff: how long to wait before asking again.
            retries: how often to ask again where a server does not answer; 0 where the caller sees to that.
            options: of each connection.
        """
        host, port = addresses[0]
        super().__init__(connection_pool=ConnectionPool(host=host, port=port, **options))
        self._addresses = addresses
        self._backoff = backoff
        self._retries = retries
        self._options = options
        self._finding = threading.Lock()
        self._nodes: NodesManager | None = None

    def servers(self) -> list[Redis]:
        """All primaries."""
        return [self._client(node) for node in self._known().get_nodes_by_server_type("primary")]

    def server_of(self, key: str | bytes) -> Redis:
        """The server that holds a key, as far as we know.

        Raises:
            ClusterDownError: nobody does, as far as we know.
        """
        slot = key_slot(key if isinstance(key, bytes) else key.encode())
        try:
            return self._client(self._known().get_node_from_slot(slot))
        except driver.SlotNotCoveredError:
            raise driver.ClusterDownError(f"CLUSTERDOWN no server holds the slot {slot}") from None

    def on_server_of(self, key: str, do: Callable[[Redis], _Result]) -> _Result:
        """Do something on the server that holds a key; and again, where that turns out to be another.

        Raises:
            RedisError: it cannot be done now.
        """
        return self.insist(lambda: do(self.server_of(key)))

    def exchange(self, commands: Sequence[Command], read: Read, *, afterwards: Sequence[Command] = ()) -> list[Any]:
        """Send each command where its key is, and read the replies: see `exchange`.

        Args:
            commands: each goes to the server of its key.
            read: see `Read`.
            afterwards: each goes to each of these servers, after its commands.

        Returns:
            The reply to each command, then all replies to those afterwards.

        Raises:
            RedisError: a server cannot be asked; or a key has moved, and there is something to do afterwards.
        """
        places = self._places(commands)
        everything = [*commands]
        for its_places in places.values():
            its_places.extend(range(len(everything), len(everything) + len(afterwards)))
            everything += afterwards
        replies = exchange(everything, places, read, failed=self._note_failure)
        astray = [place for place, reply in enumerate(replies) if isinstance(reply, _ASTRAY)]
        if astray and afterwards:
            # Over other connections, what comes afterwards would not be about these.
            for place in astray:
                self.learn(replies[place])
            raise replies[astray[0]]
        for place in astray:
            replies[place] = self._follow(commands[place], read, place)
        return replies

    def learn(self, error: Exception) -> None:
        """Take an error for what it says of where things are."""
        if isinstance(error, driver.MovedError):
            try:
                self._known().move_slot(error)
            except KeyError:  # nobody held that slot before
                self._look_again()
        elif isinstance(error, driver.ClusterDownError):
            self._look_again()
        elif isinstance(error, ELSEWHERE):
            time.sleep(_MOVING_S)

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command, and parse its reply."""
        name = str(args[0])

        def read(server: Redis, connection: Any, _place: int) -> Any:
            return server.parse_response(connection, name, **options)

        return self._run((*name.split(), *args[1:]), read)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:  # noqa: FBT001, FBT002 - the driver's
        """Gather commands to be sent together; not in one step, which a cluster has for the keys of one slot only.

        Raises:
            ValueError: a transaction; use `on_server_of`.
        """
        if transaction or shard_hint:
            raise ValueError("a transaction belongs to the server of its keys: see Cluster.on_server_of")
        return _Pipeline(self)

    def close(self) -> None:
        """Let go of all connections."""
        if (nodes := getattr(self, "_nodes", None)) is not None:
            nodes.close()

    def _run(self, command: Command, read: Read) -> Any:
        def ask(server: Redis) -> Any:
            (reply,) = exchange([command], {server: [0]}, read, failed=self._note_failure)
            if isinstance(reply, driver.AskError) and not isinstance(reply, driver.MovedError):
                there = self._client(self._node(reply.host, reply.port))
                # It is told first that we know what we ask for.
                _, reply = exchange(
                    [_ASKING, command],
                    {there: [0, 1]},
                    lambda server, connection, place: (read if place else as_it_is)(server, connection, 0),
                    failed=self._note_failure,
                )
            if isinstance(reply, Exception):
                raise reply
            return reply

        key = key_of(command)
        return self.insist(lambda: ask(self.server_of(key) if key is not None else self._any_server()))

    def _follow(self, command: Command, read: Read, place: int) -> Any:
        """Ask again for what was not where we thought."""
        try:
            return self._run(command, lambda server, connection, _: read(server, connection, place))
        except driver.ClusterDownError:
            raise
        except driver.ResponseError as error:
            return error

    def insist(self, do: Callable[[], _Result]) -> _Result:
        """Do something, and again where keys turn out to be elsewhere, or a server is away for a moment.

        Raises:
            RedisError: it cannot be done now.
        """
        for tried in count():
            try:
                return do()
            except ELSEWHERE as error:
                if tried >= _MOST_MOVES:
                    raise
                self.learn(error)
            except AWAY as error:
                if tried >= self._retries:
                    raise
                time.sleep(self._backoff.compute(tried))
                self.learn(error)
        raise AssertionError  # pragma: no cover - `count` does not end

    def _places(self, commands: Iterable[Command]) -> dict[Redis, list[int]]:
        """Which of these commands go to which server; those without a key go along with the first."""
        places: defaultdict[Redis, list[int]] = defaultdict(list)
        anywhere = []
        for place, command in enumerate(commands):
            key = key_of(command)
            if key is None:
                anywhere.append(place)
            else:
                places[self.server_of(key)].append(place)
        if anywhere:
            places[next(iter(places), None) or self._any_server()] += anywhere
        return places

    def _any_server(self) -> Redis:
        return random.choice(self.servers())  # noqa: S311 - only to spread what any of them can do

    def _known(self) -> NodesManager:
        """Who holds what; the cluster is asked for it when it is first needed."""
        with self._finding:
            if self._nodes is None:
                nodes = [ClusterNode(host, port) for host, port in self._addresses]
                with _as_driver_errors():
                    self._nodes = NodesManager(nodes, from_url=True, **self._options)
            return self._nodes

    def _node(self, host: str, port: int) -> ClusterNode:
        node: ClusterNode | None = self._known().get_node(host=host, port=port)
        return node if node is not None else ClusterNode(host, port)

    def _client(self, node: ClusterNode) -> Redis:
        if node.redis_connection is None:
            self._known().create_redis_connections([node])
        client: Redis = node.redis_connection
        return client

    def _note_failure(self, server: Redis) -> None:
        """A server did not answer: another may have taken its place."""
        where = server.connection_pool.connection_kwargs
        self._look_again(f"{where.get('host')}:{where.get('port')}")

    def _look_again(self, failed: str | None = None) -> None:
        try:
            with _as_driver_errors():
                self._known().initialize(last_failed_node_name=failed)
        except driver.RedisError:
            pass  # what went wrong before is what the caller is to hear


class _Pipeline(Pipeline):
    """Commands for some servers: each gets its own of them at once."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction=False, shard_hint=None)
        self._cluster = cluster

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - the driver's
        """Run the commands, and parse their replies."""
        stack, self.command_stack = self.command_stack, []
        if not stack:
            return []
        commands: list[Command] = [(*str(args[0]).split(), *args[1:]) for args, _ in stack]

        def read(server: Redis, connection: Any, place: int) -> Any:
            args, options = stack[place]
            return server.parse_response(connection, args[0], **options)

        replies = self._cluster.insist(lambda: self._cluster.exchange(commands, read))
        if raise_on_error:
            self.raise_first_error(stack, replies)  # type: ignore[no-untyped-call]
        return replies


def server_of(client: Redis, key: str) -> Redis:
    """The client of the one server that holds this key, as far as is known."""
    return client.server_of(key) if isinstance(client, Cluster) else client


def servers_of(client: Redis) -> list[Redis]:
    """A client for each server that takes writes."""
    return client.servers() if isinstance(client, Cluster) else [client]


def on_server_of(client: Redis, key: str, do: Callable[[Redis], _Result]) -> _Result:
    """Do something on the server that holds this key; and again, where that turns out to be another.

    Raises:
        RedisError: it cannot be done now.
    """
    return client.on_server_of(key, do) if isinstance(client, Cluster) else do(client)


def learn(client: Redis, error: Exception) -> None:
    """Take an error for what it says of where things are in a cluster; wait a moment where they are on their way."""
    if isinstance(client, Cluster):
        client.learn(error)


def get_all(client: Redis, keys: Sequence[str]) -> list[bytes | None]:
    """What stands under each of these keys. It is not read at one moment."""
    if not keys:
        return []
    if not isinstance(client, Cluster):
        found: Any = client.mget(keys)
        return list(found)
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.get(key)
        return pipeline.execute()


def key_of(command: Command) -> str | bytes | None:
    """The first key of a command; all others are in the same slot. None where it has none."""
    name = str(command[0]).upper()
    if name in _KEYLESS:
        return None
    if name in ("XREAD", "XREADGROUP"):
        names = [part.upper() if isinstance(part, str | bytes) else part for part in command]
        place = next(place for place, part in enumerate(names) if part in ("STREAMS", b"STREAMS")) + 1
    else:
        place = _KEY_AT.get(name, 1)
    key = command[place]
    return key if isinstance(key, bytes) else str(key)


@contextmanager
def _as_driver_errors() -> Iterator[None]:
    """The errors of the driver's cluster client are none of its other errors: find the one that is behind it."""
    try:
        yield
    except driver.RedisClusterException as error:
        behind: BaseException | None = error
        while behind is not None and not isinstance(behind, driver.RedisError):
            behind = behind.__cause__ or behind.__context__
        if behind is None:
            raise driver.ConnectionError(str(error)) from error
        # It came of what it came of, and not of the error that came of it: causes must have an end.
        raise behind from behind.__cause__ or behind.__context__
