"""Whether this machine and this installation are fit."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from runweaver.console.amounts import spell_bytes
from runweaver.console.doctor.check import Check, ok, unknown, warning, wrong

_PACKAGES: Final = ("runweaver", "redis", "hiredis", "rq")
#: A process of ours has a dozen at most; `runweaver mcp --http`, and agents that do other things as well, more.
_FEW_FILES: Final = 256
#: File systems on which SQLite's locks cannot be relied on.
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"})
_MOUNTS: Final = Path("/proc/mounts")


def check_machine(spool: Path | None, spool_bytes: int) -> Iterator[Check]:
    """Look at what is installed here, at the limit of open files, and at the spool's directory, if there is one."""
    yield ok("versions", f"{_versions()}.")
    yield from _open_files()
    if spool is not None:
        yield check_spool(spool, spool_bytes)


def _versions() -> str:
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {_version_of(name)}" for name in _PACKAGES)])


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _open_files() -> Iterator[Check]:
    with suppress(ImportError):  # Windows has no such limit
        import resource  # noqa: PLC0415

        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = 0 <= limit < _FEW_FILES  # unlimited is below zero on some systems
        what = f"A process may have {limit:,} open." if limit >= 0 else "A process may have any number open."
        yield warning("files", what, "Allow more: `ulimit -n 1024`.") if few else ok("files", what)


def check_spool(directory: Path, most_bytes: int, mounts: Path = _MOUNTS) -> Check:
    """Whether producers can use a directory for that many bytes.

    Args:
        directory: for the spool.
        most_bytes: of all its files.
        mounts: the system's list of what is mounted where.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=directory, prefix="runweaver-doctor-"):
            pass
    except OSError as error:
        return wrong("spool", f"{directory} cannot be written to ({error.strerror}).", "Give agents the right to.")
    try:
        kind = _file_system(directory, mounts)
    except OSError as error:
        return unknown(
            "spool", f"Whether {directory} is on a local disk cannot be seen ({error.strerror}).", "See to it."
        )
    if kind in _REMOTE:
        what = f"{directory} is on {kind}: its files break when two machines use them."
        return wrong("spool", what, "Set RUNWEAVER_SPOOL_DIR to a directory on a local disk.")
    free = shutil.disk_usage(directory).free
    if free < most_bytes:
        what = f"{directory} has room for {spell_bytes(free)}, and may take {spell_bytes(most_bytes)}."
        return warning("spool", what, "Make room there, or lower RUNWEAVER_SPOOL_BYTES.")
    return ok("spool", f"{directory} can be written to, on {kind or 'a disk'} with room for {spell_bytes(free)}.")


def _file_system(directory: Path, mounts: Path) -> str:
    """The kind of file system that a directory is on: that of the longest mount point above it."""
    where, found, deepest = os.path.realpath(directory), "", -1
    for line in mounts.read_text().splitlines():
        _, mount, kind, *_ = line.split(" ")
        # It writes a space as the code of one.
        mount = mount.replace("\\040", " ")
        if len(mount) >= deepest and os.path.commonpath([where, mount]) == mount:
            found, deepest = kind, len(mount)
    return found
