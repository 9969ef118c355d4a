"""How many partitions there are: as many as anybody ever used."""

from redis import Redis
from redis.exceptions import WatchError

from runweaver.shared.cluster import on_server_of
from runweaver.shared.keys import Keys


def raise_partitions(client: Redis, keys: Keys, at_least: int) -> int:
    """Make sure that workers serve at least this many partitions.

    Returns:
        How many they serve.
    """

    def raise_once(server: Redis) -> int:
        with server.pipeline() as pipeline:
            pipeline.watch(keys.partitions)
            known = int(pipeline.get(keys.partitions) or 0)
            if known >= at_least:
                return known
            pipeline.multi()
            pipeline.set(keys.partitions, at_least)
            pipeline.execute()
            return at_least

    while True:
        try:
            return on_server_of(client, keys.partitions, raise_once)
        except WatchError:
            continue
