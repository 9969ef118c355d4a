"""`runweaver status` and `runweaver doctor` where there is more than one server."""

import json
from typing import Any

from tests.support.cluster import Cluster
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until


def _status(pipeline: Pipeline) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(pipeline.run("status", "--json").stdout)
    return told


def _doctor(pipeline: Pipeline, *options: str) -> dict[str, dict[str, str]]:
    checks = json.loads(pipeline.run("doctor", "--json", *options).stdout)["checks"]
    return {check["name"]: check for check in checks}


def _start(pipeline: Pipeline) -> None:
    pipeline.start("worker")
    pipeline.start("finalizer")
    wait_until(lambda: any(worker["idle_s"] < 15 for worker in _status(pipeline)["workers"]), what="the worker")
    wait_until(lambda: _status(pipeline)["jobs"]["finalizers"], what="the finalizer")


def test_all_primaries_of_a_cluster_are_looked_at(cluster_pipeline: Pipeline) -> None:
    """Each with its replica, and how the partitions lie on them; jobs are elsewhere."""
    _start(cluster_pipeline)

    status, doctor = _status(cluster_pipeline), _doctor(cluster_pipeline, "--write", "--role", "worker")

    assert [] == status["troubles"]
    assert [(True, 1)] * 3 == [(server["cluster_ok"], server["replicas"]) for server in status["servers"]]
    assert 6 == len(status["partitions"])
    assert status["jobs_server"]["address"] not in [server["address"] for server in status["servers"]]
    assert 3 == sum(name.startswith("cluster of") and check["verdict"] == "ok" for name, check in doctor.items())
    assert "ok" == doctor["rights"]["verdict"] == doctor["writing"]["verdict"]
    assert all(server["address"] in doctor["spread"]["what"] for server in status["servers"])
    assert "ok" == doctor["workers"]["verdict"]


def test_a_replica_that_is_lost(cluster: Cluster, cluster_pipeline: Pipeline) -> None:
    """Its primary goes on, by itself."""
    _start(cluster_pipeline)
    primary = cluster.primary_of("{0}")
    replica = primary.client().info("replication")["slave0"]
    node = cluster.node(replica["port"])
    node.kill()
    try:
        wait_until(lambda: not primary.client().info("replication")["connected_slaves"], what="the replica being gone")

        troubles = _status(cluster_pipeline)["troubles"]
        doctor = _doctor(cluster_pipeline)
    finally:
        node.start()
        cluster.wait_until_complete()

    assert ["replicas-lost"] == [trouble["code"] for trouble in troubles]
    assert f"{primary.port} had replicas" in troubles[0]["what"]
    assert "warning" == doctor[f"replication of 127.0.0.1:{primary.port}"]["verdict"]


def test_jobs_on_a_cluster_are_refused(cluster_pipeline: Pipeline) -> None:
    """Doctor says so, as a setting that is wrong."""
    del cluster_pipeline.environment["RUNWEAVER_JOBS_URL"]

    done = cluster_pipeline.run("doctor")

    assert 1 == done.returncode
    assert "RUNWEAVER_JOBS_URL is not set" in " ".join(done.stdout.split())


def test_behind_sentinels(sentinel_pipeline: Pipeline) -> None:
    """The primary is looked at, under its own address, with its two replicas."""
    _start(sentinel_pipeline)

    [server] = _status(sentinel_pipeline)["servers"]

    assert (False, 2) == (server["is_replica"], server["replicas"])
    assert "writing" in _doctor(sentinel_pipeline, "--write")
