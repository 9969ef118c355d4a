"""A server for outboxes, which takes batches, or does not."""

import threading

from redis.exceptions import ConnectionError as RedisConnectionError


class FakeServer:
    """Takes batches, or does not."""

    def __init__(self) -> None:
        #: What each call brought, also where it failed.
        self.calls: list[list[list[bytes]]] = []
        #: What arrived.
        self.batches: list[list[bytes]] = []
        #: While this is not set, it hangs.
        self.answers = threading.Event()
        self.answers.set()
        #: How often it fails before it works.
        self.failures = 0
        self.error: Exception = RedisConnectionError("away")

    def __call__(self, batches: list[list[bytes]]) -> None:
        self.calls.append([list(batch) for batch in batches])
        assert self.answers.wait(20)
        if self.failures:
            self.failures -= 1
            raise self.error
        self.batches += batches

    @property
    def messages(self) -> list[bytes]:
        return [raw for batch in self.batches for raw in batch]
