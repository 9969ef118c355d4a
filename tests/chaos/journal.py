"""What the senders sent, written down before it left."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.waiting import wait_until

_MESSAGE: Final = b"+"
_GARBAGE: Final = b"-"
_AGAIN: Final = b"*"


#: A file beside the journals: when it is there, all begin to send.
GO: Final = "go"

#: How long a sender is ready before the others are.
_READY_WITHIN_S: Final = 90.0


class Journal:
    """One sender's list: a line for each message."""

    def __init__(self, path: Path) -> None:
        """Begin a list, and wait until all others have done so too."""
        self._file = path.open("ab", buffering=0)
        wait_until(path.with_name(GO).exists, timeout_s=_READY_WITHIN_S, what="all senders are ready")

    def message(self, raw: bytes) -> None:
        """A good message. It has no line breaks."""
        self._file.write(_MESSAGE + raw + b"\n")

    def garbage(self, raw: bytes) -> None:
        """Bytes that no worker may take for a message."""
        self._file.write(_GARBAGE + base64.b64encode(raw) + b"\n")

    def again(self, count: int) -> None:
        """So many messages are sent once more."""
        self._file.write(b"%b%d\n" % (_AGAIN, count))


@dataclass
class Sent:
    """What all senders sent, taken together."""

    #: For each run its messages, each under its identity.
    runs: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    garbage: set[bytes] = field(default_factory=set)
    #: Messages that were sent more than once, counted each time.
    resent: int = 0

    @property
    def message_count(self) -> int:
        """Good messages, each counted once."""
        return sum(map(len, self.runs.values()))


def read_journals(paths: Iterable[Path]) -> Sent:
    """Read what the senders wrote down."""
    sent = Sent()
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                _add(sent, line[:1], line[1:].removesuffix(b"\n"))
    return sent


def _add(sent: Sent, kind: bytes, content: bytes) -> None:
    if kind == _GARBAGE:
        sent.garbage.add(base64.b64decode(content))
    elif kind == _AGAIN:
        sent.resent += int(content)
    else:
        message = json.loads(content)
        identity = f"{message['producer']}#{message['seq']}"
        held = sent.runs[message["run_id"]].setdefault(identity, content)
        assert content == held, f"two messages are called {identity}: the sender is wrong"
