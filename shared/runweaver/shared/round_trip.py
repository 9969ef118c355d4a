"""Many commands in one go, wherever their keys are; and, where it must be, on as many replicas."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from runweaver.shared.cluster import Cluster
from runweaver.shared.exchange import Command, as_it_is, exchange

#: How long replicas may take for what was just written.
_WAIT_MS: Final = 1_000


class TooFewReplicasError(RedisError):
    """What was written is not on as many replicas as it should be. It may be later: write it again."""


def round_trip(client: Redis, commands: Iterable[Command], *, replicas: int = 0) -> list[Any]:
    """Send these commands, and read their replies: raw, in order, errors among them.

    Nothing is sent again where a connection breaks: some of it may have been done. In a cluster, commands keep their
    order where they go to the same server.

    Args:
        client: of one server, or of a cluster.
        commands: all keys of one are in one slot.
        replicas: how many must have what was written.

    Raises:
        RedisError: no connection, or it broke; `TooFewReplicasError`.
    """
    asked = list(commands)
    if not asked:
        return []
    waits: Sequence[Command] = [wait_for(replicas)] if replicas else []
    if isinstance(client, Cluster):
        replies = client.exchange(asked, as_it_is, afterwards=waits)
    else:
        replies = exchange([*asked, *waits], {client: range(len(asked) + len(waits))}, as_it_is)
    for acknowledged in replies[len(asked) :]:
        check_replicas(acknowledged, replicas)
    return replies[: len(asked)]


def wait_for(replicas: int) -> Command:
    """The command that waits until so many replicas have what was written over the same connection."""
    return ("WAIT", replicas, _WAIT_MS)


def check_replicas(acknowledged: Any, wanted: int) -> None:
    """Look at its reply.

    Raises:
        RedisError: it is another error, or `TooFewReplicasError`.
    """
    if isinstance(acknowledged, Exception):
        raise acknowledged
    if acknowledged < wanted:
        raise TooFewReplicasError(
            f"{acknowledged} of the {wanted} replicas have it after {_WAIT_MS / 1000:g} s (RUNWEAVER_WAIT_REPLICAS)"
        )


def checked(replies: list[Any]) -> list[Any]:
    """These replies, if none is an error.

    Raises:
        ResponseError: the first that is.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
