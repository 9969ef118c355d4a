"""The server's replies as what they are.

The driver's types allow for every option of a client (text or bytes, one protocol or the other). Ours has one set of
them, see `connect`: here its replies get their one type.
"""

from typing import Any

from redis.client import Pipeline


def execute(pipeline: Pipeline) -> list[Any]:
    """Execute a pipeline, and raise its first error as the server gave it.

    Left to itself, the driver would write the command into the error's text: parts of what an agent sent would end in
    a log.
    """
    replies = pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def as_scores(rows: Any) -> list[tuple[str, float]]:
    """The reply to a range of a sorted set, with scores: members and scores.

    What is no text was put there by somebody else, and becomes the name of nothing.
    """
    return [(member.decode(errors="replace"), score) for member, score in rows]


def as_entries(rows: Any) -> list[tuple[str, dict[bytes, bytes]]]:
    """The reply to a range of a stream: entry ids and fields."""
    return [(entry_id.decode(), fields) for entry_id, fields in rows]
