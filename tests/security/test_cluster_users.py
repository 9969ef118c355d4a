"""The users of deploy/users.acl on a cluster: they may do there what their work takes."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from runweaver.producer import Producer
from runweaver.shared import ProducerSettings
from tests.support.binary import server_under_test
from tests.support.cluster import Cluster, Node, running_cluster
from tests.support.processes import Pipeline
from tests.support.secured import ADMIN, DEPLOY, NAMESPACE, USERS, users_for
from tests.support.server import Server

_PASSWORDS = {user: secrets.token_hex(16) for user in (*USERS, ADMIN, "replica", "operator")}


@pytest.fixture
def secured_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Each server knows the users of the file, and one more for its replicas."""
    text = users_for(server_under_test().path)
    for user in USERS:
        text = text.replace(f"user {user} on ", f"user {user} on >{_PASSWORDS[user]} ")
    text += f"user replica on >{_PASSWORDS['replica']} -@all +psync +replconf +ping\n"
    text += f"user {ADMIN} on >{_PASSWORDS[ADMIN]} ~* &* +@all\n"
    (tmp_path / "users.acl").write_text(text)
    options = (
        *("--aclfile", str(tmp_path / "users.acl")),
        *("--masteruser", "replica", "--masterauth", _PASSWORDS["replica"]),
    )
    with running_cluster(*options, login={"username": ADMIN, "password": _PASSWORDS[ADMIN]}) as cluster:
        yield cluster


def _url(cluster: Cluster, user: str) -> str:
    return cluster.url.replace("://", f"://{user}:{_PASSWORDS[user]}@")


def test_each_role_does_its_work_as_its_user(secured_cluster: Cluster, server: Server, tmp_path: Path) -> None:
    """Runs become summaries, with replicas to wait for, and nobody is refused anything."""
    environment = {"RUNWEAVER_JOBS_URL": server.url, "RUNWEAVER_PARTITIONS": "3", "RUNWEAVER_WAIT_REPLICAS": "1"}
    with Pipeline(_url(secured_cluster, ADMIN), NAMESPACE, environment) as pipeline:
        pipeline.log = tmp_path / "log"
        for role in ("worker", "finalizer"):
            pipeline.start(role, RUNWEAVER_REDIS_URL=_url(secured_cluster, role))
        settings = ProducerSettings(
            redis_url=_url(secured_cluster, "producer"), namespace=NAMESPACE, partitions=3, wait_replicas=1
        )
        with Producer(settings=settings) as producer:
            runs = [producer.start_run("goal") for _ in range(10)]
            for run in runs:
                run.end("completed")
            assert producer.flush(30)

        summaries = [pipeline.summary(run.run_id, timeout_s=30) for run in runs]
        shown = pipeline.run("show", runs[0].run_id, RUNWEAVER_REDIS_URL=_url(secured_cluster, "reader"))
        pipeline.wait_until_idle()

    assert ["goal"] * 10 == [summary.goal_id for summary in summaries]
    assert 0 == shown.returncode, shown.stderr
    assert "permission" not in pipeline.log.read_text()
    assert "NOPERM" not in pipeline.log.read_text()
    for node in secured_cluster.nodes:
        with node.client() as admin:
            assert [] == [each["object"] for each in admin.acl_log() if each["username"] != "producer"]


@pytest.mark.parametrize("user", ["replica", "operator"])
def test_who_keeps_the_cluster_reads_and_writes_nothing(user: str, tmp_path: Path) -> None:
    """The users of deploy/cluster-users.acl take part in the cluster, and may not touch what it holds by commands."""
    text = (
        (DEPLOY / "cluster-users.acl").read_text().replace(f"user {user} on ", f"user {user} on >{_PASSWORDS[user]} ")
    )
    (tmp_path / "users.acl").write_text(text)
    node = Node(tmp_path, "--cluster-enabled", "yes", "--aclfile", str(tmp_path / "users.acl"))
    node.start()
    try:
        with redis.Redis(port=node.port, username=user, password=_PASSWORDS[user]) as client:
            assert client.ping()
            for command in ("GET key", "SET key value", "KEYS *", "CONFIG GET *", "ACL LIST", "FLUSHALL", "SHUTDOWN"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*command.split())
    finally:
        node.kill()
