"""What has become of a producer's messages, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProducerStats:
    """All that one producer was given since it began, or since its process was forked."""

    #: Messages that found room. Each was sent, waits, or was lost since.
    taken_messages: int
    #: Messages that the server has taken.
    sent_messages: int
    #: Messages that found no room, or were lost later: with a spool that broke, or at the end of the process.
    dropped_messages: int
    #: What waits in memory.
    buffered_messages: int
    buffered_bytes: int
    #: What waits on the disk.
    spooled_messages: int
    #: What the directory of the spool holds: of all producers that share it; 0 where there is none.
    spool_bytes: int
