"""Dead letters at a glance: why messages were set aside lately. What they hold is not kept in memory."""

from collections import Counter
from datetime import datetime
from typing import Final

from pydantic import BaseModel
from redis import Redis

from runweaver.query.status import PipelineStatus
from runweaver.shared.keys import Keys
from runweaver.shared.messages import entry_time
from runweaver.shared.replies import as_entries

#: A letter may hold a large message.
_MOST_LETTERS: Final = 100


class NewestLetter(BaseModel):
    """The dead letter that came last."""

    #: As `runweaver dead-letters` takes it.
    id: str
    at: datetime
    code: str
    reason: str


class DeadLettersStatus(BaseModel):
    """Dead letters by reason."""

    #: How many of each code there are among those that were looked at: the newest, up to a hundred.
    codes: dict[str, int]
    newest: NewestLetter | None


def read_dead_letters(client: Redis, keys: Keys, pipeline: PipelineStatus) -> DeadLettersStatus:
    """Look at the newest dead letters.

    Args:
        client: of the server.
        keys: of the namespace.
        pipeline: says where there are any.
    """
    having = [each.partition for each in pipeline.partitions if each.dead_letters]
    letters = [
        letter for partition in having for letter in _newest(client, keys, partition, _MOST_LETTERS // len(having))
    ]
    codes = Counter(letter.code for letter in letters)
    return DeadLettersStatus(
        codes=dict(codes.most_common()), newest=max(letters, key=lambda letter: letter.at, default=None)
    )


def _newest(client: Redis, keys: Keys, partition: int, count: int) -> list[NewestLetter]:
    found = as_entries(client.xrevrange(keys.dead_letters(partition), count=max(1, count)))
    return [
        NewestLetter(
            id=f"{partition}:{entry_id}",
            at=entry_time(entry_id),
            code=fields.get(b"code", b"").decode(errors="replace"),
            reason=fields.get(b"reason", b"").decode(errors="replace"),
        )
        for entry_id, fields in found
    ]
