"""taskiq: its command with one worker and its usual settings, and the broker of taskiq-redis that acknowledges.

python -m benchmarks.peer_taskiq JOBS: put so many into the queue.
"""

import asyncio
import sys

from redis.asyncio import Redis
from taskiq_redis import RedisStreamBroker

from benchmarks import peer_work
from benchmarks.processes import KEYS

_client = Redis.from_url(peer_work.URL)

broker = RedisStreamBroker(peer_work.URL)


async def _store(run_id: str, number: int, message: str) -> None:
    await _client.hset(KEYS.run(run_id), str(number), message)


store = broker.register_task(_store, task_name="store")


async def main() -> None:
    """Fill the queue."""
    await broker.startup()
    for arguments in peer_work.jobs(int(sys.argv[1])):
        await store.kiq(*arguments)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
