"""Servers that belong together, started once for all tests of this folder, and pipelines on them."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster, Sentinels, running_cluster, running_sentinels
from tests.support.processes import Pipeline
from tests.support.server import Server


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three primaries and three replicas. A test that breaks some of it waits until it is complete again."""
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def sentinels() -> Iterator[Sentinels]:
    """A primary, two replicas and three sentinels."""
    with running_sentinels() as running:
        yield running


@pytest.fixture
def cluster_pipeline(cluster: Cluster, server: Server, namespace: str) -> Iterator[Pipeline]:
    """Nothing runs yet on the cluster, nor on the server for jobs."""
    environment = {"RUNWEAVER_JOBS_URL": server.url, "RUNWEAVER_PARTITIONS": "6"}
    with Pipeline(cluster.url, namespace, environment) as prepared:
        yield prepared


@pytest.fixture
def sentinel_pipeline(sentinels: Sentinels, namespace: str) -> Iterator[Pipeline]:
    """Nothing runs yet behind the sentinels: jobs are there, too."""
    with Pipeline(sentinels.url, namespace) as prepared:
        yield prepared
