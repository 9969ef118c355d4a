"""docker-compose.yml does what it says: its own commands, environment and health checks at work, without containers."""

import json
import os
import re
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from runweaver.producer import Producer
from runweaver.query import read_status
from runweaver.shared import FinalizerSettings, ProducerSettings, RunStatus, WorkerSettings
from runweaver.worker import JobQueue
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

_REPOSITORY: Final = Path(__file__).parents[2]
_SCRIPTS: Final = Path(sysconfig.get_path("scripts"))

_COMPOSE: Final[dict[str, Any]] = yaml.safe_load((_REPOSITORY / "docker-compose.yml").read_text())
_SERVICES: Final[dict[str, dict[str, Any]]] = _COMPOSE["services"]
_OURS: Final = sorted(name for name, service in _SERVICES.items() if "build" in service)

#: What a service may be told by its environment.
_SETTINGS: Final[dict[str, type[WorkerSettings | FinalizerSettings]]] = {
    "worker": WorkerSettings,
    "finalizer": FinalizerSettings,
}
_LOG_VARIABLES: Final = {"RUNWEAVER_LOG_LEVEL", "RUNWEAVER_LOG_FORMAT"}


def _last_stage() -> list[tuple[str, str]]:
    """The instructions that make the image: those after the last FROM."""
    text = (_REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    instructions = [(name.upper(), arguments) for name, arguments in lines]
    last_from = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[last_from:]


def _instruction(wanted: str) -> str:
    """The arguments of the instruction that counts, where only the last one does."""
    return [arguments for name, arguments in _last_stage() if name == wanted][-1]


def _replicas(name: str) -> int:
    replicas: int = _SERVICES[name].get("deploy", {}).get("replicas", 1)
    return replicas


def _seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def _server_options() -> dict[str, str]:
    """What the server's command line says."""
    command: list[str] = _SERVICES["redis"]["command"]
    program, *options = command
    assert "redis-server" == program
    return {name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)}


def _command(name: str) -> list[str]:
    """What the container runs, with the programs of this installation."""
    command: list[str] = json.loads(_instruction("ENTRYPOINT")) + _SERVICES[name]["command"]
    program, *arguments = command
    return [str(_SCRIPTS / program), *arguments]


def _environment(name: str, url: str, namespace: str) -> dict[str, str]:
    """What the container's environment is, but for where the server is, and for a namespace of the test's own."""
    given = {variable: str(value) for variable, value in _SERVICES[name]["environment"].items()}
    given["RUNWEAVER_REDIS_URL"] = urlsplit(given["RUNWEAVER_REDIS_URL"])._replace(netloc=urlsplit(url).netloc).geturl()
    return {**given, "RUNWEAVER_NAMESPACE": namespace, "PATH": f"{_SCRIPTS}{os.pathsep}{os.environ['PATH']}"}


def _is_healthy(name: str, url: str, namespace: str, *, patience_s: int | None = None) -> bool:
    """Run the service's health check as the container engine does."""
    healthcheck = _SERVICES[name]["healthcheck"]
    kind, check = healthcheck["test"]
    assert "CMD-SHELL" == kind
    # A single dollar sign would be the file's own variable.
    script = check.replace("$$", "$")
    if patience_s is not None:
        script, replaced = re.subn(r"(?<= < )\d+", str(patience_s), script)
        assert 1 == replaced
    finished = subprocess.run(
        ["/bin/sh", "-c", script],
        env=_environment(name, url, namespace),
        capture_output=True,
        timeout=_seconds(healthcheck["timeout"]),
        check=False,
    )
    return finished.returncode == 0


class Deployment:
    """Processes with the commands and the environment of the file's services, as many as it says."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        # Containers inherit nothing.
        pipeline.environment = {}
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}

    def start(self, name: str, *, replicas: int | None = None) -> None:
        """Start a service, and wait until the pipeline knows all its processes."""
        environment = _environment(name, self.pipeline.url, self.pipeline.namespace)
        count = _replicas(name) if replicas is None else replicas
        self.processes[name] = [self.pipeline.spawn(_command(name), **environment) for _ in range(count)]
        wait_until(lambda: count == self._known()[name], what=f"{count} of {name}")

    def stop(self, name: str) -> list[int]:
        """End a service as `docker compose down` does, and give the exit codes."""
        for process in self.processes[name]:
            process.send_signal(getattr(signal, _instruction("STOPSIGNAL")))
        grace_s = _seconds(_SERVICES[name]["stop_grace_period"])
        return [process.wait(grace_s) for process in self.processes[name]]

    def is_healthy(self, name: str, *, patience_s: int | None = None) -> bool:
        return _is_healthy(name, self.pipeline.url, self.pipeline.namespace, patience_s=patience_s)

    def _known(self) -> dict[str, int]:
        client, keys = self.pipeline.redis, self.pipeline.keys
        return {
            "worker": len(read_status(client, keys).workers),
            "finalizer": JobQueue(client, keys).status().finalizers,
        }


@pytest.fixture(scope="module")
def compose_server() -> Iterator[Server]:
    """A server that is told what the file tells its own."""
    with Server(**_server_options()) as running:
        yield running


@pytest.fixture
def deployment(compose_server: Server, namespace: str) -> Iterator[Deployment]:
    """Nothing runs in it yet."""
    with Pipeline(compose_server.url, namespace) as pipeline:
        yield Deployment(pipeline)


def test_its_services_summarise_a_run_and_stop_when_told(deployment: Deployment) -> None:
    """All replicas come up, an agent's run gets its summary, and SIGTERM ends every process with exit code 0."""
    for name in _OURS:
        deployment.start(name)
    settings = ProducerSettings(redis_url=deployment.pipeline.url, namespace=deployment.pipeline.namespace)

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
def test_a_health_check_fails_without_a_server(name: str, namespace: str) -> None:
    """Where nobody listens, the check fails by itself, before the engine has to end it."""
    with Server() as server:
        server.kill()

        assert not _is_healthy(name, server.url, namespace)


def test_the_server_keeps_what_it_acknowledged() -> None:
    """The options of its command line turn the append-only file on, and a crash loses nothing."""
    with Server(**_server_options()) as server, server.client() as client:
        assert {"appendonly": "yes", "appendfsync": "everysec"} == client.config_get("appendonly", "appendfsync")
        client.set("key", "value")
        server.kill()
        server.start()
        assert b"value" == client.get("key")


def test_the_data_of_the_server_outlives_its_container() -> None:
    """The directory in which the image keeps its data is a volume with a name."""
    (mount,) = _SERVICES["redis"]["volumes"]
    volume, _, target = mount.partition(":")

    assert "/data" == target
    assert volume in _COMPOSE["volumes"]


def test_nothing_is_published_beyond_this_machine() -> None:
    """The server has no password: its port is bound to the loopback interface, and no other service has one."""
    published = {name: service["ports"] for name, service in _SERVICES.items() if "ports" in service}

    assert {"redis": ["127.0.0.1:6379:6379"]} == published


@pytest.mark.parametrize("name", _OURS)
def test_services_find_the_server_and_wait_for_it(name: str) -> None:
    """The URL names the service that runs the server and its port, and the service starts when that is healthy."""
    url = urlsplit(_SERVICES[name]["environment"]["RUNWEAVER_REDIS_URL"])

    assert ("redis", 6379) == (url.hostname, url.port)
    assert {"redis": {"condition": "service_healthy"}} == _SERVICES[name]["depends_on"]


@pytest.mark.parametrize("name", _OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A variable that the service does not know would be ignored without a word."""
    fields = {f"RUNWEAVER_{field.upper()}" for field in _SETTINGS[name].model_fields}

    assert set() == set(_SERVICES[name]["environment"]) - fields - _LOG_VARIABLES


@pytest.mark.parametrize("name", _SERVICES)
def test_every_service_is_watched_and_kept_up(name: str) -> None:
    """Each has a health check, comes back after a crash, and has time to stop in order."""
    service = _SERVICES[name]

    assert "unless-stopped" == service["restart"]
    assert service["healthcheck"]["test"]
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert _seconds(service["stop_grace_period"]) >= 10


def test_there_is_no_secret_in_the_file() -> None:
    """No name of a secret, no user in a URL, and nothing that looks like a key."""
    values = json.dumps(_COMPOSE)

    for pattern in (r"(?i)pass(word|wd|phrase)?\b|requirepass|secret|token|credential|api.?key", r"://[^/\s]*@"):
        assert [] == re.findall(pattern, values)
    assert [] == re.findall(r"[A-Za-z0-9+/=_-]{32,}", values)


def test_the_image_runs_the_command_itself() -> None:
    """No shell stands between the signal and the process, and the process is not root."""
    assert ["runweaver"] == json.loads(_instruction("ENTRYPOINT"))
    assert "SIGTERM" == _instruction("STOPSIGNAL")
    assert _instruction("USER").partition(":")[0] not in ("root", "0")
