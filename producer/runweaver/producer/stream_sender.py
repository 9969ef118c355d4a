"""Puts batches of messages onto the message streams, one entry a batch."""

from itertools import count

from redis.exceptions import NoPermissionError

from runweaver.producer.outbox import BATCH_MESSAGES
from runweaver.shared.connection import connect
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.partitions import raise_partitions

_log = get_logger(__name__)

#: One name for each message of an entry: they mean nothing, but many clients read an entry into a dictionary.
_FIELDS = tuple(map(str, range(BATCH_MESSAGES)))


class StreamSender:
    """Connects when there is something to send."""

    def __init__(self, url: str, keys: Keys, partitions: int) -> None:
        # The outbox sees to retries: here they would only make its closing slow.
        self._client = connect(url, name="producer", retries=0)
        self._keys = keys
        self._partitions = partitions
        self._turn = count()
        self._is_announced = partitions == 1

    def __call__(self, batches: list[list[bytes]]) -> None:
        """Put all batches onto the server, or raise: then any part of them may be there."""
        if not self._is_announced:
            self._announce()
        with self._client.pipeline(transaction=False) as pipeline:
            for batch in batches:
                # Spread evenly: any worker may merge any message.
                key = self._keys.messages(next(self._turn) % self._partitions)
                pipeline.execute_command(
                    "XADD", key, "*", *(part for pair in zip(_FIELDS, batch, strict=False) for part in pair)
                )
            pipeline.execute()

    def close(self) -> None:
        self._client.close()

    def _announce(self) -> None:
        """Workers serve as many partitions as anybody ever used: make sure that ours are among them."""
        try:
            raise_partitions(self._client, self._keys, self._partitions)
        except NoPermissionError:
            _log.warning(
                "not allowed to announce the number of partitions: give the workers at least this one",
                partitions=self._partitions,
            )
        self._is_announced = True
