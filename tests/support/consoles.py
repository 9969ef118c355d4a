"""The console as the process that it is in real life."""

import json
import sys
from pathlib import Path
from typing import Final

from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_COMMAND: Final = (sys.executable, "-m", "runweaver.console", "console", "--port", "0")


def serve_console(pipeline: Pipeline, log: Path, *options: str, **environment: str) -> str:
    """Start one at a free port, and wait until it listens.

    Returns:
        Its address, without a slash at the end.
    """
    process = pipeline.spawn_logged([*_COMMAND, *options], log, environment)

    def address() -> str | None:
        assert process.poll() is None, log.read_text()
        lines = [line for line in log.read_text().splitlines() if '"serving"' in line]
        return str(json.loads(lines[-1])["url"]).rstrip("/") if lines else None

    found = wait_until(address, what="the console listening")
    assert found is not None
    return found
