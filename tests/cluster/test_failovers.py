"""Servers die, slots move, replicas fall behind, all under load: every summary is what was acknowledged."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.crc import key_slot

from runweaver.producer import Producer
from runweaver.query import read_status
from runweaver.shared import ProducerSettings
from tests.support.cluster import Cluster, Node, Sentinels
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_LOAD_S = 6.0


@dataclass
class _Load:
    """Runs that are reported without a pause, each of one decision; and those of which all was acknowledged."""

    pipeline: Pipeline
    replicas: int
    acknowledged: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def report(self) -> None:
        partitions = int(self.pipeline.environment.get("RUNWEAVER_PARTITIONS", "1"))
        settings = ProducerSettings(
            redis_url=self.pipeline.url,
            namespace=self.pipeline.namespace,
            partitions=partitions,
            wait_replicas=self.replicas,
        )
        with Producer(settings=settings) as producer:
            waiting: list[str] = []
            while not self.is_over.is_set() or waiting:
                for _ in range(20):
                    with producer.start_run("load") as run:
                        decision = run.quick_decision("Look", "Ask")
                        run.record_outcome(decision, success=True)
                    waiting.append(run.run_id)
                # A copy: what is reported while we wait is for the next time.
                if producer.flush(30):
                    self.acknowledged += waiting
                    waiting = []
                time.sleep(0.01)


@contextmanager
def _load(pipeline: Pipeline, *, replicas: int = 1) -> Iterator[_Load]:
    """Two workers, two finalizers and one agent that does not stop reporting."""
    pipeline.environment["RUNWEAVER_WAIT_REPLICAS"] = str(replicas)
    for role in ("worker", "worker", "finalizer", "finalizer"):
        pipeline.start(role)
    load = _Load(pipeline, replicas)
    agent = threading.Thread(target=load.report)
    agent.start()
    try:
        # All are at work: a process that finds its server away when it starts ends.
        wait_until(lambda: load.acknowledged, what="something acknowledged")
        pipeline.summary(load.acknowledged[0], timeout_s=30)
        wait_until(lambda: len(read_status(pipeline.redis, pipeline.keys).workers) == 2, what="two workers")
        yield load
        time.sleep(_LOAD_S)
    finally:
        load.is_over.set()
        agent.join(60)
    assert not agent.is_alive()


def _check(load: _Load) -> None:
    """Nothing is lost, and nothing counted twice."""
    assert load.acknowledged
    for run_id in load.acknowledged:
        summary = load.pipeline.summary(run_id, timeout_s=60)
        assert (1, "completed", 0) == (
            summary.decision_count,
            summary.status.value,
            summary.completeness.missing,
        ), run_id
    load.pipeline.wait_until_idle()
    assert set(load.acknowledged) <= {each.run_id for each in load.pipeline.summaries.each(goal="load")}


def test_a_primary_dies(cluster: Cluster, cluster_pipeline: Pipeline) -> None:
    """Its replica takes its place; what was acknowledged had reached it."""
    with _load(cluster_pipeline) as load:
        node = cluster.primary_of(cluster_pipeline.keys.messages(0))
        node.kill()
        stream = cluster_pipeline.keys.messages(0)
        wait_until(lambda: cluster.primary_of(stream) is not node, timeout_s=30, what="a new primary")
        node.start()

    _check(load)
    cluster.wait_until_complete()


def test_slots_move_while_messages_flow(cluster: Cluster, cluster_pipeline: Pipeline) -> None:
    """Those of streams, of sets and of runs; producers, workers and finalizers follow."""
    keys = cluster_pipeline.keys
    names = [name for partition in range(6) for name in (keys.messages(partition), keys.due(partition))]
    with _load(cluster_pipeline) as load:
        slots = {key_slot(name.encode()) for name in names}
        slots |= {key_slot(keys.run(run_id).encode()) for run_id in load.acknowledged[:40]}
        for slot in slots:
            _move(cluster, slot)

    _check(load)


def test_a_replica_is_cut_off_and_comes_back(cluster: Cluster, cluster_pipeline: Pipeline) -> None:
    """Meanwhile nothing counts as sent that should be on it; all of it does afterwards."""
    with _load(cluster_pipeline) as load:
        replica = next(node for node in cluster.nodes if _is_replica(node))
        replica.process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        replica.process.send_signal(signal.SIGCONT)

    _check(load)
    cluster.wait_until_complete()


def test_sentinels_name_another_primary(sentinels: Sentinels, sentinel_pipeline: Pipeline) -> None:
    """Everybody goes on with that one, without being told."""
    with _load(sentinel_pipeline) as load:
        node = sentinels.primary
        node.kill()
        wait_until(lambda: sentinels.primary is not node, timeout_s=40, what="a new primary")

    _check(load)


def _is_replica(node: Node) -> bool:
    with node.client() as client:
        return bool(client.info("replication")["role"] == "slave")


def _move(cluster: Cluster, slot: int) -> None:
    """Move a slot with its keys to another primary, as `redis-cli --cluster reshard` does."""
    source = next(node for node in cluster.nodes if _serves(node, slot))
    target = next(node for node in cluster.nodes if not _is_replica(node) and node is not source)
    with source.client() as giving, target.client() as taking:
        giver, taker = (client.execute_command("CLUSTER MYID").decode() for client in (giving, taking))
        taking.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", giver)
        giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", taker)
        while names := giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 10):
            time.sleep(0.02)  # as long as a network takes: commands meet a slot that is half here and half there
            giving.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *names)
        for client in (taking, giving):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", taker)


def _serves(node: Node, slot: int) -> bool:
    with node.client() as client:
        me = client.execute_command("CLUSTER MYID")
        for start, end, primary, *_ in client.execute_command("CLUSTER SLOTS"):
            if start <= slot <= end:
                return bool(primary[2] == me)
    return False
