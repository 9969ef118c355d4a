"""What a job of a task queue does: a worker's work for one message, which is the same `HSET`."""

from collections.abc import Iterator
from typing import Final

from benchmarks.messages import Load
from benchmarks.processes import KEYS
from runweaver.shared import connect
from runweaver.shared.settings import ServerSettings

#: Few, so that counting what is done costs little.
RUNS: Final = 20
URL: Final = ServerSettings.load().redis_url

_client = connect(URL, name="peer")


def store(run_id: str, number: int, message: str) -> None:
    """The job."""
    _client.hset(KEYS.run(run_id), str(number), message)


def jobs(count: int) -> Iterator[tuple[str, int, str]]:
    """The arguments of so many jobs, a message each."""
    load = Load(RUNS, -(-count // RUNS))
    for number, (run_id, raw) in zip(range(count), load.sent(), strict=False):
        yield run_id, number, raw.decode()
