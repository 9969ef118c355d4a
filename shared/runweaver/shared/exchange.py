"""Many commands in one go, to one server or to some at the same time.

The driver's pipeline does the same for a few commands. With hundreds, and a megabyte of arguments, it takes twice the
time, and hands the bytes over in hundreds of small pieces: each of them lets another thread have the interpreter, and
waits to get it back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from redis import Redis
from redis.exceptions import ConnectionError as BrokenConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoReplyError

try:
    from hiredis import pack_command
except ModuleNotFoundError:  # an agent sends a few commands at once, and does well without

    def pack_command(command: "Command") -> bytes:  # type: ignore[misc] # its stub allows one kind of arguments
        """The bytes of a command."""
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
        return b"*%d\r\n%b" % (len(parts), b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))


#: A command's name and arguments.
Command: TypeAlias = tuple[str | bytes | int | float, ...]

#: Reads the reply to a command from a server's connection: it is told which of the commands that is.
Read: TypeAlias = Callable[[Redis, Any, int], Any]

#: What is larger is not put together.
_LARGE_BYTES: Final = 16 * 1024 * 1024


def exchange(
    commands: Sequence[Command],
    places: Mapping[Redis, Sequence[int]],
    read: Read,
    *,
    failed: Callable[[Redis], None] | None = None,
) -> list[Any]:
    """Send each server its commands, and read the replies. The servers work at the same time.

    Nothing is sent again where a connection breaks: some of it may have been done.

    Args:
        commands: all of them.
        places: which of them go to which server.
        read: see `Read`.
        failed: is told which server it was that did not answer.

    Returns:
        The reply to each command, an error where that was the reply.

    Raises:
        RedisError: no connection, or it broke.
    """
    replies: list[Any] = [None] * len(commands)
    connections: dict[Redis, Any] = {}
    server = None
    try:
        for server, its_places in places.items():
            connections[server] = connection = server.connection_pool.get_connection()
            connection.send_packed_command(pack(commands[place] for place in its_places))
        for server, connection in connections.items():
            for place in places[server]:
                replies[place] = _reply(read, server, connection, place)
    except BaseException as error:
        # Replies that nobody has read must not be taken for those to the next commands.
        for connection in connections.values():
            connection.disconnect()
        if isinstance(error, BrokenConnectionError | NoReplyError) and failed is not None and server is not None:
            failed(server)
        raise
    finally:
        for each, connection in connections.items():
            each.connection_pool.release(connection)
    return replies


def pack(commands: Iterable[Command]) -> list[bytes]:
    """The bytes of these commands: in one piece, unless it would cost much memory to put them together."""
    pieces = [pack_command(command) for command in commands]  # type: ignore[arg-type] # its stub allows one kind
    return pieces if sum(map(len, pieces)) > _LARGE_BYTES else [b"".join(pieces)]


def as_it_is(_server: Redis, connection: Any, _place: int) -> Any:
    """Read a reply as the server gave it."""
    return connection.read_response()


def _reply(read: Read, server: Redis, connection: Any, place: int) -> Any:
    try:
        return read(server, connection, place)
    except ResponseError as error:
        return error
