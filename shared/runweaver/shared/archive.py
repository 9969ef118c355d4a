"""A run as it lies in Redis: the archive of what was summarised, and the live messages that came since.

The archive is a zstandard frame around lines of text, so that `zstd -d` shows what it holds: a JSON header, then for
each message its identity, a tab, and its JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Annotated, Final, Literal

import zstandard
from pydantic import BaseModel, Field, ValidationError

from runweaver.shared.errors import CorruptArchiveError
from runweaver.shared.fold import fold_each
from runweaver.shared.messages import parse_stored
from runweaver.shared.run import Run, RunStatus

_FORMAT: Final = 1
_COMPRESSION_LEVEL: Final = 3
_LINES_AT_ONCE: Final = 100

#: An archive may unpack to so many bytes in any case, and beyond that to so many times its own size. Runs of hundreds
#: of megabytes are within that: their messages are alike, but differ. What is not was made to fill our memory.
_ALWAYS_UNPACKED: Final = 256 * 1024 * 1024
_MOST_TIMES_UNPACKED: Final = 1_000

_Number = Annotated[int, Field(ge=0, lt=2**53)]


class _Header(BaseModel):
    """The first line of an archive."""

    format: Literal[1]
    revision: _Number
    stuck: bool
    on_time: dict[str, _Number] | None


@dataclass(frozen=True)
class Archive:
    """The message set behind a summary."""

    #: Each message's JSON, without line breaks, under its identity.
    messages: Mapping[str, bytes] = field(default_factory=dict)
    #: Of the summary that was made from it; 0 where there is none yet.
    revision: int = 0
    #: Whether it was summarised because the run had fallen silent.
    stuck: bool = False
    #: How many messages of each producer the first summary of the ended run had; none while it has not ended.
    on_time: Mapping[str, int] | None = None

    def pack(self) -> bytes:
        """The bytes to keep in Redis. The same archive gives the same bytes."""
        header = {"format": _FORMAT, "revision": self.revision, "stuck": self.stuck, "on_time": self.on_time}
        first = json.dumps(header).encode()
        size = len(first) + sum(len(identity.encode()) + len(raw) + 2 for identity, raw in self.messages.items())
        lines = (b"\n%b\t%b" % (identity.encode(), raw) for identity, raw in sorted(self.messages.items()))
        # Some at a time: neither the text of a large run is there as a whole, nor what it packs to twice.
        compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compressobj(size=size)
        packed = [compressor.compress(first)]
        while some := b"".join(islice(lines, _LINES_AT_ONCE)):
            packed.append(compressor.compress(some))
        packed.append(compressor.flush())
        return b"".join(packed)

    @classmethod
    def unpack(cls, packed: bytes) -> "Archive":
        """Read what `pack` wrote.

        Raises:
            CorruptArchiveError: it did not write this.
        """
        header_line, *lines = _decompressed(packed).split(b"\n")
        messages = {}
        try:
            header = _Header.model_validate_json(header_line)
            for line in lines:
                identity, _, raw = line.partition(b"\t")
                messages[identity.decode()] = raw
        except ValidationError:
            raise CorruptArchiveError(
                f"its first line is no header of format {_FORMAT}: another release wrote it, or none"
            ) from None
        except UnicodeDecodeError as error:
            raise CorruptArchiveError(f"a message's identity is no text: {error.reason}") from None
        return cls(messages, header.revision, header.stuck, header.on_time)


@dataclass(frozen=True)
class StoredRun:
    """All that Redis holds of a run, read in one step."""

    run_id: str
    archive: Archive
    #: Messages that came since the archive was written, each under its identity.
    live: Mapping[str, bytes]

    @classmethod
    def read(cls, run_id: str, live: Mapping[bytes, bytes], packed: bytes | None) -> "StoredRun":
        """Make it from the replies to `HGETALL` of the live set and `GET` of the archive.

        Raises:
            CorruptArchiveError: the archive is none.
        """
        try:
            archive = Archive.unpack(packed) if packed is not None else Archive()
        except CorruptArchiveError as error:
            raise CorruptArchiveError(f"the archive of {run_id} cannot be read: {error}") from None
        # A line break in valid JSON can only be white space between its parts, and the archive has lines.
        return cls(run_id, archive, {identity.decode(): raw.replace(b"\n", b" ") for identity, raw in live.items()})

    @property
    def exists(self) -> bool:
        """Whether anything is there."""
        return bool(self.live or self.archive.messages)

    @cached_property
    def messages(self) -> Mapping[str, bytes]:
        """The whole set. A message that is in both places is one message."""
        return {**self.archive.messages, **self.live} if self.archive.messages else self.live

    @cached_property
    def has_news(self) -> bool:
        """Whether the set has grown since it was archived: messages that merely came again are no news."""
        return any(self.archive.messages.get(identity) != raw for identity, raw in self.live.items())

    def fold(self) -> Run:
        """The run as it stands: what the finalizer summarises, and what a live view shows."""
        run = fold_each(parse_stored(self.messages), on_time=self.archive.on_time)
        return run.as_stuck() if self.archive.stuck and not self.has_news else run

    def archive_for(self, run: Run) -> Archive:
        """The archive behind the summary of `run`, which was folded from this: a new one only where there is news."""
        stuck = run.status is RunStatus.STUCK
        if not self.has_news and self.archive.revision and self.archive.stuck == stuck:
            return self.archive
        on_time = self.archive.on_time
        if on_time is None and run.has_ended:
            on_time = {name: producer.received for name, producer in run.completeness.producers.items()}
        return Archive(self.messages, self.archive.revision + 1, stuck, on_time)


def most_unpacked(packed: bytes) -> int:
    """How many bytes these may unpack to."""
    return max(_ALWAYS_UNPACKED, _MOST_TIMES_UNPACKED * len(packed))


def _decompressed(packed: bytes) -> bytes:
    try:
        size = zstandard.frame_content_size(packed)
        # Asked before unpacking, which takes the memory first. `pack` says the size, and no frame gives more than that.
        if not 0 <= size <= most_unpacked(packed):
            claim = f"{size:,} bytes" if size >= 0 else "an unknown size"
            raise CorruptArchiveError(f"{len(packed):,} bytes that unpack to {claim} are more than a run comes to")
        return zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptArchiveError(f"it is no zstandard frame ({error})") from None
