"""Logs tell what happens, and never what agents report, nor a password."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runweaver.shared import RunStatus
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

_MARK = "hunter2"


@pytest.fixture
def logged(namespace: str, tmp_path: Path) -> Iterator[tuple[Server, Pipeline]]:
    """A server with a password, and a pipeline whose processes say all that they can."""
    with Server() as server:
        with server.client() as client:
            client.config_set("requirepass", _MARK)
        url = server.url.replace("redis://", f"redis://:{_MARK}@")
        with Pipeline(url, namespace, {"RUNWEAVER_LOG_LEVEL": "debug"}) as pipeline:
            pipeline.log = tmp_path / "log"
            yield server, pipeline


def _report(script: Script) -> list[str]:
    script.started(input_data={"q": _MARK})
    script.decision("d", f"Look for {_MARK}", reasoning=_MARK, input_context={"x": _MARK})
    script.outcome("d", success=False, error=_MARK, result=_MARK)
    script.problem("p", "critical", _MARK)
    script.ended("failed", output_data={"a": _MARK})
    return script.written


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_was_reported_is_logged(logged: tuple[Server, Pipeline], log_format: str) -> None:
    """Not where all goes well, nor where messages are refused, runs are broken, or the server refuses and goes away."""
    server, pipeline = logged
    pipeline.environment["RUNWEAVER_LOG_FORMAT"] = log_format
    assert pipeline.log is not None
    pipeline.redis.set(pipeline.keys.run("strange"), _MARK, ex=600)
    pipeline.start("worker")
    pipeline.start("finalizer")
    garbage = ["{" + _MARK, json.dumps({"type": _MARK, "run_id": _MARK}), json.dumps({"type": "problem", "x": _MARK})]
    pipeline.send(*_report(Script("good")), *garbage, *_report(Script("strange")))
    assert RunStatus.FAILED == pipeline.summary("good").status
    broken = _report(Script("broken"))
    pipeline.redis.hset(pipeline.keys.run("broken"), "p#99", f'{{"type":"{_MARK}"')
    pipeline.send(*broken)
    wait_until(lambda: pipeline.jobs.queue.failed_job_registry.count, timeout_s=60, what="a job that failed")
    # The driver's own words for this would begin with the command, and so with the message.
    pipeline.redis.delete(pipeline.keys.dead_letters(0))
    pipeline.redis.set(pipeline.keys.dead_letters(0), "in the way", ex=600)
    pipeline.send(f"{_MARK} is no JSON")
    wait_until(lambda: "WRONGTYPE" in pipeline.log.read_text(), what="the wrong type is logged")  # type: ignore[union-attr]
    pipeline.redis.config_set("maxmemory", "1")
    wait_until(lambda: "out of memory" in pipeline.log.read_text(), what="the refusal is logged")  # type: ignore[union-attr]
    pipeline.redis.config_set("maxmemory", "0")
    server.kill()
    wait_until(lambda: "no Redis answers" in pipeline.log.read_text(), what="the absence is logged")  # type: ignore[union-attr]

    log = pipeline.log.read_text()

    assert [] == [line for line in log.splitlines() if _MARK in line]
    assert "Traceback" in log
