"""The one place that makes connections, and that turns the driver's errors into ours."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from redis import Redis
from redis import exceptions as driver
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from runweaver.shared.errors import (
    AccessRefusedError,
    ServerError,
    ServerTooOldError,
    ServerUnreachableError,
    SettingsError,
)

#: XAUTOCLAIM, ZMSCORE and the exclusive ranges of streams came with it.
MINIMUM_SERVER: Final = (6, 2)

#: What may block on the server for some seconds needs a socket that waits longer.
SOCKET_MARGIN_S: Final = 5.0

_CONNECT_TIMEOUT_S: Final = 5.0
_BACKOFF_BASE_S: Final = 0.05
_BACKOFF_CAP_S: Final = 2.0


def connect(url: str, *, name: str, blocks_for_s: float = 0.0, retries: int = 3) -> Redis:
    """A client for this URL. It connects when it is first used.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it (TLS options go into the query).
        name: what `CLIENT LIST` shows.
        blocks_for_s: how long a command of this client may block on the server.
        retries: how often a command is sent again after a broken connection; 0 where the caller sees to that.

    Raises:
        SettingsError: the URL is none.
    """
    backoff = ExponentialWithJitterBackoff(base=_BACKOFF_BASE_S, cap=_BACKOFF_CAP_S)
    try:
        client = Redis.from_url(
            url,
            client_name=f"runweaver-{name}",
            socket_timeout=blocks_for_s + SOCKET_MARGIN_S,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            retry=Retry(backoff, retries),
        )
        # The driver looks at the options only when it makes a connection.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (TypeError, driver.RedisError) as error:
        told = re.sub(r".* got an unexpected keyword argument (\S+)", r"there is no option \1", str(error))
        raise SettingsError(
            f"an option of the Redis URL {redact(url)!r} cannot be used: {told}. Those for TLS need rediss://"
        ) from None
    except ValueError as error:
        # With a password in the URL, the driver's words may hold a part of it.
        reason = "special characters in the password have to be percent-encoded" if "@" in url else error
        raise SettingsError(
            f"the Redis URL {redact(url)!r} cannot be used: {reason}. It looks like redis://user:password@host:6379/0"
        ) from None
    return client


def check_server(client: Redis, url: str) -> None:
    """Make sure that a server answers, lets us in, and is new enough.

    Raises:
        ServerError: it does not; the text says what to do.
    """
    with server_errors(url):
        version = str(client.info("server").get("redis_version", "of an unknown version"))
        numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
        if numbers < MINIMUM_SERVER:
            raise ServerTooOldError(
                f"the server at {redact(url)} is Redis {version}: at least 6.2 (or any Valkey) is needed, upgrade it"
            )


@contextmanager
def server_errors(url: str) -> Iterator[None]:
    """Inside, errors of the driver become `ServerError`s that say what to do."""
    try:
        yield
    except driver.RedisError as error:
        raise _translated(error, redact(url)) from error


def concerns_one_key(error: Exception) -> bool:
    """Whether a key holds something else than we keep there. Any other error will meet every key."""
    return isinstance(error, driver.ResponseError) and str(error).startswith("WRONGTYPE")


def redact(url: str) -> str:
    """The URL without user, password and options, fit for logs and messages.

    Where it is not quite a URL, and what is the password cannot be told for sure, only its scheme is shown.
    """
    scheme, separator, rest = url.partition("://")
    hidden = f"{scheme}://(hidden)" if separator else "(hidden)"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # A password with a character that ends the host's part early: the host follows the last @.
        _, at, host = rest.rpartition("@")
        return f"{scheme}://{host.partition('?')[0]}" if at else hidden
    if "@" in parts.path + parts.query.partition("=")[0] + parts.fragment or not separator:
        return hidden
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _translated(error: driver.RedisError, where: str) -> ServerError:
    text = str(error)
    if isinstance(error, driver.AuthenticationError | driver.AuthorizationError) or text.startswith(
        ("NOAUTH", "WRONGPASS")
    ):
        return AccessRefusedError(
            f"the server at {where} refused the user or the password ({text}): correct them in the URL"
        )
    if isinstance(error, driver.NoPermissionError):
        return AccessRefusedError(f"the user at {where} may not do this ({text}): give it the right, or use another")
    if isinstance(error, driver.BusyLoadingError):
        return ServerUnreachableError(f"the server at {where} is still loading its data: try again in a moment")
    if isinstance(error, driver.ConnectionError | driver.TimeoutError):
        return _unreachable(error, where)
    if isinstance(error, driver.ResponseError) and "unknown command" in text.lower():
        return ServerTooOldError(f"the server at {where} lacks a command ({text}): at least Redis 6.2 is needed")
    return ServerError(f"the server at {where} answered with an error: {text}")


def _unreachable(error: driver.RedisError, where: str) -> ServerUnreachableError:
    with_tls = where.startswith("rediss:")
    if with_tls and _came_of(error, ssl.SSLError, FileNotFoundError, PermissionError):
        return ServerUnreachableError(
            f"TLS with the server at {where} fails ({error}): see to ssl_ca_certs, ssl_certfile and ssl_keyfile in the "
            "URL, and to the name that the server's certificate is for"
        )
    hint = ""
    if with_tls and isinstance(error, driver.TimeoutError):
        hint = " (one without TLS has redis://)"
    elif not with_tls and _came_of(error, ConnectionResetError):
        hint = " (one with TLS has rediss://)"
    return ServerUnreachableError(
        f"no Redis answers at {where} ({error}): start one there, or set RUNWEAVER_REDIS_URL to where it is{hint}"
    )


def _came_of(error: BaseException | None, *kinds: type[Exception]) -> bool:
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__ or error.__context__
    return False
