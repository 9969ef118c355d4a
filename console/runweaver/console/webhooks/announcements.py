"""Takes announcements of summaries, as one of those that post to a hook and share the work."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

from runweaver.shared.consumer_group import forget_dead
from runweaver.shared.keys import Keys, webhook_group
from runweaver.shared.log import get_logger
from runweaver.shared.replies import as_entries
from runweaver.shared.round_trip import checked, round_trip

#: How long a read waits on the server for something to come.
BLOCK_S: Final = 1.0

_START: Final = "0-0"
#: How long what we leave behind counts as untouched: longer than anybody waits before taking it over.
_UNTOUCHED_MS: Final = 365 * 24 * 60 * 60 * 1000

_log = get_logger(__name__)


@dataclass(frozen=True)
class Taken:
    """An entry that is ours to deal with, until it is acknowledged."""

    id: str
    fields: dict[bytes, bytes]
    #: How often it was tried before, by us or by others.
    failures: int = 0


class Announcements:
    """One member of a hook's consumer group. What it takes stays pending until it is acknowledged."""

    def __init__(self, client: Redis, keys: Keys, hook: str, name: str, *, claim_after_s: float) -> None:
        """Take part as `name`, on a client whose socket waits longer than `BLOCK_S`."""
        self._client = client
        self._stream = keys.finished
        self._hook = hook
        self._group = webhook_group(hook)
        self._name = name
        self._claim_after_s = claim_after_s
        self._next_claim_at = 0.0
        #: How far the group has read, as far as we know; none before we have joined it.
        self._read_to: str | None = None

    def read(self, count: int, wait_s: float) -> list[Taken]:
        """The next entries, what the dead left before new ones; or none, after `wait_s`.

        A new group begins with what comes now.
        """
        try:
            if self._read_to is None:
                self._join("$")
            return self._left_behind(count) or self._new(count, wait_s)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            _log.warning("the consumer group is gone, creating it again", hook=self._hook)
            self._join(self._read_to or _START)
            return []

    def keep(self, ids: Sequence[str]) -> None:
        """Say that these are still being worked on: nobody else is to take them over."""
        if ids:
            self._claim(ids)

    def note_failures(self, entry_id: str, failures: int) -> None:
        """Note how often an entry was tried, for whoever takes it over one day."""
        self._claim([entry_id], retrycount=failures)

    def acknowledge(self, ids: Iterable[str]) -> None:
        """These are done with."""
        self._client.xack(self._stream, self._group, *ids)

    def leave(self, unfinished: Sequence[str]) -> None:
        """Leave these to others, who need not wait for them; and take our name off the group, if there are none."""
        if unfinished:
            self._claim(unfinished, idle=_UNTOUCHED_MS)
        elif self._read_to is not None and not self._client.xpending_range(
            self._stream, self._group, "-", "+", 1, consumername=self._name
        ):
            self._client.xgroup_delconsumer(self._stream, self._group, self._name)

    def _join(self, begin: str) -> None:
        try:
            self._client.xgroup_create(self._stream, self._group, id=begin, mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        groups: Any = self._client.xinfo_groups(self._stream)
        self._read_to = next(
            each["last-delivered-id"].decode() for each in groups if each["name"].decode() == self._group
        )
        self._tell_what_is_lost(self._read_to)

    def _tell_what_is_lost(self, read_to: str) -> None:
        """Where the entry that was read last is gone, the ones after it may be: the oldest go first."""
        first = as_entries(self._client.xrange(self._stream, f"({read_to}", count=1))
        if read_to != _START and first and not self._client.xrange(self._stream, read_to, read_to):
            _log.warning(
                "announcements may have gone by while nobody posted to this hook",
                hook=self._hook,
                after=read_to,
                kept_from=first[0][0],
            )

    def _new(self, count: int, wait_s: float) -> list[Taken]:
        reply = self._ask(
            *("XREADGROUP", "GROUP", self._group, self._name, "COUNT", count, "BLOCK", max(1, int(wait_s * 1000))),
            *("STREAMS", self._stream, ">"),
        )
        pairs = reply.items() if isinstance(reply, dict) else reply or ()
        taken = [Taken(entry_id.decode(), _as_dict(fields)) for _, found in pairs for entry_id, fields in found]
        if taken:
            self._read_to = taken[-1].id
        return taken

    def _left_behind(self, count: int) -> list[Taken]:
        if time.monotonic() < self._next_claim_at:
            return []
        cursor = b"0-0"
        while True:
            cursor, found, *deleted = self._ask(
                *("XAUTOCLAIM", self._stream, self._group, self._name),
                *(int(self._claim_after_s * 1000), cursor, "COUNT", count),
            )
            if deleted and deleted[0]:
                _log.warning(
                    "announcements were dropped before they were posted", hook=self._hook, lost=len(deleted[0])
                )
            # Redis 6.2 tells entries that were deleted while they were pending as nothing at all.
            entries = [entry for entry in found if entry is not None]
            if entries or cursor == b"0-0":
                break
        if not entries:
            forget_dead(self._client, self._stream, self._group, idle_s=self._claim_after_s)
            self._next_claim_at = time.monotonic() + self._claim_after_s / 4
            return []
        _log.info("took over announcements that another process left", hook=self._hook, entries=len(entries))
        return self._with_failures(entries)

    def _with_failures(self, entries: Sequence[Any]) -> list[Taken]:
        first, last = entries[0][0], entries[-1][0]
        pending: Any = self._client.xpending_range(
            self._stream, self._group, first, last, 10 * len(entries), consumername=self._name
        )
        # Taking it over counted as a delivery, too.
        failures = {each["message_id"]: each["times_delivered"] - 1 for each in pending}
        return [Taken(entry_id.decode(), _as_dict(fields), failures.get(entry_id, 0)) for entry_id, fields in entries]

    def _ask(self, *command: str | bytes | int) -> Any:
        """The reply as it is: the driver would break at entries that were deleted while they were pending.

        Not retried: a read would get other entries than the one whose reply was lost.
        """
        return checked(round_trip(self._client, [command]))[0]

    def _claim(self, ids: Sequence[str], **options: int) -> None:
        self._client.xclaim(
            self._stream,
            self._group,
            self._name,
            0,
            list(ids),
            idle=options.get("idle"),
            retrycount=options.get("retrycount"),
            justid=True,
        )


def _as_dict(fields: Sequence[bytes] | None) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {}
