"""deploy/kubernetes: manifests that Kubernetes and KEDA take, in which each name means what it should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.kubernetes.apps.v1 import Deployment
from cloudcoil.models.kubernetes.core.v1 import ConfigMap, Secret, Service
from cloudcoil.models.kubernetes.policy.v1 import PodDisruptionBudget
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

from runweaver.console.cli import app
from runweaver.shared import FinalizerSettings, ServerSettings, WorkerSettings
from tests.support.deployed import VARIABLES_OF_ALL, instruction
from tests.support.secured import DEPLOY

_DIRECTORY: Final = DEPLOY / "kubernetes"
_KINDS: Final[dict[tuple[str, str], type[BaseModel]]] = {
    ("v1", "ConfigMap"): ConfigMap,
    ("v1", "Secret"): Secret,
    ("v1", "Service"): Service,
    ("apps/v1", "Deployment"): Deployment,
    ("policy/v1", "PodDisruptionBudget"): PodDisruptionBudget,
    ("keda.sh/v1alpha1", "ScaledObject"): ScaledObject,
}
#: What KEDA's documentation of the scaler `prometheus` names. Its schema takes any name here.
_PROMETHEUS_METADATA: Final = {
    "activationThreshold",
    "authModes",
    "cortexOrgID",
    "customHeaders",
    "ignoreNullValues",
    "namespace",
    "query",
    "queryParameters",
    "serverAddress",
    "threshold",
    "timeout",
    "unsafeSsl",
}
_SETTINGS: Final[tuple[type[ServerSettings], ...]] = (WorkerSettings, FinalizerSettings)


def _documents() -> Iterator[dict[str, Any]]:
    for path in sorted(_DIRECTORY.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


_DOCUMENTS: Final = list(_documents())
_NAMES: Final = [f"{document['kind']}-{document['metadata']['name']}" for document in _DOCUMENTS]


def _of(kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in _DOCUMENTS if document["kind"] == kind}


_DEPLOYMENTS: Final = _of("Deployment")
_each_deployment = pytest.mark.parametrize("name", _DEPLOYMENTS)


def _container(name: str) -> dict[str, Any]:
    (container,) = _DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
    return container  # type: ignore[no-any-return]


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_NAMES)
def test_kubernetes_takes_it(document: dict[str, Any]) -> None:
    """By the models of Kubernetes and of KEDA: nothing is missing or of another type, and every name is known."""
    model = _KINDS[document["apiVersion"], document["kind"]]
    taken = model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)

    # What a model does not know, it leaves out.
    assert document == taken


def test_a_name_that_kubernetes_does_not_know_is_seen() -> None:
    """The models leave it out, however deep it stands: so the comparison above finds it."""
    wrong = json.loads(json.dumps(_DEPLOYMENTS["runweaver-worker"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["httpGet"]["paht"] = "/"

    assert wrong != Deployment.model_validate(wrong).model_dump(mode="json", by_alias=True, exclude_unset=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_kustomize_puts_it_together() -> None:
    """Everything but the example of a secret comes out, in one namespace, with the image that is named."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(_DIRECTORY)],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    made = list(yaml.safe_load_all(done.stdout))

    assert sorted(name for name in _NAMES if not name.startswith("Secret")) == sorted(
        f"{document['kind']}-{document['metadata']['name']}" for document in made
    )
    assert {"runweaver"} == {document["metadata"]["namespace"] for document in made}
    images = {
        document["spec"]["template"]["spec"]["containers"][0]["image"]
        for document in made
        if document["kind"] == "Deployment"
    }
    assert {"registry.example/runweaver:0.2.0"} == images


@_each_deployment
def test_it_runs_a_command_that_there_is(name: str) -> None:
    """The image's own entry point gets it."""
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)

    assert [name.removeprefix("runweaver-")] == _container(name)["args"]
    assert "command" not in _container(name)
    assert name.removeprefix("runweaver-") in commands.commands


@_each_deployment
def test_every_variable_is_a_setting(name: str) -> None:
    """Those of the map that all have, and those of the container."""
    fields = {f"RUNWEAVER_{field.upper()}" for settings in _SETTINGS for field in settings.model_fields}
    common = _of("ConfigMap")["runweaver"]["data"]
    own = {each["name"] for each in _container(name)["env"]}

    assert [{"configMapRef": {"name": "runweaver"}}] == _container(name)["envFrom"]
    assert set() == {*common, *own} - fields - VARIABLES_OF_ALL


@_each_deployment
def test_its_passwords_come_from_the_secret(name: str) -> None:
    """Each URL is that of its own user, under a key that the example has; the jobs' is there with a cluster only."""
    secret = _of("Secret")["runweaver"]["stringData"]
    user = {"runweaver-exporter": "reader"}.get(name, name.removeprefix("runweaver-"))
    redis_url, jobs_url = (each["valueFrom"]["secretKeyRef"] for each in _container(name)["env"])

    assert {"name": "runweaver", "key": f"{user}-redis-url"} == redis_url
    assert f"redis://{user}:<password>@redis:6379/0" == secret[f"{user}-redis-url"]
    assert {"name": "runweaver", "key": f"{user}-jobs-url", "optional": True} == jobs_url


@_each_deployment
def test_it_may_do_little(name: str) -> None:
    """It is the image's own user, changes no file, and has no rights beyond."""
    pod = _DEPLOYMENTS[name]["spec"]["template"]["spec"]
    uid, gid = map(int, instruction("USER").split(":"))

    assert {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": gid,
        "seccompProfile": {"type": "RuntimeDefault"},
    } == pod["securityContext"]
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == _container(name)["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    # A process needs up to five seconds to stop in order.
    assert pod["terminationGracePeriodSeconds"] >= 10


@_each_deployment
def test_it_is_asked_for_its_health_where_it_tells(name: str) -> None:
    """The probes ask on the port that the settings open, which is also the one that Prometheus finds."""
    port = _of("ConfigMap")["runweaver"]["data"]["RUNWEAVER_METRICS_PORT"]
    probes = {kind: _container(name)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}

    assert [{"name": "metrics", "containerPort": int(port)}] == _container(name)["ports"]
    ready = "/health/live" if name == "runweaver-exporter" else "/health/ready"
    assert {
        "startup": {"path": "/health/live", "port": "metrics"},
        "liveness": {"path": "/health/live", "port": "metrics"},
        "readiness": {"path": ready, "port": "metrics"},
    } == probes
    annotations = _DEPLOYMENTS[name]["spec"]["template"]["metadata"]["annotations"]
    assert {"prometheus.io/scrape": "true", "prometheus.io/port": port} == annotations


def test_labels_select_what_they_should() -> None:
    """Each selector is that of one deployment."""
    for name, deployment in _DEPLOYMENTS.items():
        labels = {"app.kubernetes.io/name": name}
        assert labels == deployment["spec"]["selector"]["matchLabels"]
        assert labels == deployment["spec"]["template"]["metadata"]["labels"]
    for name, budget in _of("PodDisruptionBudget").items():
        assert {"app.kubernetes.io/name": name} == budget["spec"]["selector"]["matchLabels"]
        assert name in _DEPLOYMENTS
    service = _of("Service")["runweaver-exporter"]["spec"]
    assert {"app.kubernetes.io/name": "runweaver-exporter"} == service["selector"]


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    """Otherwise each `kubectl apply` would set it back. One may always die."""
    for name, scaled in _of("ScaledObject").items():
        assert {"name": name} == scaled["spec"]["scaleTargetRef"]
        assert "replicas" not in _DEPLOYMENTS[name]["spec"]
        least, most = scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]
        assert 2 <= least <= scaled["spec"]["fallback"]["replicas"] <= most


def test_triggers_are_as_keda_documents_them() -> None:
    """Their names are free text for Kubernetes; KEDA would ignore one that it does not know."""
    queries = {}
    for name, scaled in _of("ScaledObject").items():
        (trigger,) = scaled["spec"]["triggers"]
        assert "prometheus" == trigger["type"]
        assert {"serverAddress", "query", "threshold"} <= set(trigger["metadata"]) <= _PROMETHEUS_METADATA
        assert float(trigger["metadata"]["threshold"]) > 0
        queries[name] = set(re.findall(r"runweaver_\w+", trigger["metadata"]["query"]))

    assert {
        "runweaver-worker": {"runweaver_backlog_entries"},
        "runweaver-finalizer": {"runweaver_jobs_waiting"},
    } == queries
