"""`make test-matrix`: what it counts, and when it fails."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.matrix import SERVERS, run_tests
from tests.support.binary import binary_at, server_under_test

ROOT: Final = Path(__file__).parents[2]
USUAL: Final = server_under_test().path

_TESTS: Final = """
import pytest
from tests.support.binary import server_under_test

def test_passes():
    assert {path!r} == server_under_test().path

def test_fails():
    raise ValueError

@pytest.fixture
def broken():
    raise ValueError

def test_cannot_begin(broken):
    pass

@pytest.mark.skip
def test_is_skipped():
    pass
"""


def _matrix(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.matrix", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_row_counts_what_became_of_each_test(tmp_path: Path) -> None:
    """The tests see the server that they are to run against. One that cannot begin has failed."""
    (tmp_path / "test_some.py").write_text(_TESTS.format(path=USUAL))

    row = run_tests(USUAL, ["-p", "no:cacheprovider", f"--rootdir={ROOT}", str(tmp_path)])

    assert (str(binary_at(USUAL)), 1, 2, 1) == (row.server, row.passed, row.failed, row.skipped)


@pytest.mark.parametrize("wrong", ["tests/there-is-none.py", "--no-such-option"])
def test_tests_that_cannot_be_run_have_failed(wrong: str) -> None:
    """A path that is none, or an option, is no success without tests."""
    row = run_tests(USUAL, [wrong])

    assert (0, 1) == (row.passed, row.failed)


def test_a_server_that_is_not_here_is_a_failure() -> None:
    """Unless that is allowed; it is told in any case, and the others are tried."""
    arguments = ("--server", "/not/here", "--server", USUAL, "tests/unit/test_rate.py")

    strict, lenient = _matrix(*arguments), _matrix("--allow-absent", *arguments)

    assert (1, 0) == (strict.returncode, lenient.returncode)
    for told in (strict.stdout, lenient.stdout):
        assert told.startswith("NOT HERE: /not/here")
        assert str(binary_at(USUAL)) in told


def test_where_no_server_is_here_nothing_has_passed() -> None:
    """Allowed or not."""
    assert 1 == _matrix("--allow-absent", "--server", "/not/here").returncode


def test_what_is_no_server_is_refused() -> None:
    """With what it says of itself."""
    with pytest.raises(ValueError, match="no Redis and no Valkey"):
        binary_at("/bin/echo")


def test_all_servers_that_are_here_are_what_they_are_called() -> None:
    """By make and version."""
    for name, path in SERVERS.items():
        if path.is_file():
            make, version = name.partition(",")[0].lower().split()
            assert str(binary_at(str(path))).startswith(f"{make} {version}.")
