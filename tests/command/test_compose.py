"""docker-compose.yml does what it says: its own commands, environment and health checks at work, without containers."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from runweaver.producer import Producer
from runweaver.query import read_status
from runweaver.shared import FinalizerSettings, ProducerSettings, RunStatus, WorkerSettings
from runweaver.worker import JobQueue
from tests.support.binary import server_under_test
from tests.support.deployed import (
    REPOSITORY,
    SCRIPTS,
    VARIABLES_OF_ALL,
    command_of,
    compose_file,
    instruction,
    interpolated,
)
from tests.support.messages import Script
from tests.support.secured import DEPLOY, USERS, SecuredPipeline, SecuredServer, password_variable
from tests.support.server import Server
from tests.support.waiting import wait_until

_COMPOSE: Final = compose_file("docker-compose.yml")
_SERVICES: Final[dict[str, dict[str, Any]]] = _COMPOSE["services"]
#: Those of the pipeline itself: they come without a profile.
_OURS: Final = sorted(name for name, service in _SERVICES.items() if "build" in service and "profiles" not in service)

#: What a service may be told by its environment.
_SETTINGS: Final[dict[str, type[WorkerSettings | FinalizerSettings]]] = {
    "worker": WorkerSettings,
    "finalizer": FinalizerSettings,
}


def _replicas(name: str) -> int:
    replicas: int = _SERVICES[name].get("deploy", {}).get("replicas", 1)
    return replicas


def _seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def _server_options() -> list[str]:
    """What the server's command line says, after the program."""
    command: list[str] = _SERVICES["redis"]["command"]
    return command[command.index("redis-server") + 1 :]


def _environment(name: str, server: SecuredServer) -> dict[str, str]:
    """What the container's environment is, but for where the server is."""
    given = {
        variable: interpolated(value, server.passwords) for variable, value in _SERVICES[name]["environment"].items()
    }
    # Containers have a port of that number each; processes of one machine would get in each other's way.
    given.pop("RUNWEAVER_METRICS_PORT", None)
    url = given.get("RUNWEAVER_REDIS_URL")
    if url is not None:
        given["RUNWEAVER_REDIS_URL"] = url.replace("@redis:6379/", f"@localhost:{server.port}/")
    return {**given, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}


def _is_healthy(name: str, server: SecuredServer, *, patience_s: int | None = None) -> bool:
    """Run the service's health check as the container engine does."""
    healthcheck = _SERVICES[name]["healthcheck"]
    kind, check = healthcheck["test"]
    assert "CMD-SHELL" == kind
    script = interpolated(check, server.passwords).replace("redis-cli", f"redis-cli -p {server.port}")
    if patience_s is not None:
        script, replaced = re.subn(r"(?<= < )\d+", str(patience_s), script)
        assert 1 == replaced
    finished = subprocess.run(
        ["/bin/sh", "-c", script],
        env=_environment(name, server),
        capture_output=True,
        timeout=_seconds(healthcheck["timeout"]),
        check=False,
    )
    return finished.returncode == 0


class Deployment:
    """Processes with the commands and the environment of the file's services, as many as it says."""

    def __init__(self, pipeline: SecuredPipeline) -> None:
        self.pipeline = pipeline
        self.server = pipeline.server
        # Containers inherit nothing.
        pipeline.environment = {}
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}

    def start(self, name: str, *, replicas: int | None = None) -> None:
        """Start a service, and wait until the pipeline knows all its processes."""
        environment = _environment(name, self.server)
        count = _replicas(name) if replicas is None else replicas
        self.processes[name] = [self.pipeline.spawn(command_of(_SERVICES[name]), **environment) for _ in range(count)]
        wait_until(lambda: count == self._known()[name], what=f"{count} of {name}")

    def stop(self, name: str) -> list[int]:
        """End a service as `docker compose down` does, and give the exit codes."""
        for process in self.processes[name]:
            process.send_signal(getattr(signal, instruction("STOPSIGNAL")))
        grace_s = _seconds(_SERVICES[name]["stop_grace_period"])
        return [process.wait(grace_s) for process in self.processes[name]]

    def is_healthy(self, name: str, *, patience_s: int | None = None) -> bool:
        return _is_healthy(name, self.server, patience_s=patience_s)

    def _known(self) -> dict[str, int]:
        client, keys = self.pipeline.redis, self.pipeline.keys
        return {
            "worker": len(read_status(client, keys).workers),
            "finalizer": JobQueue(client, keys).status().finalizers,
        }


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A server that is told what the file tells its own. Nothing else runs yet."""
    with (
        SecuredServer(tmp_path, server_under_test().path, options=_server_options()) as server,
        SecuredPipeline(server, tmp_path / "log") as pipeline,
    ):
        yield Deployment(pipeline)
        assert [] == pipeline.complaints
        assert [] == [each for each in server.refused() if each["reason"] != "auth"]


def test_its_services_summarise_a_run_and_stop_when_told(deployment: Deployment) -> None:
    """All replicas come up, an agent's run gets its summary, and SIGTERM ends every process with exit code 0."""
    for name in _OURS:
        deployment.start(name)
    settings = ProducerSettings(redis_url=deployment.server.url("producer"), namespace=deployment.pipeline.namespace)

    with Producer(settings=settings) as producer, producer.start_run("compose", "See that it works") as run:
        decision = run.quick_decision("Does it work?", "Try it")
        run.record_outcome(decision, success=True, summary="It does")

    summary = deployment.pipeline.summary(run.run_id)
    assert (RunStatus.COMPLETED, ["It does"]) == (summary.status, summary.successes)
    assert {name: [0] * _replicas(name) for name in _OURS} == {name: deployment.stop(name) for name in _OURS}


@pytest.mark.parametrize(("name", "other"), [("worker", "finalizer"), ("finalizer", "worker")])
def test_a_health_check_tells_whether_the_service_is_there(deployment: Deployment, name: str, other: str) -> None:
    """It passes while the service works, and not before or afterwards, though the server and the other service do."""
    deployment.start(other, replicas=1)
    assert not deployment.is_healthy(name)
    deployment.start(name)
    assert deployment.is_healthy(name)
    deployment.stop(name)
    assert not deployment.is_healthy(name)


@pytest.mark.parametrize("name", _OURS)
def test_a_service_that_hangs_is_unhealthy(deployment: Deployment, name: str) -> None:
    """A process that is there but does not do its work fails the check, and passes it again when it goes on."""
    # The check's own patience would only make the test long.
    patience_s = 3
    for started in _OURS:
        deployment.start(started, replicas=1)
    (process,) = deployment.processes[name]
    assert deployment.is_healthy(name, patience_s=patience_s)

    process.send_signal(signal.SIGSTOP)
    try:
        script = Script("run")
        deployment.pipeline.send(script.started(), script.ended())
        wait_until(lambda: not deployment.is_healthy(name, patience_s=patience_s), what="the check noticing")
    finally:
        process.send_signal(signal.SIGCONT)
    wait_until(lambda: deployment.is_healthy(name, patience_s=patience_s), what="the check passing again")
    deployment.pipeline.summary("run")


@pytest.mark.parametrize("name", _OURS)
def test_a_health_check_fails_without_a_server(name: str, tmp_path: Path) -> None:
    """Where nobody listens, the check fails by itself, before the engine has to end it."""
    assert not _is_healthy(name, SecuredServer(tmp_path, server_under_test().path))


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs redis-cli, as the image of the server has it")
def test_the_server_is_healthy_when_it_lets_somebody_in(deployment: Deployment) -> None:
    """Its check passes with the reader's password, and fails with another one."""
    assert deployment.is_healthy("redis")
    password = deployment.server.passwords["reader"]
    deployment.server.passwords["reader"] = "wrong"
    assert not deployment.is_healthy("redis")
    deployment.server.passwords["reader"] = password


def test_the_server_keeps_what_it_acknowledged() -> None:
    """The options of its command line turn the append-only file on, and a crash loses nothing."""
    names, values = _server_options()[::2], _server_options()[1::2]
    options = {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}
    with Server(**options) as server, server.client() as client:
        assert {"appendonly": "yes"} == client.config_get("appendonly")
        assert {"appendfsync": "everysec"} == client.config_get("appendfsync")
        client.set("key", "value")
        server.kill()
        server.start()
        assert b"value" == client.get("key")


def test_the_server_starts_with_the_users_of_the_file() -> None:
    """Its command is the script, on what is mounted, and writes to where nothing stays."""
    program, script, made, entrypoint, *_ = _SERVICES["redis"]["command"]
    mounted = dict(mount.split(":")[:2] for mount in _SERVICES["redis"]["volumes"])

    # The image's own entry point hands the server over to a user that is not root.
    assert ("sh", "docker-entrypoint.sh") == (program, entrypoint)
    assert DEPLOY / "with-users.sh" == REPOSITORY / "deploy" / Path(script).relative_to(mounted["./deploy"])
    assert [str(Path(made).parent)] == _SERVICES["redis"]["tmpfs"]


def test_the_data_of_the_server_outlives_its_container() -> None:
    """The directory in which the image keeps its data is a volume with a name."""
    named = {mount.partition(":")[2]: mount.partition(":")[0] for mount in _SERVICES["redis"]["volumes"]}

    assert named["/data"] in _COMPOSE["volumes"]


def test_nothing_is_published_beyond_this_machine() -> None:
    """Passwords would go over the net as they are: the server's port is bound to the loopback interface."""
    published = {name: service["ports"] for name, service in _SERVICES.items() if "ports" in service}

    assert {
        "redis": ["127.0.0.1:6379:6379"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    } == published


def test_monitoring_comes_when_it_is_asked_for() -> None:
    """Its services have a profile, so that plain `docker compose up` starts what is needed and nothing else."""
    profiles = {name: service.get("profiles") for name, service in _SERVICES.items()}

    monitoring = {name: ["monitoring"] for name in ("exporter", "prometheus", "grafana")}
    assert {"redis": None, "worker": None, "finalizer": None, **monitoring} == profiles


def test_nobody_changes_anything_in_grafana() -> None:
    """It asks for no password, so it lets everybody look and nobody in: its first password is known to all."""
    environment = _SERVICES["grafana"]["environment"]

    assert {
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    } == environment


@pytest.mark.parametrize(("name", "user"), [("worker", "worker"), ("finalizer", "finalizer"), ("exporter", "reader")])
def test_services_find_the_server_and_wait_for_it(name: str, user: str) -> None:
    """The URL names the service that runs the server, its port and the service's own user. It waits for the server."""
    url = urlsplit(interpolated(_SERVICES[name]["environment"]["RUNWEAVER_REDIS_URL"], dict.fromkeys(USERS, "secret")))

    assert (user, "secret", "redis", 6379) == (url.username, url.password, url.hostname, url.port)
    assert {"redis": {"condition": "service_healthy"}} == _SERVICES[name]["depends_on"]


@pytest.mark.parametrize("name", _OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A variable that the service does not know would be ignored without a word."""
    fields = {f"RUNWEAVER_{field.upper()}" for field in _SETTINGS[name].model_fields}

    assert set() == set(_SERVICES[name]["environment"]) - fields - VARIABLES_OF_ALL


@pytest.mark.parametrize("name", _SERVICES)
def test_every_service_is_watched_and_kept_up(name: str) -> None:
    """Each has a health check, comes back after a crash, and has time to stop in order."""
    service = _SERVICES[name]

    assert "unless-stopped" == service["restart"]
    assert service["healthcheck"]["test"]
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert _seconds(service["stop_grace_period"]) >= 10


def test_there_is_no_secret_in_the_file() -> None:
    """Passwords are named and have no value there, and nothing else looks like a secret."""
    values = re.sub(r"\$\{RUNWEAVER_\w+_PASSWORD:\?[^}]*\}", "", json.dumps(_COMPOSE))
    values = re.sub(r"\$?RUNWEAVER_[A-Z]+_PASSWORD|\./deploy/[a-z/]+", "", values)

    for pattern in (r"(?i)pass(word|wd|phrase)?\b|requirepass|secret|token|credential|api.?key", r"://\w+:[^@/\s]+@"):
        assert [] == re.findall(pattern, values)
    assert [] == re.findall(r"[A-Za-z0-9+/=_-]{32,}", values)


def test_a_missing_password_is_told() -> None:
    """Each variable that the file takes is a password, and docker compose ends with a sentence where it is missing."""
    told = re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", json.dumps(_COMPOSE))

    assert {password_variable(user) for user in USERS} == {name for name, _ in told}
    assert {":?is not set"} == {rest.partition(",")[0] for _, rest in told}


def test_the_comment_makes_the_passwords(tmp_path: Path) -> None:
    """The lines at the top of the file, run in a shell, write a file with all of them."""
    comment = re.findall(r"^#     (.*)$", (REPOSITORY / "docker-compose.yml").read_text(), re.MULTILINE)
    assert "docker compose up --build" == comment.pop()
    subprocess.run(["/bin/sh", "-c", "\n".join(comment)], cwd=tmp_path, check=True)
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())

    assert {password_variable(user) for user in USERS} == set(made)
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in made.values())
    assert len(USERS) == len(set(made.values()))


def test_the_image_runs_the_command_itself() -> None:
    """No shell stands between the signal and the process, and the process is not root."""
    assert ["runweaver"] == json.loads(instruction("ENTRYPOINT"))
    assert "SIGTERM" == instruction("STOPSIGNAL")
    assert instruction("USER").partition(":")[0] not in ("root", "0")
