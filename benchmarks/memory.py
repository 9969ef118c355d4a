"""How many bytes a run takes in Redis, against its JSON as it was sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from benchmarks.figures import Kind, Pair, Rounds, Row, at_most
from benchmarks.processes import KEYS, ROOT, STREAM, Site, fresh_site
from benchmarks.sender import Connection, pack
from benchmarks.varied import Agent
from examples.replay_conversations import read_conversations, replay, steps_of
from runweaver.producer import Producer
from runweaver.shared import ProducerSettings

_RECORDINGS: Final = ROOT.parent / "shared" / "data" / "airline_runs.jsonl.gz"
_RUNS: Final = 2_000
_LEAST_RUNS: Final = 20
_LIVE_RUNS: Final = 200
_SAMPLED: Final = 200
_FLUSH_S: Final = 60.0
_ENTRIES_A_READ: Final = 50

_SHORT: Final = "20 messages"
_LONG: Final = "200 messages"
_RECORDED: Final = "recorded"
_LENGTHS: Final = {_SHORT: 20, _LONG: 200}

#: Sends so many runs.
Send = Callable[[Producer, int], None]


@dataclass(frozen=True)
class _Taken:
    """Bytes a run."""

    json: float
    #: By how much the server's memory grew, whatever for.
    all: float
    archive: float
    summary: float
    figures: float
    indexes: float

    def pairs(self, what: str) -> Iterator[tuple[str, Pair]]:
        yield f"{what}, all memory", Pair(self.all, self.json)
        yield f"{what}, its keys", Pair(self.archive + self.summary + self.figures + self.indexes, self.json)
        for name in ("archive", "summary", "figures", "indexes"):
            yield f"{what}, {name}", Pair(getattr(self, name), self.json)


def _measure(scale: float) -> Rounds:
    runs = max(_LEAST_RUNS, int(_RUNS * scale))
    while True:
        found: dict[str, Pair | str] = {}
        for what, messages in _LENGTHS.items():
            found |= _finished(partial(_send_varied, messages=messages), runs).pairs(what)
            found[f"{what}, live"] = _live(partial(_send_varied, messages=messages, ends=False), min(runs, _LIVE_RUNS))
        if _RECORDINGS.exists():
            found |= _finished(_send_recorded, runs).pairs(_RECORDED)
        else:
            found |= {kind.name: "there are no recordings" for kind in _kinds(_RECORDED)}
        yield found


def _finished(send: Send, runs: int) -> _Taken:
    """Of runs that are finalized."""
    with fresh_site() as site:
        site.start("worker", "finalizer")
        with _producer(site) as producer:
            send(producer, 1)
        _wait_until_finalized(site, 1)
        memory, indexes = _used(site), _indexes(site)
        # What is merged is gone from the stream: it is counted while no worker is there.
        site.processes.stop("worker")
        with _producer(site) as producer:
            send(producer, runs)
        json = _waiting(site)
        site.start("worker")
        _wait_until_finalized(site, runs + 1)
        found: Any = site.client.zrange(KEYS.index_all, 0, _SAMPLED - 1)
        run_ids = [run_id.decode() for run_id in found]
        return _Taken(
            json=json / runs,
            all=(_used(site) - memory) / runs,
            archive=sum(_size(site, KEYS.archive(run_id)) for run_id in run_ids) / len(run_ids),
            summary=sum(_size(site, KEYS.summary(run_id)) for run_id in run_ids) / len(run_ids),
            figures=sum(_size(site, KEYS.figures(run_id)) for run_id in run_ids) / len(run_ids),
            indexes=(_indexes(site) - indexes) / runs,
        )


def _live(send: Send, runs: int) -> Pair:
    """Of runs that go on."""
    with fresh_site() as site:
        with _producer(site) as producer:
            send(producer, runs)
        json = _waiting(site)
        site.start("worker")
        site.wait_until(site.is_merged)
        hashes = list(site.client.scan_iter(KEYS.run("*"), count=1000))
        assert len(hashes) == runs
        return Pair(sum(_size(site, key) for key in hashes) / runs, json / runs)


def _send_varied(producer: Producer, runs: int, *, messages: int, ends: bool = True) -> None:
    agent = Agent(runs)
    for _ in range(runs):
        agent.report_run(producer, messages, ends=ends)
        # Faster than any agent: without waiting, this would overflow the producer's buffer.
        producer.flush(_FLUSH_S)


def _send_recorded(producer: Producer, runs: int) -> None:
    """Again and again, under other names, until they are so many."""
    conversations = list(read_conversations(_RECORDINGS))
    many = ((turn, each) for turn in range(runs) for each in conversations)
    for turn, each in islice(many, runs):
        run_id = f"recorded-{runs}-{turn}-task-{each.task_id}-trial-{each.trial}"
        replay(producer, each, list(steps_of(each)), run_id, "recorded")
        producer.flush(_FLUSH_S)


@contextmanager
def _producer(site: Site) -> Iterator[Producer]:
    with Producer(name="bench", settings=ProducerSettings(redis_url=site.url, namespace=KEYS.namespace)) as producer:
        yield producer
    assert producer.dropped == 0


def _waiting(site: Site) -> int:
    """All bytes of JSON on the stream."""
    connection = Connection(site.url)
    size, after = 0, b"-"
    while True:
        asked = pack(b"XRANGE", STREAM.encode(), after, b"+", b"COUNT", b"%d" % _ENTRIES_A_READ)
        (entries,) = connection.ask(asked, 1)
        size += sum(len(raw) for _, fields in entries for raw in fields[1::2])
        if len(entries) < _ENTRIES_A_READ:
            connection.close()
            return size
        after = b"(" + entries[-1][0]


def _wait_until_finalized(site: Site, runs: int) -> None:
    site.wait_until(lambda: site.summarised() == runs)
    marks = (KEYS.due(0), KEYS.active(0))
    site.wait_until(lambda: not site.client.exists(*marks) and not site.client.keys("rq:job:*"), every_s=0.05)
    site.wait_until_quiet()


def _indexes(site: Site) -> int:
    return sum(_size(site, key) for key in site.client.scan_iter(f"{KEYS.namespace}:index:*", count=1000))


def _used(site: Site) -> int:
    return int(site.client.info("memory")["used_memory"])


def _size(site: Site, key: Any) -> int:
    # All of its elements are looked at, not only some.
    return int(site.client.memory_usage(key, samples=0) or 0)


def _kinds(what: str, bound: float | None = None) -> Iterator[Kind]:
    target = at_most(bound) if bound is not None else None
    yield Kind(f"{what}, all memory", "bytes/run", "its JSON", target)
    yield Kind(f"{what}, its keys", "bytes/run", "its JSON", target)
    for name in ("archive", "summary", "figures", "indexes"):
        yield Kind(f"{what}, {name}", "bytes/run", "its JSON")


ROWS: Final = (
    Row(
        "memory",
        f"bytes in Redis of {_RUNS:,} finished runs, by the growth of its memory and by their keys, and of live runs",
        (
            *_kinds(_SHORT, 0.4),
            *_kinds(_LONG, 0.15),
            *_kinds(_RECORDED),
            *(Kind(f"{what}, live", "bytes/run", "its JSON", at_most(1.3)) for what in _LENGTHS),
        ),
        _measure,
    ),
)
