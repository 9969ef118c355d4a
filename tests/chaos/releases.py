"""The release before this one, as a git worktree that is there for a while."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_PARTS: Final = ("shared", "producer", "worker", "query", "console")


@dataclass(frozen=True)
class Release:
    """Code to start processes from."""

    name: str
    #: The environment that makes Python import this code, and no other.
    environment: dict[str, str]


#: The code that this file belongs to.
CURRENT: Final = Release("this release", {})


def newest_tag() -> str | None:
    """The newest release that is not this very commit; this very commit where it is the only one; none without tags."""
    for commit in ("HEAD^", "HEAD"):
        found = _git("describe", "--tags", "--abbrev=0", "--match", "v*", commit)
        if found.returncode == 0:
            return found.stdout.strip()
    return None


@contextmanager
def previous_release(reference: str) -> Iterator[Release]:
    """Check out a release beside this one, and remove it in the end.

    Raises:
        ValueError: git knows no such reference, or Python would not import its code.
    """
    with tempfile.TemporaryDirectory(prefix="runweaver-release-") as directory:
        tree = Path(directory).resolve() / "tree"
        added = _git("worktree", "add", "--detach", str(tree), reference)
        if added.returncode != 0:
            raise ValueError(f"cannot check out {reference!r}: {added.stderr.strip()}")
        try:
            release = Release(reference, {"PYTHONPATH": os.pathsep.join(str(tree / part) for part in _PARTS)})
            _check_imports(release, tree)
            yield release
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _check_imports(release: Release, tree: Path) -> None:
    """Make sure that it is not the installed code that would run."""
    program = "import runweaver.shared, runweaver.worker, runweaver.console.cli as cli\n"
    program += "print(runweaver.shared.__file__, runweaver.worker.__file__, cli.__file__, sep='\\n')"
    environment = {**os.environ, **release.environment}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    strangers = [path for path in found.stdout.splitlines() if not Path(path).resolve().is_relative_to(tree)]
    if found.returncode != 0 or strangers:
        raise ValueError(f"{release.name!r} does not run: {strangers or found.stderr}")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(_ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", "git is not installed")
