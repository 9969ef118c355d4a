"""The indexes over finished runs: sorted sets of run ids, scored by end time in milliseconds."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from redis import Redis
from redis.exceptions import ResponseError

from runweaver.shared.attention import AttentionFlag
from runweaver.shared.errors import CorruptSummaryError
from runweaver.shared.exchange import Command
from runweaver.shared.keys import Keys, findable_tags, has_index
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_scores
from runweaver.shared.round_trip import checked, round_trip
from runweaver.shared.summary import RunSummary

#: A summary outlives its term by this much, so that whoever clears the indexes can still read what it is in.
EXPIRY_GRACE_S: Final = 24 * 60 * 60

_log = get_logger(__name__)


def index_keys(keys: Keys, summary: RunSummary) -> list[str]:
    """All indexes in which this summary stands."""
    return [
        keys.index_all,
        keys.index_goal(summary.goal_id),
        keys.index_status(summary.status),
        keys.index_goal_status(summary.goal_id, summary.status),
        *map(keys.index_node, summary.nodes),
        *(keys.index_tag(tag) for tag in findable_tags(summary.tags) if has_index(tag)),
        *map(keys.index_attention, sorted({attention.flag for attention in summary.attention})),
    ]


def stale_keys(keys: Keys, summary: RunSummary, replaced: RunSummary | None) -> set[str]:
    """The indexes in which a run does not stand any more since `summary` replaced another."""
    return set(_possible_keys(keys, replaced)).difference(index_keys(keys, summary)) if replaced is not None else set()


def _possible_keys(keys: Keys, summary: RunSummary) -> list[str]:
    """All indexes in which the run of a stored summary may stand.

    A release that knew no attention replaced summaries without taking their runs out of the indexes of flags.
    """
    knows_attention = "attention" in summary.model_fields_set
    return [*index_keys(keys, summary), *(() if knows_attention else map(keys.index_attention, AttentionFlag))]


@dataclass(frozen=True)
class Indexed:
    """A summary that is to stand in the indexes."""

    summary: RunSummary
    expires_at_ms: float
    #: The summary that stood there before.
    replaced: RunSummary | None = None


def indexing(keys: Keys, summaries: Iterable[Indexed]) -> Iterator[Command]:
    """What adds summaries to their indexes, in this order, and to the list of what is to be cleared one day.

    Where one replaced another, it takes the run out of the indexes that were only that one's.
    """
    scores: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for each in summaries:
        run_id, finished_at_ms = each.summary.run_id, each.summary.finished_at.timestamp() * 1000
        for key in stale_keys(keys, each.summary, each.replaced):
            yield ("ZREM", key, run_id)
            # One run may stand here with two revisions.
            scores[key].pop(run_id, None)
        for key in index_keys(keys, each.summary):
            scores[key][run_id] = finished_at_ms
        scores[keys.index_expiry][run_id] = each.expires_at_ms
    for key, members in scores.items():
        if members:
            yield ("ZADD", key, *(part for run_id, score in members.items() for part in (score, run_id)))


def remove_from_indexes(client: Redis, run_id: str, names: Iterable[str]) -> None:
    """Take a run out of these indexes."""
    checked(round_trip(client, [("ZREM", name, run_id) for name in names]))


def announcing(keys: Keys, summary: RunSummary, *, kept: int) -> Command:
    """What tells whoever listens that a summary was written. After a crash it may be told twice.

    Of more than about `kept` announcements, the oldest go.
    """
    return (
        *("XADD", keys.finished, "MAXLEN", "~", kept, "*"),
        *("run_id", summary.run_id),
        *("revision", summary.revision),
        *("status", summary.status.value),
        *("goal_id", summary.goal_id),
    )


def clear_expired(client: Redis, keys: Keys, now_ms: float, limit: int) -> int:
    """Remove summaries whose term is over, and their index entries with them.

    Returns:
        How many.
    """
    rows = client.zrange(keys.index_expiry, "-inf", now_ms, byscore=True, offset=0, num=limit, withscores=True)
    expired = as_scores(rows)
    for run_id, _ in expired:
        remove_from_indexes(client, run_id, _known_indexes(client, keys, run_id))
        client.delete(keys.summary(run_id), keys.figures(run_id))
        client.zrem(keys.index_expiry, run_id)
    return len(expired)


def _known_indexes(client: Redis, keys: Keys, run_id: str) -> list[str]:
    """In which indexes a run stands, as far as its summary can tell: one bad key must not hold up the others."""
    try:
        raw = client.get(keys.summary(run_id))
        return _possible_keys(keys, RunSummary.read(run_id, raw or b""))
    except (CorruptSummaryError, ResponseError) as error:
        _log.warning(
            "an expired summary cannot be read, clearing the main index only", run_id=run_id, reason=str(error)
        )
        return [keys.index_all]
