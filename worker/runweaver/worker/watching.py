"""Watches keys and reads what they hold, in one round trip.

The driver takes one for each command between `WATCH` and `MULTI`, so that a caller may look at a reply before it sends
the next. A finalizer has nothing to look at before it has them all.
"""

from collections.abc import Sequence
from typing import Any

from redis.client import Pipeline
from redis.exceptions import ResponseError


def watch_and_read(pipeline: Pipeline, keys: Sequence[str], *commands: Sequence[str]) -> list[Any]:
    """Watch these keys from now on, and run commands that read them.

    Args:
        pipeline: a new one. It watches from then on, as after its own `watch`.
        keys: what to watch.
        commands: each with its arguments.

    Returns:
        A reply for each command.

    Raises:
        ResponseError: the first error among the replies.
    """
    connection = pipeline.connection_pool.get_connection()
    # What the pipeline holds, it also gives back.
    pipeline.connection = connection
    every = [("WATCH", *keys), *commands]

    def ask() -> list[Any]:
        connection.send_packed_command(connection.pack_commands(every))
        return [_reply(pipeline, command[0]) for command in every]

    # On another connection all of it begins anew: nothing was written yet, and nothing is watched there.
    replies = connection.retry.call_with_retry(ask, lambda _: connection.disconnect())
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies[1:]


def _reply(pipeline: Pipeline, command: str) -> Any:
    """The next reply. An error is one, too: those that follow have to be read all the same."""
    try:
        return pipeline.parse_response(pipeline.connection, command)
    except ResponseError as error:
        return error
