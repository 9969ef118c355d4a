"""Ports that nobody listens at."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """One that a server can have.

    Not one that the system would choose: it may give that away again, to a client, before the server is there. And
    servers of a cluster talk to each other on a port that is 10,000 higher, which must not be one of those either: on
    Linux they begin at 32,768.
    """
    while True:
        port = random.randint(12_000, 22_700)
        with suppress(OSError), socket.socket() as own, socket.socket() as bus:
            own.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
            return port
