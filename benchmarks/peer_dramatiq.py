"""dramatiq: its command with one process, its usual middleware and encoder, and twice its usual threads: faster so.

python -m benchmarks.peer_dramatiq JOBS: put so many into the queue.
"""

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import peer_work

dramatiq.set_broker(RedisBroker(url=peer_work.URL))
store = dramatiq.actor(peer_work.store)


def main() -> None:
    """Fill the queue."""
    for arguments in peer_work.jobs(int(sys.argv[1])):
        store.send(*arguments)


if __name__ == "__main__":
    main()
