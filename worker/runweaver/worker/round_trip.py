"""Many commands in one go, for what is done for each batch.

The driver's pipeline does the same for a few commands. With hundreds, and a megabyte of arguments, it takes twice the
time, and hands the bytes over in hundreds of small pieces: each of them lets another thread have the interpreter, and
waits to get it back.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import hiredis
from redis import Redis
from redis.exceptions import ResponseError

#: A command's name and arguments.
Command: TypeAlias = tuple[str | bytes | int | float, ...]

#: What is larger is not put together.
_LARGE_BYTES: Final = 16 * 1024 * 1024


def round_trip(client: Redis, commands: Iterable[Command]) -> list[Any]:
    """Send these commands, and read their replies: raw, in order, errors among them.

    Nothing is sent again where the connection breaks: some of it may have been done.

    Raises:
        RedisError: no connection, or it broke.
    """
    asked = list(commands)
    if not asked:
        return []
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_packed_command(pack(asked))
        return [_reply(connection) for _ in asked]
    except BaseException:
        # Replies that nobody has read must not be taken for those to the next commands.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def pack(commands: Iterable[Command]) -> list[bytes]:
    """The bytes of these commands: in one piece, unless it would cost much memory to put them together."""
    pieces = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type] # its stub allows one
    return pieces if sum(map(len, pieces)) > _LARGE_BYTES else [b"".join(pieces)]


def checked(replies: list[Any]) -> list[Any]:
    """These replies, if none is an error.

    Raises:
        ResponseError: the first that is.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
