"""What happens to servers under load, and what became of the runs meanwhile."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import redis
from redis.crc import key_slot

from runweaver.producer import Producer
from runweaver.query import read_status
from runweaver.shared import ProducerSettings, RunSummary
from tests.support.cluster import Cluster, Node, Sentinels
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

#: How long the load goes on after what happened.
_AFTERWARDS_S: Final = 5.0
_RUNS_AT_ONCE: Final = 20
#: How long a link to a replica is broken before its primary dies.
_LINK_BROKEN_S: Final = 1.0


@dataclass
class Load:
    """An agent that reports without a pause, two workers, two finalizers."""

    pipeline: Pipeline
    replicas: int
    #: Runs of which all messages were acknowledged.
    acknowledged: list[str] = field(default_factory=list)
    #: The longest time without a new summary.
    stood_still_s: float = 0.0
    is_over: threading.Event = field(default_factory=threading.Event)

    def report(self) -> None:
        """Report runs of one decision each, until it is over and all is acknowledged."""
        settings = ProducerSettings(
            redis_url=self.pipeline.url,
            namespace=self.pipeline.namespace,
            partitions=int(self.pipeline.environment.get("RUNWEAVER_PARTITIONS", "1")),
            wait_replicas=self.replicas,
        )
        with Producer(settings=settings) as producer:
            waiting: list[str] = []
            while not self.is_over.is_set() or waiting:
                for _ in range(_RUNS_AT_ONCE):
                    with producer.start_run("load") as run:
                        decision = run.quick_decision("Look", "Ask")
                        run.record_outcome(decision, success=True)
                    waiting.append(run.run_id)
                if producer.flush(30):
                    self.acknowledged += waiting
                    waiting = []
                time.sleep(0.01)

    def watch(self) -> None:
        """Measure for how long no summary comes."""
        written, since = 0, time.monotonic()
        while not self.is_over.is_set():
            with suppress(redis.RedisError):
                now_written = self.pipeline.redis.zcard(self.pipeline.keys.index_all)
                if now_written != written:
                    written, since = now_written, time.monotonic()
            self.stood_still_s = max(self.stood_still_s, time.monotonic() - since)
            time.sleep(0.02)


@dataclass(frozen=True)
class Outcome:
    """What became of the runs that were acknowledged."""

    acknowledged: int
    #: They have no summary, or one that lacks something.
    lost: int
    #: Their summary has something twice.
    doubled: int
    stood_still_s: float


@contextmanager
def load_on(pipeline: Pipeline, *, replicas: int) -> Iterator[Load]:
    """Load while something happens, and for a while after it."""
    pipeline.environment["RUNWEAVER_WAIT_REPLICAS"] = str(replicas)
    for role in ("worker", "worker", "finalizer", "finalizer"):
        pipeline.start(role)
    load = Load(pipeline, replicas)
    agent, watcher = threading.Thread(target=load.report), threading.Thread(target=load.watch)
    agent.start()
    try:
        # All are at work: a process that finds its server away when it starts ends.
        wait_until(lambda: load.acknowledged, what="something acknowledged")
        pipeline.summary(load.acknowledged[0], timeout_s=30)
        wait_until(lambda: len(read_status(pipeline.redis, pipeline.keys).workers) == 2, what="two workers")
        watcher.start()
        yield load
        time.sleep(_AFTERWARDS_S)
    finally:
        load.is_over.set()
        agent.join(90)
    watcher.join(10)
    assert not agent.is_alive()


def outcome_of(load: Load) -> Outcome:
    """Wait until all is worked off, and look at every run."""
    # What RQ noted of a job may be lost with a primary: then it counts as begun until its time is over.
    load.pipeline.wait_until_summarised()
    found = Counter(map(_verdict, map(load.pipeline.summaries.get, load.acknowledged)))
    listed = {each.run_id for each in load.pipeline.summaries.each(goal="load")}
    unlisted = len(set(load.acknowledged) - listed) - found["absent"]
    return Outcome(
        len(load.acknowledged),
        lost=found["absent"] + found["lacking"] + unlisted,
        doubled=found["doubled"],
        stood_still_s=load.stood_still_s,
    )


def kill_primary(cluster: Cluster, pipeline: Pipeline) -> int:
    """Kill a primary, and start it again when its replica has taken its place."""
    return kill_primary_of(pipeline.keys.messages(0), cluster)


def kill_primary_of(key: str, cluster: Cluster) -> int:
    """The same, with the primary that holds this key."""
    node = cluster.primary_of(key)
    node.kill()
    wait_until(lambda: cluster.primary_of(key) is not node, timeout_s=30, what="a new primary")
    node.start()
    return 1


def kill_primary_without_link(cluster: Cluster, pipeline: Pipeline) -> int:
    """The same, a second after the link to its replica has broken: what it acknowledged since, nobody else has."""
    node = cluster.primary_of(pipeline.keys.messages(0))
    replica = cluster.replica_of(node)
    # It stands still meanwhile: else it would be back within milliseconds.
    replica.process.send_signal(signal.SIGSTOP)
    with node.client() as client:
        client.execute_command("CLIENT KILL", "TYPE", "replica")
    time.sleep(_LINK_BROKEN_S)
    node.kill()
    replica.process.send_signal(signal.SIGCONT)
    wait_until(lambda: cluster.primary_of(pipeline.keys.messages(0)) is not node, timeout_s=30, what="a new primary")
    node.start()
    return 1


def move_slots(cluster: Cluster, pipeline: Pipeline) -> int:
    """Move the slots of streams, of sets and of runs, with what is in them, to other primaries."""
    keys = pipeline.keys
    names = [name for partition in range(6) for name in (keys.messages(partition), keys.due(partition))]
    names += [keys.index_all, keys.finished, keys.partitions]
    names += [keys.run(f"run-{number}") for number in range(20)]
    slots = {key_slot(name.encode()) for name in names}
    for slot in slots:
        _move(cluster, slot)
    return len(slots)


def cut_off_replica(cluster: Cluster, _pipeline: Pipeline) -> int:
    """Let a replica be silent for so long that the others take it for dead, and come back."""
    replica = next(node for node in cluster.nodes if not _is_primary(node))
    replica.process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    replica.process.send_signal(signal.SIGCONT)
    return 1


def kill_named_primary(sentinels: Sentinels, _pipeline: Pipeline) -> int:
    """Kill the primary that the sentinels name, and start it again when they name another."""
    node = sentinels.primary
    node.kill()
    wait_until(lambda: sentinels.primary is not node, timeout_s=40, what="a new primary")
    node.start()
    return 1


#: What happens to a cluster, by what it is called in the table.
ON_CLUSTERS: Final[dict[str, Callable[[Cluster, Pipeline], int]]] = {
    "a primary dies": kill_primary,
    "a primary dies, its link to the replica before": kill_primary_without_link,
    "slots move": move_slots,
    "a replica is cut off": cut_off_replica,
}


def _verdict(summary: RunSummary | None) -> str:
    if summary is None:
        return "absent"
    if summary.decision_count > 1:
        return "doubled"
    is_whole = summary.decision_count == 1 and not summary.pending_decisions and not summary.completeness.missing
    return "whole" if is_whole and summary.status == "completed" else "lacking"


def _is_primary(node: Node) -> bool:
    with node.client() as client:
        return bool(client.info("replication")["role"] == "master")


def _move(cluster: Cluster, slot: int) -> None:
    """Move a slot as `redis-cli --cluster reshard` does."""
    source = cluster.primary_of_slot(slot)
    target = next(node for node in cluster.nodes if _is_primary(node) and node is not source)
    with source.client() as giving, target.client() as taking:
        giver, taker = (client.execute_command("CLUSTER MYID").decode() for client in (giving, taking))
        taking.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", giver)
        giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", taker)
        while names := giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 10):
            time.sleep(0.02)  # as long as a network takes: commands meet a slot that is half here and half there
            giving.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *names)
        for client in (taking, giving):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", taker)
