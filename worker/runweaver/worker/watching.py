"""Reads keys and writes them only if nobody has changed them since, in two round trips.

The driver does the same in as many as there are commands between `WATCH` and `MULTI`, so that a caller may look at one
reply before it asks for the next; and it spends more time on each command than a finalizer has for it.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.exceptions import ConnectionError as BrokenConnectionError
from redis.exceptions import ResponseError, WatchError
from redis.exceptions import TimeoutError as NoReplyError

from runweaver.shared.cluster import server_of
from runweaver.shared.exchange import Command, pack
from runweaver.shared.round_trip import check_replicas, checked, wait_for


class Watchers:
    """A watcher for each server, made when it is first asked for. As a context manager it closes them all."""

    def __init__(self, client: Redis, *, replicas: int = 0) -> None:
        """Nothing is watched yet.

        Args:
            client: of one server, or of a cluster.
            replicas: see `Watcher`.
        """
        self._client = client
        self._replicas = replicas
        self._watchers: dict[Redis, Watcher] = {}
        self._stack = ExitStack()

    def of(self, key: str) -> "Watcher":
        """The one for keys in the slot of this key."""
        server = server_of(self._client, key)
        if server not in self._watchers:
            self._watchers[server] = self._stack.enter_context(Watcher(server, replicas=self._replicas))
        return self._watchers[server]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Watcher:
    """A connection on which keys are watched, from one `read` until the `write` that follows it or the next `read`."""

    def __init__(self, client: Redis, *, replicas: int = 0) -> None:
        """Nothing is watched yet.

        Args:
            client: of one server.
            replicas: how many must have what was written.
        """
        self._client = client
        self._replicas = replicas
        self._connection = client.connection_pool.get_connection()
        self._is_watching = False
        #: Whether replies are on their way that nobody has read: they would be taken for those of the next user.
        self._is_waiting = False

    def read(self, keys: Sequence[str], *commands: Command) -> list[Any]:
        """Watch these keys from now on, and run commands that read them.

        Returns:
            A reply for each command.

        Raises:
            ResponseError: the first error among the replies.
        """
        asked: list[Command] = [("WATCH", *keys), *commands]
        if self._is_watching:
            asked.insert(0, ("UNWATCH",))
        # On another connection all of it begins anew: nothing was written yet.
        retry = self._connection.retry
        replies: list[Any] = retry.call_with_retry(lambda: self._ask(asked), lambda _: self._connection.disconnect())
        self._is_watching = True
        return checked(replies)[-len(commands) :]

    def write(self, *commands: Command) -> None:
        """Run all of these commands, in one step.

        Raises:
            WatchError: a watched key has changed, or whether it has cannot be told; nothing was written, as far as is
                known.
            ResponseError: the first error among the replies.
            TooFewReplicasError: it was written here, and is not on as many replicas as it should be.
        """
        waits = [wait_for(self._replicas)] if self._replicas else []
        try:
            replies = self._ask([("MULTI",), *commands, ("EXEC",), *waits])
        except (BrokenConnectionError, NoReplyError) as error:
            self._connection.disconnect()
            raise WatchError(f"the connection broke while keys were watched: {error}") from error
        self._is_watching = False
        executed = checked(replies[: len(commands) + 2])[-1]
        if executed is None:
            raise WatchError("a watched key has changed")
        checked(executed)
        if waits:
            check_replicas(replies[-1], self._replicas)

    def close(self) -> None:
        """Give the connection back, as it was taken."""
        try:
            if self._is_watching and not self._is_waiting:
                self._ask([("UNWATCH",)])
        except (BrokenConnectionError, NoReplyError):
            pass  # with it, what was watched is forgotten
        finally:
            if self._is_waiting:
                self._connection.disconnect()
            self._client.connection_pool.release(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands at once, and read as many replies. An error is one, too: those after it have to be read."""
        if self._is_waiting:
            self._connection.disconnect()
        self._is_waiting = True
        # Without the driver's look at the connection: it might make another, on which nothing is watched.
        self._connection.send_packed_command(pack(commands), check_health=False)
        replies = [self._reply(str(command[0])) for command in commands]
        self._is_waiting = False
        return replies

    def _reply(self, command: str) -> Any:
        try:
            return self._client.parse_response(self._connection, command)
        except ResponseError as error:
            return error
