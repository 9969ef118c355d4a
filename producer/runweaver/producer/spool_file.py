"""One file of a spool: an SQLite database with batches of messages."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from runweaver.shared.log import get_logger

Batches: TypeAlias = list[list[bytes]]

#: Batches that are read at once.
_BATCHES_AT_ONCE: Final = 3

_BROKEN_SUFFIX: Final = ".broken"
_FORMAT: Final = 1

_log = get_logger(__name__)


class SpoolFile:
    """One file of batches, held by one process at a time. For one thread, and not for a forked child."""

    def __init__(self, path: Path) -> None:
        """Open a file, which may be empty, and keep all others out until `close`.

        Raises:
            sqlite3.Error: another process holds it, it is no spool file, or the disk does not do it.
        """
        self.path = path
        # It is never created here: it may have been deleted a moment ago by the one who sent the last of it.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None
        )
        try:
            self._prepare()
        except sqlite3.Error:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        # Set before anything is read: then the lock is taken once, and no memory is shared with anybody.
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A commit survives the death of the process. That of the machine may cost the last ones, but not the file.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _FORMAT):
            raise sqlite3.OperationalError(f"written by another version of this library (format {version})")
        self._connection.execute("CREATE TABLE IF NOT EXISTS batches (id INTEGER PRIMARY KEY, messages BLOB NOT NULL)")
        self._connection.execute(f"PRAGMA user_version = {_FORMAT}")

    def append(self, batches: Batches) -> None:
        """Write batches at the end, all or none of them.

        Raises:
            sqlite3.Error: the disk does not take them.
        """
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO batches (messages) VALUES (?)", ((b"\n".join(batch),) for batch in batches)
            )

    def after(self, number: int) -> list[tuple[int, list[bytes]]]:
        """The first batches after this one, each under its number."""
        rows = self._connection.execute(
            "SELECT id, messages FROM batches WHERE id > ? ORDER BY id LIMIT ?", (number, _BATCHES_AT_ONCE)
        )
        # Compact JSON has no line breaks.
        return [(number, bytes(messages).split(b"\n")) for number, messages in rows]

    def remove_up_to(self, number: int) -> None:
        """Forget batches that were sent."""
        self._connection.execute("DELETE FROM batches WHERE id <= ?", (number,))

    @property
    def used_bytes(self) -> int:
        """What its messages take up. Room that was freed is filled again, and does not count."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * page_bytes)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def delete(self) -> None:
        """Let go of it for good: all of it was sent."""
        self.close()
        self.path.unlink(missing_ok=True)

    def set_aside(self) -> None:
        """Keep it for people to look at: it cannot be read."""
        self.close()
        set_aside(self.path)


def set_aside(path: Path) -> None:
    """Keep a file for people to look at: it cannot be read."""
    aside = path.with_suffix(_BROKEN_SUFFIX)
    _log.error("a spool file cannot be read, setting it aside", path=str(aside))
    with suppress(OSError):
        path.rename(aside)
