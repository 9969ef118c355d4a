"""The generator: one process that has everything encoded before the clock starts, and then only writes bytes."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from typing import IO, Any, Final, Self
from urllib.parse import urlsplit

import hiredis

from benchmarks.processes import ROOT, STREAM

#: Entries that are on their way at once.
_PIPELINED: Final = 4
#: Entries that may wait on the stream: 200,000 messages of the usual 200 an entry.
MOST_WAITING: Final = 1_000
#: For those who want all messages to wait there.
UNLIMITED: Final = 10**9
_PAUSE_S: Final = 0.002
_RECEIVED_BYTES: Final = 64 * 1024

_READY: Final = b"ready\n"


class Sender:
    """The other end of it, in the process that measures."""

    def __init__(self, url: str, commands: Sequence[bytes], *, most_waiting: int = MOST_WAITING) -> None:
        """Hand it all that it will send, and wait until it has it.

        Args:
            url: of the server.
            commands: the bytes of an `XADD` each.
            most_waiting: with so many entries on the stream, it waits until there are less.
        """
        command = [sys.executable, "-m", "benchmarks.sender", url, str(most_waiting)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._stdin.write(json.dumps([len(each) for each in commands]).encode() + b"\n")
        self._stdin.writelines(commands)
        self._stdin.flush()
        if self._process.stdout.readline() != _READY:
            raise RuntimeError("the generator has ended before it began")

    def begin(self) -> None:
        """Let it send."""
        self._stdin.write(b"\n")
        self._stdin.flush()

    def wait(self) -> None:
        """Wait until it has sent everything.

        Raises:
            RuntimeError: it has not.
        """
        if self._process.wait() != 0:
            raise RuntimeError(f"the generator has failed, with exit code {self._process.returncode}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            closing.callback(self._process.wait)
            closing.callback(self._process.kill)
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                closing.enter_context(pipe)


def main() -> None:
    """Take the commands from the standard input, wait for a line, and send them."""
    lengths = json.loads(sys.stdin.buffer.readline())
    commands = [sys.stdin.buffer.read(length) for length in lengths]
    connection = Connection(sys.argv[1])
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.readline()
    send(connection, commands, most_waiting=int(sys.argv[2]))


def send(connection: "Connection", commands: Sequence[bytes], *, most_waiting: int) -> None:
    """Send it all, as fast as the server takes it, but not far ahead of who reads it."""
    how_many = pack(b"XLEN", STREAM.encode())
    remaining = iter(commands)
    while some := list(islice(remaining, _PIPELINED)):
        *_, waiting = connection.ask(b"".join((*some, how_many)), len(some) + 1)
        while waiting > most_waiting:
            time.sleep(_PAUSE_S)
            (waiting,) = connection.ask(how_many, 1)


def pack(*parts: bytes) -> bytes:
    """A command as the bytes that a server reads."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Connection:
    """Writes bytes that are commands, and reads the replies; no client could do less."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def ask(self, commands: bytes, count: int) -> list[Any]:
        """Send so many commands, and wait for their replies."""
        self._socket.sendall(commands)
        replies: list[Any] = []
        while len(replies) < count:
            self._reader.feed(self._socket.recv(_RECEIVED_BYTES))
            while len(replies) < count and (reply := self._reader.gets()) is not False:
                if isinstance(reply, Exception):
                    raise reply
                replies.append(reply)
        return replies

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


if __name__ == "__main__":
    main()
