"""The floor: a bare loop that moves the same bytes with the same commands as a worker, and decides nothing.

It reads, stores by run, acknowledges and deletes. It validates nothing, and takes the run's id from the field's name.
"""

from collections import defaultdict
from typing import Any, Final

from redis import Redis

from benchmarks.processes import KEYS, STREAM
from runweaver.shared import connect
from runweaver.shared.keys import WORKER_GROUP
from runweaver.shared.settings import ServerSettings

#: As many messages a batch as a worker has.
_ENTRIES: Final = 20


def main() -> None:
    """Work until killed."""
    client = connect(ServerSettings.load().redis_url, name="floor")
    client.set_response_callback("XREADGROUP", lambda reply, **_: reply)
    client.xgroup_create(STREAM, WORKER_GROUP, id="0", mkstream=True)
    number = 0
    while True:
        number = _move_batch(client, number)


def _move_batch(client: Redis, number: int) -> int:
    reply = client.execute_command(
        "XREADGROUP", "GROUP", WORKER_GROUP, "floor", "COUNT", _ENTRIES, "BLOCK", 1000, "STREAMS", STREAM, ">"
    )
    for entries in (reply or {}).values():
        runs: dict[bytes, list[Any]] = defaultdict(list)
        for _, fields in entries:
            for run_id, message in zip(fields[::2], fields[1::2], strict=True):
                runs[run_id] += (number, message)
                number += 1
        with client.pipeline(transaction=False) as pipeline:
            for run_id, stored in runs.items():
                pipeline.execute_command("HSET", KEYS.run(run_id.decode()), *stored)
            pipeline.execute()
        ids = [entry_id for entry_id, _ in entries]
        with client.pipeline(transaction=False) as pipeline:
            pipeline.xack(STREAM, WORKER_GROUP, *ids)
            pipeline.xdel(STREAM, *ids)
            pipeline.execute()
    return number


if __name__ == "__main__":
    main()
