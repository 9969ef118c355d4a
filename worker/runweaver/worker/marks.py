"""Where a run stands in the sets that say what is to be done: `due` and `active`.

They are read before a run is looked at, and a run leaves them only if nobody has marked it anew since.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from redis import Redis

from runweaver.shared.exchange import Command
from runweaver.shared.keys import Keys, partition_of
from runweaver.shared.round_trip import checked, round_trip

#: Compares and removes in one step, which no command of the server does. Each run comes with a score for each key,
#: empty where none was noted.
_REMOVE_IF_UNCHANGED: Final = """
for i = 1, #ARGV, #KEYS + 1 do
    for k, key in ipairs(KEYS) do
        local noted = tonumber(ARGV[i + k])
        local score = noted and redis.call('ZSCORE', key, ARGV[i])
        if score and tonumber(score) == noted then
            redis.call('ZREM', key, ARGV[i])
        end
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
    #: The same moment by our clock (monotonic, s).
    read_at: float = field(default_factory=time.monotonic, compare=False)


def read_marks(client: Redis, keys: Keys, run_ids: Sequence[str], partitions: int) -> list[Marks]:
    """Note where these runs stand now."""
    members = defaultdict(list)
    for run_id in run_ids:
        members[partition_of(run_id, partitions)].append(run_id)
    commands: list[Command] = [("TIME",)]
    for home, some in members.items():
        commands.append(("ZMSCORE", keys.due(home), *some))
        commands.append(("ZMSCORE", keys.active(home), *some))
    now, *scores = checked(round_trip(client, commands))
    now_ms = as_ms(now)
    marks = {
        run_id: Marks(partitions, home, _score(due), _score(active), now_ms)
        for (home, some), all_due, all_active in zip(members.items(), scores[::2], scores[1::2], strict=True)
        for run_id, due, active in zip(some, all_due, all_active, strict=True)
    }
    return [marks[run_id] for run_id in run_ids]


def leaving(keys: Keys, noted: Iterable[tuple[str, Marks]]) -> Iterator[Command]:
    """What takes runs out of the sets in which they still stand as noted."""
    scores = defaultdict(list)
    for run_id, marks in noted:
        scores[marks.home].append((run_id, marks.due, marks.active))
    for home, rows in scores.items():
        yield removing_unchanged([keys.due(home), keys.active(home)], rows)


def removing_unchanged(keys: Sequence[str], rows: Iterable[tuple[str | float | None, ...]]) -> Command:
    """What removes runs from sets, each only where its score is still this one.

    Args:
        keys: the sets, all in one slot.
        rows: each run's id, and its score in each of the sets; none where it is to stay.
    """
    arguments = ["" if value is None else value for row in rows for value in row]
    return ("EVAL", _REMOVE_IF_UNCHANGED, len(keys), *keys, *arguments)


def as_ms(time: Sequence[bytes]) -> float:
    """The server's reply to `TIME` in milliseconds."""
    seconds, microseconds = map(int, time)
    return seconds * 1000 + microseconds / 1000


def _score(raw: bytes | float | None) -> float | None:
    """A score as it comes with either protocol."""
    return None if raw is None else float(raw)
