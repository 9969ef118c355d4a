"""Where a run stands in the sets that say what is to be done: `due` and `active`.

They are read before a run is looked at, and a run leaves them only if nobody has marked it anew since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from redis import Redis
from redis.client import Pipeline

from runweaver.shared.keys import Keys, partition_of
from runweaver.shared.replies import execute

#: Compares and removes in one step, which no command of the server does.
_REMOVE_IF_UNCHANGED: Final = """
for i, key in ipairs(KEYS) do
    local score = redis.call('ZSCORE', key, ARGV[1])
    if score and tonumber(score) == tonumber(ARGV[i + 1]) then
        redis.call('ZREM', key, ARGV[1])
    end
end
"""


@dataclass(frozen=True)
class Marks:
    """A run's scores (ms) at one moment; none where it is not in the set."""

    #: How many partitions there are, and which of them holds the scores.
    partitions: int
    home: int
    due: float | None
    active: float | None
    #: The server's time.
    now_ms: float


def read_marks(client: Redis, keys: Keys, run_ids: Sequence[str], partitions: int) -> list[Marks]:
    """Note where these runs stand now."""
    homes = [partition_of(run_id, partitions) for run_id in run_ids]
    with client.pipeline(transaction=False) as pipeline:
        pipeline.time()
        for run_id, home in zip(run_ids, homes, strict=True):
            pipeline.zscore(keys.due(home), run_id)
            pipeline.zscore(keys.active(home), run_id)
        (seconds, microseconds), *scores = execute(pipeline)
    now_ms = seconds * 1000 + microseconds / 1000
    return [
        Marks(partitions, home, due, active, now_ms)
        for home, due, active in zip(homes, scores[::2], scores[1::2], strict=True)
    ]


def leave(client: Redis | Pipeline, keys: Keys, run_id: str, marks: Marks) -> None:
    """Take the run out of the sets in which it still stands as noted."""
    noted = {keys.due(marks.home): marks.due, keys.active(marks.home): marks.active}
    remove_if_unchanged(client, run_id, {key: score for key, score in noted.items() if score is not None})


def remove_if_unchanged(client: Redis | Pipeline, run_id: str, scores: Mapping[str, float]) -> None:
    """Remove a run from these sets, all in one slot, from each only if its score is still this one."""
    client.eval(_REMOVE_IF_UNCHANGED, len(scores), *scores, run_id, *map(repr, scores.values()))
