"""Visits the console without a process or a port: as a browser or a program would."""

import re
from typing import Any

from fastapi.testclient import TestClient
from pydantic import SecretStr

from runweaver.console.web.app import create_app
from runweaver.shared.settings import ConsoleSettings
from tests.support.processes import Pipeline

TOKEN = "a-token-of-the-test"  # noqa: S105


def console_settings(pipeline: Pipeline, **settings: Any) -> ConsoleSettings:
    """For a console over this pipeline."""
    return ConsoleSettings(**{"redis_url": pipeline.url, "namespace": pipeline.namespace, **settings})


def visitor(pipeline: Pipeline, *, host: str = "localhost", **settings: Any) -> TestClient:
    """Somebody who follows no redirect, with cookies of their own."""
    app = create_app(console_settings(pipeline, **settings))
    return TestClient(app, base_url=f"http://{host}", follow_redirects=False, raise_server_exceptions=False)


def stranger(pipeline: Pipeline, **settings: Any) -> TestClient:
    """Somebody who has to show the token, and has not."""
    return visitor(pipeline, host="console.example", console_token=SecretStr(TOKEN), **settings)


def guest(pipeline: Pipeline, **settings: Any) -> TestClient:
    """Somebody who has shown it."""
    client = stranger(pipeline, **settings)
    assert 303 == client.post("/login", data={"token": TOKEN}).status_code
    return client


def proof_on(client: TestClient, path: str) -> str:
    """What the forms of a page have to say."""
    found = re.search(r'name="proof" value="(\w+)"', client.get(path).text)
    assert found is not None
    return found[1]
