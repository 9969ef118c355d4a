"""No key without an owner: each expires, or is on a list of those that stay, with the reason why it is bounded."""

import re
from collections.abc import Iterator

import redis

from runweaver.shared import Keys
from tests.support.waiting import wait_until

#: What stays, and what bounds it.
LASTING = {
    r"{namespace}:partitions": "one number",
    r"{namespace}:messages:\{\d+\}": "a stream; entries go when they are merged",
    r"{namespace}:(active|due):\{\d+\}": "a run leaves when it is summarised",
    r"{namespace}:dead-letters:\{\d+\}": "capped, and trimmed by age",
    r"{namespace}:finished": "capped",
    r"{namespace}:webhook-dead-letters": "capped, and trimmed by age",
    r"{namespace}:index:.+": "an entry goes with its summary",
    r"rq:queues": "the name of each queue, once",
    r"rq:queue:{namespace}-finalize": "waiting jobs: no more are added where there are many",
    r"rq:(queue:)?intermediate:.*|rq:queue:{namespace}-finalize:intermediate": "the job in hand of each finalizer",
    r"rq:(finished|failed|wip|started|canceled|deferred|scheduled):{namespace}-finalize": "RQ's registries, by age",
    r"rq:workers(:{namespace}-finalize)?": "the finalizers that are there",
}


def strays(client: redis.Redis, namespace: str) -> list[str]:
    """Keys of a namespace that stay although nobody says that they may. The runs of other tests are not looked at."""
    patterns = [re.compile(pattern.replace("{namespace}", re.escape(namespace))) for pattern in LASTING]
    ours = [key for key in _names(client, f"{namespace}:*", "rq:*") if not _is_of_another(key, namespace)]
    with client.pipeline(transaction=False) as pipeline:
        for key in ours:
            pipeline.pttl(key)
        terms = pipeline.execute()
    lasting = [key for key, term in zip(ours, terms, strict=True) if term == -1]
    return [
        key
        for key in lasting
        if not any(pattern.fullmatch(key) for pattern in patterns) and not _has_owner(client, namespace, key)
    ]


def wait_until_no_strays(client: redis.Redis, namespace: str) -> None:
    """A process that is just at work may be between two steps: give it a moment."""
    found: list[str] = []

    def look() -> bool:
        found[:] = strays(client, namespace)
        return not found

    try:
        wait_until(look, timeout_s=5)
    except AssertionError:
        raise AssertionError(f"keys that nobody owns: {found}") from None


def _names(client: redis.Redis, *matches: str) -> Iterator[str]:
    for match in matches:
        yield from (key.decode() for key in client.scan_iter(match=match, count=5_000))


def _is_of_another(key: str, namespace: str) -> bool:
    """Whether a key of RQ's belongs to the queue of another namespace, or to no queue that can be told."""
    return key.startswith("rq:") and key not in ("rq:queues", "rq:workers") and f":{namespace}-finalize" not in key


def _has_owner(client: redis.Redis, namespace: str, key: str) -> bool:
    """A live set belongs to a run that is open or due: it goes when that is summarised."""
    keys = Keys(namespace)
    match = re.fullmatch(rf"{re.escape(namespace)}:run:\{{(.+)\}}", key)
    if match is None:
        return False
    partitions = int(client.get(keys.partitions) or 1)
    return any(
        client.zscore(of(partition), match[1]) is not None
        for of in (keys.active, keys.due)
        for partition in range(partitions)
    )
