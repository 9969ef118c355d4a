"""docker-compose.cluster.yml puts the pipeline onto a cluster: its own commands at work, without containers."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from redis.crc import key_slot

from runweaver.producer import Producer
from runweaver.query import read_status
from runweaver.shared import FinalizerSettings, Keys, ProducerSettings, RunStatus, WorkerSettings
from runweaver.worker import JobQueue
from tests.support.binary import server_under_test
from tests.support.cluster import SLOTS
from tests.support.deployed import REPOSITORY, SCRIPTS, command_of, compose_file, interpolated
from tests.support.ports import free_port
from tests.support.processes import Pipeline
from tests.support.secured import DEPLOY, NAMESPACE, SELECTS_KEYS_BY_USE, SecuredServer, password_variable
from tests.support.waiting import wait_until

_BASE: Final = compose_file("docker-compose.yml")["services"]
_COMPOSE: Final = compose_file("docker-compose.cluster.yml")
_SERVICES: Final[dict[str, dict[str, Any]]] = _COMPOSE["services"]
_NODES: Final = sorted(name for name in _SERVICES if re.fullmatch(r"cluster-\d", name))
_ROLES: Final = ("worker", "finalizer")


class Deployment:
    """The servers of both files as processes, a port of this machine for each."""

    def __init__(self, directory: Path, jobs: SecuredServer) -> None:
        self.jobs = jobs
        self.passwords = {**jobs.passwords, "replica": secrets.token_hex(16), "operator": secrets.token_hex(16)}
        self.ports = {name: free_port() for name in _NODES}
        self._directory = directory

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a server of the cluster, with the command of its service."""
        directory = self._directory / name
        directory.mkdir()
        shell, script, *options = _SERVICES[name]["command"]
        command = [shell, script.replace("/etc/runweaver", str(DEPLOY)), *options]
        command[command.index("/run/runweaver/users.acl")] = str(directory / "users.acl")
        first = command.index("docker-entrypoint.sh")
        command[first : first + 2] = [server_under_test().path]
        command += ["--bind", "127.0.0.1", "--port", str(self.ports[name]), "--dir", str(directory), "--save", ""]
        with (directory / "log").open("wb") as log:
            return subprocess.Popen(command, env=self.environment(name), stdout=log, stderr=log)

    def make_cluster(self) -> subprocess.CompletedProcess[str]:
        """Run the service that makes it, to its end."""
        shell, script, *nodes = _SERVICES["make-cluster"]["command"]
        return subprocess.run(
            [shell, script.replace("/etc/runweaver", str(DEPLOY)), *map(self.here, nodes)],
            env=self.environment("make-cluster"),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def environment(self, name: str) -> dict[str, str]:
        """What both files say of a service, with the addresses of this machine."""
        both = {**_BASE.get(name, {}).get("environment", {}), **_SERVICES[name]["environment"]}
        # Containers have a port of that number each.
        both.pop("RUNWEAVER_METRICS_PORT", None)
        given = {variable: self.here(interpolated(value, self.passwords)) for variable, value in both.items()}
        return {**given, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}

    def here(self, text: str) -> str:
        """With the addresses of this machine in the place of those of containers."""
        for name, port in self.ports.items():
            text = text.replace(f"{name}:6379", f"127.0.0.1:{port}")
        return text.replace("@redis:6379", f"@127.0.0.1:{self.jobs.port}")

    def url(self, user: str) -> str:
        """Where the cluster is, for a user."""
        return self.environment("worker")["RUNWEAVER_REDIS_URL"].replace(
            f"//worker:{self.passwords['worker']}@", f"//{user}:{self.passwords[user]}@"
        )

    def replication(self, name: str) -> dict[str, Any]:
        """What a server says of its replicas, or of its primary."""
        password = self.passwords["operator"]
        with Redis(port=self.ports[name], username="operator", password=password) as client:
            told: dict[str, Any] = client.info("replication")
            return told

    def is_healthy(self, role: str) -> bool:
        """Run the health check of a service as the container engine does."""
        _, check = _BASE[role]["healthcheck"]["test"]
        checked = subprocess.run(
            ["/bin/sh", "-c", interpolated(check, self.passwords)],
            env=self.environment(role),
            capture_output=True,
            timeout=10,
            check=False,
        )
        return checked.returncode == 0


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """All servers, not a cluster yet."""
    with ExitStack() as stack:
        (tmp_path / "jobs").mkdir()
        jobs = stack.enter_context(SecuredServer(tmp_path / "jobs", server_under_test().path))
        deployment = Deployment(tmp_path, jobs)
        for name in _NODES:
            process = deployment.start(name)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield deployment


@pytest.mark.skipif(
    not (shutil.which("redis-cli") or shutil.which("valkey-cli")), reason="needs redis-cli or valkey-cli"
)
@pytest.mark.skipif(
    server_under_test().version < SELECTS_KEYS_BY_USE, reason="deploy/users.acl is written for Redis 7, as the image is"
)
def test_its_services_summarise_runs_on_a_cluster(deployment: Deployment, tmp_path: Path) -> None:
    """The cluster is made, with replicas; runs get their summaries; health checks tell that all are at work."""
    made = deployment.make_cluster()
    assert 0 == made.returncode, made.stdout + made.stderr
    wait_until(
        lambda: sum(deployment.replication(name).get("master_link_status") == "up" for name in _NODES) == 3,
        what="three replicas",
    )
    environment = {"RUNWEAVER_JOBS_URL": deployment.jobs.url("reader")}
    with Pipeline(deployment.url("reader"), NAMESPACE, environment) as pipeline:
        pipeline.environment = {}
        pipeline.log = tmp_path / "log"
        assert not any(deployment.is_healthy(role) for role in _ROLES)
        processes = [pipeline.spawn(command_of(_BASE[role]), **deployment.environment(role)) for role in _ROLES]
        jobs = JobQueue(deployment.jobs.client("reader"), Keys(NAMESPACE))
        wait_until(lambda: read_status(pipeline.redis, pipeline.keys).workers, what="a worker")
        wait_until(lambda: jobs.status().finalizers, what="a finalizer")
        assert all(deployment.is_healthy(role) for role in _ROLES)

        settings = ProducerSettings(redis_url=deployment.url("producer"), partitions=_partitions())
        with Producer(settings=settings) as producer:
            runs = [producer.start_run("compose") for _ in range(10)]
            for run in runs:
                run.end("completed")
            assert producer.flush(30)
        statuses = [pipeline.summary(run.run_id, timeout_s=30).status for run in runs]

        assert [RunStatus.COMPLETED] * 10 == statuses
        assert [0, 0] == [pipeline.stop(process) for process in processes]
        assert "NOPERM" not in pipeline.log.read_text()
        jobs.queue.connection.close()


def _partitions() -> int:
    partitions: int = _SERVICES["worker"]["environment"]["RUNWEAVER_PARTITIONS"]
    return partitions


def test_every_primary_has_its_part_of_the_streams() -> None:
    """The partitions fall onto all three, no two of them further apart than by one."""
    share = SLOTS / 3
    owners = [int(key_slot(f"{{{partition}}}".encode()) // share) for partition in range(_partitions())]
    held = sorted(owners.count(primary) for primary in range(3))

    assert held[0] >= 1
    assert held[-1] - held[0] <= 1


def test_the_cluster_is_made_of_all_its_servers_before_anybody_uses_it() -> None:
    """The script gets each of them, once it answers; who works on the cluster waits for the script."""
    making = _SERVICES["make-cluster"]

    assert [f"{name}:6379" for name in _NODES] == making["command"][2:]
    assert {name: {"condition": "service_healthy"} for name in _NODES} == making["depends_on"]
    # A program that came to its end is not to be started again.
    assert "restart" not in making
    for name in ("worker", "finalizer", "exporter"):
        assert {"make-cluster": {"condition": "service_completed_successfully"}} == _SERVICES[name]["depends_on"]


def test_each_server_keeps_its_own_data() -> None:
    """Each has a volume with a name, and shares it with no other."""
    volumes = [_SERVICES[name]["volumes"][0] for name in _NODES]

    assert [f"{name}-data:/data" for name in _NODES] == volumes
    assert {f"{name}-data" for name in _NODES} == set(_COMPOSE["volumes"])


def test_servers_differ_in_their_volume_alone() -> None:
    """What is tried with one of them holds for all."""
    services = [{**_SERVICES[name], "volumes": None} for name in _NODES]

    assert [services[0]] * 6 == services


def test_a_server_of_the_cluster_is_kept_as_the_single_one_is() -> None:
    """The same image, the same health check, and what it acknowledged is on disk."""
    node, single = _SERVICES[_NODES[0]], _BASE["redis"]

    same = ("image", "healthcheck", "restart", "stop_grace_period", "tmpfs")
    assert {key: single[key] for key in same} == {key: node[key] for key in same}
    assert single["command"][single["command"].index("--appendonly") :] == node["command"][-4:]
    assert "ports" not in node


@pytest.mark.parametrize(("name", "settings"), [("worker", WorkerSettings), ("finalizer", FinalizerSettings)])
def test_every_variable_is_a_setting(name: str, settings: type[WorkerSettings | FinalizerSettings]) -> None:
    """A variable that the service does not know would be ignored without a word."""
    fields = {f"RUNWEAVER_{field.upper()}" for field in settings.model_fields}

    assert set() == set(_SERVICES[name]["environment"]) - fields


def test_the_comment_makes_the_two_further_passwords(tmp_path: Path) -> None:
    """The lines at the top of the file add them to those that the other file makes."""
    comment = re.findall(r"^#     (.*)$", (REPOSITORY / "docker-compose.cluster.yml").read_text(), re.MULTILINE)
    assert "docker compose -f docker-compose.yml -f docker-compose.cluster.yml up --build" == comment.pop()
    (tmp_path / ".env").write_text("RUNWEAVER_WORKER_PASSWORD=there\n")
    subprocess.run(["/bin/sh", "-c", "\n".join(comment)], cwd=tmp_path, check=True)
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())

    assert {password_variable(user) for user in ("worker", "replica", "operator")} == set(made)
    assert all(re.fullmatch(r"[0-9a-f]{48}", made[password_variable(user)]) for user in ("replica", "operator"))
