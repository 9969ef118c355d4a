"""Messages on disk: what Redis did not take, and memory should not or cannot keep.

A spool is a directory, which the processes of a machine can share. Each producer writes files of its own, SQLite
databases that it holds exclusively for as long as it lives. A file that nobody holds was left by a process that ended:
whoever finds it sends what is in it. A file whose messages were all sent is deleted.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, count
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from runweaver.producer.spool_file import Batches, SpoolFile, set_aside
from runweaver.shared.log import get_logger

_SUFFIX: Final = ".spool"

#: How often to try another new file.
_ATTEMPTS: Final = 3

_log = get_logger(__name__)


class Disk(Protocol):
    """What the thread of an outbox asks of a spool."""

    @property
    def is_waiting(self) -> bool:
        """Whether messages of our own lie there."""

    def write(self, batches: Batches) -> int:
        """Take batches as far as there is room.

        Returns:
            How many of them.
        """

    def first(self) -> Batches:
        """The batches to send next, ours before those that others left; none where nothing is there."""

    def remove_first(self) -> int:
        """Forget what `first` gave.

        Returns:
            How many messages of our own that were.
        """

    def look_for_leftovers(self) -> bool:
        """Whether there is a file that another process left."""

    def let_go(self) -> None:
        """Leave what another process left to whoever finds it next."""

    def give_up(self) -> int:
        """Set aside a file that cannot be read.

        Returns:
            How many messages of our own are lost with it.
        """


class NoDisk:
    """For a producer without a spool."""

    is_waiting = False

    def write(self, _batches: Batches) -> int:
        return 0

    def first(self) -> Batches:
        return []

    def remove_first(self) -> int:
        return 0

    def look_for_leftovers(self) -> bool:
        return False

    def let_go(self) -> None:
        """There is nothing."""

    def give_up(self) -> int:
        return 0


@dataclass
class _Place:
    """How far a file has been sent."""

    file: SpoolFile
    #: Written and not sent; only known where we wrote it.
    messages: int = 0
    sent_up_to: int = 0
    read_up_to: int = 0
    read_messages: int = 0


class SpoolSession:
    """A spool as one thread uses it: the file that it writes, and at times one that another process left."""

    def __init__(self, spool: "Spool") -> None:
        self._spool = spool
        self._own: _Place | None = None
        self._left: _Place | None = None

    @property
    def is_waiting(self) -> bool:
        return self._own is not None

    def write(self, batches: Batches) -> int:
        try:
            fitting = self._fitting(batches)
            if not fitting:
                return 0
            if self._own is None:
                self._own = _Place(self._spool.create())
            self._own.file.append(fitting)
        except (sqlite3.Error, OSError) as error:
            _log.warning("the spool does not take messages", directory=str(self._spool.directory), reason=str(error))
            if self._own is not None and not self._own.messages:
                self._finish(self._own)
            return 0
        self._own.messages += sum(map(len, fitting))
        return len(fitting)

    def first(self) -> Batches:
        place = self._own or self._left
        if place is None:
            return []
        found = place.file.after(place.sent_up_to)
        if not found:
            self._finish(place)
            return []
        place.read_up_to = found[-1][0]
        place.read_messages = sum(len(batch) for _, batch in found)
        return [batch for _, batch in found]

    def remove_first(self) -> int:
        place = self._own or self._left
        assert place is not None
        place.sent_up_to = place.read_up_to
        # A full disk may refuse even this. Then whoever finds the file sends them once more, which is harmless.
        with suppress(sqlite3.Error):
            place.file.remove_up_to(place.sent_up_to)
        if place is not self._own:
            return 0
        place.messages -= place.read_messages
        if not place.messages:
            self._finish(place)
        return place.read_messages

    def look_for_leftovers(self) -> bool:
        if self._left is None and (file := self._spool.take_over()) is not None:
            self._left = _Place(file)
        return self._left is not None

    def let_go(self) -> None:
        if self._left is not None:
            self._left.file.close()
            self._left = None

    def give_up(self) -> int:
        place = self._own or self._left
        assert place is not None
        place.file.set_aside()
        self._forget(place)
        return place.messages

    def close(self) -> None:
        """Leave what is there to the next one."""
        for place in (self._own, self._left):
            if place is not None:
                with suppress(sqlite3.Error):
                    place.file.close()

    def _fitting(self, batches: Batches) -> Batches:
        """As many of the batches as there is room for."""
        own = self._own.file if self._own is not None else None
        used = self._spool.bytes_beside(own.path if own is not None else None) + (own.used_bytes if own else 0)
        totals = accumulate((sum(map(len, batch)) for batch in batches), initial=used)
        count = sum(total <= self._spool.max_bytes for total in totals) - 1
        return batches[: max(0, count)]

    def _finish(self, place: _Place) -> None:
        with suppress(sqlite3.Error, OSError):
            place.file.delete()
        self._forget(place)

    def _forget(self, place: _Place) -> None:
        if place is self._own:
            self._own = None
        else:
            self._left = None


class Spool:
    """A directory with the spool files of one or many producers."""

    def __init__(self, directory: Path, *, namespace: str, name: str, max_bytes: int) -> None:
        """Nothing is created before something is written.

        Args:
            directory: on a local disk.
            namespace: files of other namespaces are left alone.
            name: whose files ours are.
            max_bytes: of all files in the directory.
        """
        self.directory = directory
        self.max_bytes = max_bytes
        self._namespace = namespace
        self._name = name
        self._numbers = count()
        self._ours: set[Path] = set()

    @contextmanager
    def session(self) -> Iterator[SpoolSession]:
        """For one thread, which must be the only one that holds on to it.

        A forked child then has no way to the connections inside, not even to close them: SQLite's files cannot bear
        that.
        """
        session = SpoolSession(self)
        try:
            yield session
        finally:
            session.close()

    def create(self) -> SpoolFile:
        """A new file of ours.

        Raises:
            sqlite3.Error: the disk does not do it.
            OSError: likewise.
        """
        for _ in range(_ATTEMPTS):
            # Somebody who looks for leftovers may find it before we hold it, and take it for one.
            with suppress(sqlite3.OperationalError):
                return self._create()
        return self._create()

    def _create(self) -> SpoolFile:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never the same name twice: somebody may still be about to delete the file that had it.
        path = self.directory / f"{self._prefix}{quote(self._name, safe='')}~{next(self._numbers)}{_SUFFIX}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._ours.add(path)
        return SpoolFile(path)

    @property
    def has_leftovers(self) -> bool:
        """Whether there may be something that other processes left."""
        return bool(self._others())

    def take_over(self) -> SpoolFile | None:
        """A file that nobody holds."""
        for path in self._others():
            try:
                return SpoolFile(path)
            except sqlite3.OperationalError:
                pass  # somebody holds it, or has just deleted it
            except sqlite3.DatabaseError:
                set_aside(path)
        return None

    def rescue(self, batches: Batches) -> bool:
        """Write batches from a thread other than the one that has the session.

        Returns:
            Whether they are on disk.
        """
        with self.session() as session:
            return session.write(batches) == len(batches)

    def bytes_beside(self, own: Path | None) -> int:
        """How much the directory holds besides this file."""
        total = 0
        with suppress(OSError), os.scandir(self.directory) as entries:
            for entry in entries:
                if own is None or entry.name != own.name:
                    with suppress(OSError):
                        total += entry.stat().st_size
        return total

    @property
    def used_bytes(self) -> int:
        """How much the directory holds, of all producers."""
        return self.bytes_beside(None)

    @property
    def _prefix(self) -> str:
        return f"{self._namespace}~"

    def _others(self) -> Sequence[Path]:
        with suppress(OSError):
            found = self.directory.glob(f"{self._prefix}*{_SUFFIX}")
            return [path for path in found if path not in self._ours]
        return []
