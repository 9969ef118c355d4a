"""The thread that empties the outbox: to the server, or to the disk while the server takes nothing.

What comes while messages wait on the disk queues up behind them there. So all leave in the order in which they came,
and the end of a run does not overtake what it ends.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from runweaver.producer.outbox import Outbox
from runweaver.producer.spool import Disk, NoDisk, Spool
from runweaver.producer.spool_file import Batches
from runweaver.producer.trouble import diagnose
from runweaver.shared.log import get_logger

_WARN_EVERY_S: Final = 60.0
#: How often to look whether another process has left messages on the disk.
_LOOK_EVERY_S: Final = 30.0
#: When a disk that took nothing, or gave nothing, is asked again.
_DISK_AGAIN_S: Final = 1.0

_log = get_logger(__name__)

#: Puts batches onto the server. It raises where it cannot, and may be called again with the same: identity makes a
#: resend harmless.
Send = Callable[[Batches], None]


class Sender:
    """What an outbox' thread does."""

    def __init__(self, send: Send, *, spool: Spool | None = None, where: str = "the server") -> None:
        """Nothing is connected before there is something to send.

        Args:
            send: see `Send`.
            spool: absent: what the server does not take waits in the outbox.
            where: what to call the server in the log.
        """
        self._send = send
        self._spool = spool
        self._where = where
        self._failures = 0
        #: Moments (monotonic) before which there is no use in asking the server, the disk, or for leftovers.
        self._server_at = 0.0
        self._disk_at = 0.0
        self._look_at = 0.0
        self._warn_at = 0.0

    def __call__(self, outbox: Outbox) -> None:
        """Work until the outbox says that all is over."""
        # The disk is handed from call to call: where an attribute held it, a forked child could get at it.
        with self._session() as disk:
            is_over = False
            while not is_over:
                is_direct = not disk.is_waiting and time.monotonic() >= self._server_at
                is_over = self._forward(outbox, disk) if is_direct else self._queue(outbox, disk)

    def _session(self) -> AbstractContextManager[Disk]:
        return nullcontext(NoDisk()) if self._spool is None else self._spool.session()

    def _forward(self, outbox: Outbox, disk: Disk) -> bool:
        """Send from the buffer; what others left on the disk goes when there is time.

        Returns:
            Whether all is over.
        """
        patience_s = None if self._spool is None else max(0.0, self._look_at - time.monotonic())
        batches = outbox.next_batches(patience_s, wanted=True, is_last=True)
        if batches is None:
            return True
        if not batches:
            self._send_leftovers(outbox, disk)
        elif self._try(outbox, batches):
            outbox.remove(batches, is_sent=True)
        return False

    def _queue(self, outbox: Outbox, disk: Disk) -> bool:
        """Move the buffer to the disk, and send from there where the server may take something again.

        Returns:
            Whether all is over.
        """
        now = time.monotonic()
        can_store = self._spool is not None and now >= self._disk_at
        wake_at = self._server_at if self._spool is None or can_store else min(self._server_at, self._disk_at)
        batches = outbox.next_batches(max(0.0, wake_at - now), wanted=can_store, is_last=not disk.is_waiting)
        if batches is None:
            return True
        if batches:
            stored = disk.write(batches)
            outbox.remove(batches[:stored], is_sent=False)
            if stored < len(batches):
                self._disk_at = now + _DISK_AGAIN_S
        if disk.is_waiting and now >= self._server_at:
            self._send_from(outbox, disk)
        return False

    def _send_leftovers(self, outbox: Outbox, disk: Disk) -> None:
        if disk.look_for_leftovers():
            self._send_from(outbox, disk)
        else:
            self._look_at = time.monotonic() + _LOOK_EVERY_S

    def _send_from(self, outbox: Outbox, disk: Disk) -> None:
        """Send some of what is on the disk."""
        try:
            batches = disk.first()
        except sqlite3.OperationalError as error:
            _log.warning("the spool cannot be read now, trying again", reason=str(error))
            if disk.is_waiting:
                self._server_at = time.monotonic() + _DISK_AGAIN_S
            else:
                # What others left must not keep us from sending what is ours.
                disk.let_go()
                self._look_at = time.monotonic() + _LOOK_EVERY_S
            return
        except sqlite3.DatabaseError:
            outbox.note_lost(disk.give_up())
            return
        if batches and self._try(outbox, batches):
            outbox.note_sent(disk.remove_first())

    def _try(self, outbox: Outbox, batches: Batches) -> bool:
        try:
            self._send(batches)
        except Exception as error:  # noqa: BLE001 - a sender that ends would lose all that follows
            trouble = diagnose(error, self._where)
            self._server_at = time.monotonic() + trouble.pause_s(self._failures)
            self._failures += 1
            outbox.note_away(is_away=True)
            self._warn(trouble.reason)
            return False
        if self._failures:
            self._failures = 0
            outbox.note_away(is_away=False)
        return True

    def _warn(self, reason: str) -> None:
        now = time.monotonic()
        if now >= self._warn_at:
            self._warn_at = now + _WARN_EVERY_S
            place = "memory" if self._spool is None else "the spool"
            _log.warning(f"the server does not take messages, they wait in {place}", reason=reason)
