"""The file that an export goes to: whole, or not there; and where an interrupted one goes on."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeInt, ValidationError

from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary

UNFINISHED: Final = ".part"
_NOTE: Final = ".cursor"


class Export(BaseModel):
    """What was asked for, and how far it has come."""

    model_config = ConfigDict(extra="forbid")

    #: The options, as they were typed.
    options: dict[str, str | int]
    full: bool
    #: From here relative times count, also after an interruption.
    began_at: AwareDatetime

    #: Where to go on; none at the beginning.
    cursor: str | None = None
    #: How long the file was then.
    size: NonNegativeInt = 0
    looked_at: NonNegativeInt = 0
    written: NonNegativeInt = 0
    #: Runs whose messages are kept no more, and runs that cannot be read.
    expired: NonNegativeInt = 0
    unreadable: NonNegativeInt = 0


class Target(Protocol):
    """Where runs are written to."""

    def write(self, document: RunSummary | Run) -> None:
        """Add one."""

    def keep(self, export: Export) -> None:
        """What was written so far is to outlast an interruption, where that can be."""

    def finish(self) -> None:
        """That was all."""


class StandardOutput:
    """JSON lines for another program."""

    def write(self, document: RunSummary | Run) -> None:
        sys.stdout.write(document.model_dump_json() + "\n")

    def keep(self, export: Export) -> None:
        """What is out is out."""

    def finish(self) -> None:
        sys.stdout.flush()


class JsonLinesFile:
    """JSON lines in a file.

    They are gathered in `<file>.part`. Beside it, `<file>.cursor` says how far it is good and where to go on; it is
    written after what it speaks of, so that a process can die anywhere.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def write(self, document: RunSummary | Run) -> None:
        self._file.write(document.model_dump_json().encode() + b"\n")

    def keep(self, export: Export) -> None:
        self._flush()
        export.size = self._file.tell()
        note = beside(self._path, _NOTE)
        draft = beside(self._path, f"{_NOTE}.new")
        with draft.open("w", encoding="utf-8") as file:
            file.write(export.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(note)

    def finish(self) -> None:
        self._flush()
        beside(self._path, UNFINISHED).replace(self._path)
        beside(self._path, _NOTE).unlink(missing_ok=True)

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def json_lines_file(path: Path, export: Export) -> Iterator[JsonLinesFile]:
    """Begin a file, or go on with one.

    Args:
        path: where it is to be in the end.
        export: as `unfinished` gave it, or a new one.

    Raises:
        InvalidArgumentError: it cannot be written there; or what is there already is not what the note speaks of.
    """
    part = beside(path, UNFINISHED)
    try:
        file = part.open("wb" if export.cursor is None else "r+b")
    except OSError as error:
        raise InvalidArgumentError(f"--output: {part} cannot be written: {error.strerror}") from None
    with file:
        if file.seek(0, os.SEEK_END) < export.size:
            raise InvalidArgumentError(
                f"--resume: {part} is shorter than it was when it was interrupted: remove it, and begin anew"
            )
        file.truncate(export.size)
        file.seek(export.size)
        lines = JsonLinesFile(path, file)
        lines.keep(export)
        yield lines


def unfinished(path: Path, options: dict[str, str | int], *, full: bool) -> Export:
    """How far an interrupted export to a file has come.

    Raises:
        InvalidArgumentError: there is none, or it was asked for something else.
    """
    note = beside(path, _NOTE)
    try:
        export = Export.model_validate_json(note.read_bytes())
    except FileNotFoundError:
        raise InvalidArgumentError(f"--resume: no export to {path} was interrupted: there is no {note}") from None
    except (OSError, ValidationError):
        raise InvalidArgumentError(f"--resume: {note} cannot be read: remove it, and begin anew") from None
    if (export.options, export.full) != (options, full):
        asked = " ".join(_as_typed(export))
        raise InvalidArgumentError(f"--resume: the export to {path} was asked for with {asked}: ask for the same again")
    return export


def check_none_unfinished(path: Path) -> None:
    """Make sure that no interrupted export is overwritten.

    Raises:
        InvalidArgumentError: there is one.
    """
    part = beside(path, UNFINISHED)
    if part.exists() and beside(path, _NOTE).exists():
        raise InvalidArgumentError(f"an export to {path} was interrupted: go on with --resume, or remove {part}")


def _as_typed(export: Export) -> Iterator[str]:
    if not export.options and not export.full:
        yield "no options"
    for name, value in export.options.items():
        yield f"--{name.replace('_', '-')} {value}"
    if export.full:
        yield "--full"


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
