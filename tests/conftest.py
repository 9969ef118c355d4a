"""Fixtures: one real server for the session, and a pipeline that is always running."""

from collections.abc import Iterator
from itertools import count

import pytest

from runweaver.producer import Producer
from tests.support.owned_keys import wait_until_no_strays
from tests.support.processes import Pipeline
from tests.support.server import Server

_numbers = count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real server for all tests that do not break it. Each test takes a namespace of its own."""
    with Server(appendonly="yes") as running:
        yield running


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test has."""
    return f"test{next(_numbers)}"


@pytest.fixture(scope="session")
def pipeline(server: Server) -> Iterator[Pipeline]:
    """A worker and a finalizer that run through the whole session, with short waits. Do not stop them."""
    with Pipeline(server.url, "shared") as running:
        running.start("worker")
        running.start("finalizer")
        yield running
        wait_until_no_strays(running.redis, running.namespace)


@pytest.fixture
def producer(pipeline: Pipeline) -> Iterator[Producer]:
    """A producer for the pipeline that is always running."""
    with Producer(settings=pipeline.producer_settings) as running:
        yield running


@pytest.fixture
def own_pipeline(server: Server, namespace: str) -> Iterator[Pipeline]:
    """A namespace in which nothing runs yet: the test starts, kills and stops what it needs."""
    with Pipeline(server.url, namespace) as prepared:
        yield prepared
        wait_until_no_strays(prepared.redis, namespace)


@pytest.fixture
def run_id() -> str:
    """A run id that no other test has."""
    return f"run-{next(_numbers)}"
