"""Agents that fork, and agents with a spool, on a cluster."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.cluster import running_cluster
from tests.support.processes import Pipeline
from tests.support.server import Server

_FORKS = """
import os, sys
from runweaver.producer import Producer
producer = Producer()
run = producer.start_run("forks", run_id=sys.argv[1])
assert producer.flush(10)  # all connections are there when the child is born
run.quick_decision("Before", "Fork", node_id="parent")
child = os.fork()
for number in range(10):
    run.quick_decision(f"Step {number}", "Go")
if child == 0:
    run.leave()
    assert producer.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
run.end()
assert producer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_parent_and_child_go_on_with_the_same_run(cluster_pipeline: Pipeline, run_id: str) -> None:
    """The child makes connections of its own, to each server."""
    cluster_pipeline.start("worker")
    cluster_pipeline.start("finalizer")
    agent = cluster_pipeline.spawn([sys.executable, "-W", "ignore", "-c", _FORKS, run_id])
    assert 0 == agent.wait(30)

    summary = cluster_pipeline.summary(run_id)

    assert (21, 24, 24) == (summary.decision_count, summary.completeness.received, summary.completeness.declared)


_ENDS = """
import sys
from runweaver.producer import Producer
with Producer() as producer, producer.start_run("ends", run_id=sys.argv[1]) as run:
    for number in range(50):
        run.quick_decision(f"Step {number}", "Go")
"""

_COMES_NEXT = """
import time
from runweaver.producer import Producer
producer = Producer()  # what another process left is reason enough to send
time.sleep(60)
"""


def test_what_an_agent_leaves_while_the_cluster_is_away_is_sent_when_it_is_back(
    server: Server, namespace: str, run_id: str, tmp_path: Path
) -> None:
    """The next process on the machine that has a producer does it."""
    environment = {
        "RUNWEAVER_JOBS_URL": server.url,
        "RUNWEAVER_PARTITIONS": "4",
        "RUNWEAVER_SPOOL_DIR": str(tmp_path / "spool"),
    }
    with (
        running_cluster(primaries=2, replicas=0) as cluster,
        Pipeline(cluster.url, namespace, environment) as pipeline,
    ):
        for node in cluster.nodes:
            node.kill()
        assert 0 == pipeline.spawn([sys.executable, "-W", "ignore", "-c", _ENDS, run_id]).wait(20)
        for node in cluster.nodes:
            node.start()
        cluster.wait_until_complete()
        pipeline.start("worker")
        pipeline.start("finalizer")
        pipeline.spawn([sys.executable, "-W", "ignore", "-c", _COMES_NEXT])

        summary = pipeline.summary(run_id, timeout_s=30)

    counts = summary.completeness
    assert (50, 52, 0, 0) == (summary.decision_count, counts.received, counts.missing, counts.dropped)
