"""Looks at some of very many runs: what they used, how long they took, and what they were for."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError
from redis import Redis

from runweaver.shared.cluster import get_all
from runweaver.shared.keys import Keys
from runweaver.shared.replies import execute

#: About so many runs are looked at, over all times.
_MOST: Final = 1_000
#: And so many of an index whose newest runs are wanted.
_MOST_LATEST: Final = 100


class Glance(BaseModel):
    """What is seen of a summary at a glance: it is read in a third of the time of the whole."""

    run_id: str
    goal_id: str
    tokens: int = 0
    duration_ms: int


_GLANCES: Final = TypeAdapter(list[Glance])


class Glances:
    """Looks at summaries of one namespace."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def newest(self, index: str, spans_ms: Sequence[tuple[int, int]], counts: Sequence[int]) -> list[list[Glance]]:
        """The newest runs of each of these times (from, including; to, excluding), as many of each.

        Args:
            index: what to look for them in.
            spans_ms: the times.
            counts: how many runs each of them has: where all of them together are few, all are looked at.
        """
        busy = [place for place, count in enumerate(counts) if count]
        if not busy:
            return [[] for _ in counts]
        share = _MOST // len(busy) if sum(counts) > _MOST else _MOST
        with self._client.pipeline(transaction=False) as pipeline:
            for place in busy:
                since_ms, until_ms = spans_ms[place]
                limits: tuple[Any, Any] = f"({until_ms}", since_ms
                pipeline.zrange(index, *limits, desc=True, byscore=True, offset=0, num=share)
            found = dict(zip(busy, execute(pipeline), strict=True))
        seen = self._read([run_id for run_ids in found.values() for run_id in run_ids])
        return [[seen[run_id] for run_id in found.get(place, ()) if run_id in seen] for place in range(len(counts))]

    def latest(self, index: str, spans_ms: Sequence[tuple[int, int]]) -> list[Glance]:
        """The newest runs of all these times together."""
        limits: tuple[Any, Any] = f"({spans_ms[-1][1]}", spans_ms[0][0]
        run_ids: Any = self._client.zrange(index, *limits, desc=True, byscore=True, offset=0, num=_MOST_LATEST)
        return list(self._read(run_ids).values())

    def _read(self, run_ids: Sequence[bytes]) -> dict[bytes, Glance]:
        """Of those that are still there. What is stored as a summary and is none is left out."""
        raws = get_all(self._client, [self._keys.summary(run_id.decode(errors="replace")) for run_id in run_ids])
        stored = {run_id: raw for run_id, raw in zip(run_ids, raws, strict=True) if raw is not None}
        try:
            # In one step: a call for each adds up.
            glances = _GLANCES.validate_json(b"[%b]" % b",".join(stored.values()))
        except ValidationError:
            glances = []
        if len(glances) == len(stored):
            return dict(zip(stored, glances, strict=True))
        return {run_id: glance for run_id, raw in stored.items() if (glance := _read_one(raw)) is not None}


def estimated_tokens(looked_at: Sequence[Glance], runs: int) -> int:
    """What so many runs used, if all are like those that were looked at."""
    return round(sum(glance.tokens for glance in looked_at) / len(looked_at) * runs) if looked_at else 0


def weighted_median(weighted: Iterable[tuple[int, float]]) -> int | None:
    """The number at which half of all weight is reached; none where there is no number."""
    numbers = sorted(weighted)
    half = sum(weight for _, weight in numbers) / 2
    reached = 0.0
    for number, weight in numbers:
        reached += weight
        if reached >= half:
            return number
    return None


def _read_one(raw: bytes) -> Glance | None:
    try:
        return Glance.model_validate_json(raw)
    except ValidationError:
        return None
