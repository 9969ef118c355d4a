"""What servers of ours over HTTP have in common: where they listen, and who gets in."""

import ipaddress
import socket
from contextlib import suppress
from typing import Final

from pydantic import SecretStr

from runweaver.shared.errors import InvalidArgumentError, SettingsError

_SHORTEST_TOKEN: Final = 16


def checked_token(variable: str, token: SecretStr | None) -> str | None:
    """The token that clients have to show; none where none is set.

    Raises:
        SettingsError: it is too short, or cannot stand in a header.
    """
    if token is None:
        return None
    text = token.get_secret_value()
    if len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            f"{variable}: it needs at least {_SHORTEST_TOKEN} letters, digits or signs of ASCII, and no blanks"
        )
    return text


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Listen there.

    Raises:
        InvalidArgumentError: nobody can.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgumentError(f"--host {host} --port {port}: cannot listen there: {reason}") from None


def free_port(*preferred: int) -> int:
    """A port of this machine's own address that nobody listens at: the first of these that is free, or any.

    Raises:
        OSError: there is none at all.
    """
    for port in preferred:
        with socket.socket() as probe, suppress(OSError):
            # As servers do: one that has just ended is in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    # Any that the system gives: two that start at once would both find the same first free one.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
