"""The one place that makes connections, and that turns the driver's errors into ours."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from redis import Redis
from redis import exceptions as driver
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

from runweaver.shared.cluster import Cluster, servers_of
from runweaver.shared.errors import (
    AccessRefusedError,
    InvalidArgumentError,
    ServerError,
    ServerTooOldError,
    ServerUnreachableError,
    SettingsError,
    WritesRefusedError,
)
from runweaver.shared.round_trip import TooFewReplicasError
from runweaver.shared.sentinels import behind_sentinels
from runweaver.shared.server_url import OPTIONS, Kind, ServerUrl, kind_of, unknown_option

#: XAUTOCLAIM, ZMSCORE and the exclusive ranges of streams came with it.
MINIMUM_SERVER: Final = (6, 2)

#: How long to wait for a reply. What blocks on the server needs a socket that waits longer, by this.
SOCKET_TIMEOUT_S: Final = 5.0

_BACKOFF_BASE_S: Final = 0.05
_BACKOFF_CAP_S: Final = 2.0
_LONGEST_TIMEOUT_S: Final = 24 * 60 * 60

_EXAMPLES: Final = {
    Kind.SINGLE: "redis://user:password@host:6379/0",
    Kind.CLUSTER: "redis+cluster://user:password@host:6379,host:6379",
    Kind.SENTINEL: "redis+sentinel://user:password@host:26379,host:26379/name-of-primary/0",
}


#: Errors of the driver, how the server's words begin, what that is to us, and what we say. The first that fits counts.
_MEANINGS: Final[tuple[tuple[tuple[type[Exception], ...], tuple[str, ...], type[ServerError], str], ...]] = (
    (
        (driver.AuthenticationError, driver.AuthorizationError),
        ("NOAUTH", "WRONGPASS"),
        AccessRefusedError,
        "the server at {where} refused the user or the password ({text}): correct them in the URL",
    ),
    (
        (driver.NoPermissionError,),
        ("NOPERM",),
        AccessRefusedError,
        "the user at {where} may not do this ({text}): give it the right, or use another",
    ),
    (
        (driver.BusyLoadingError,),
        ("LOADING",),
        ServerUnreachableError,
        "the server at {where} is still loading its data: try again in a moment",
    ),
    (
        (driver.OutOfMemoryError,),
        ("OOM",),
        WritesRefusedError,
        "the server at {where} is out of memory ({text}): raise its maxmemory, or start more workers",
    ),
    (
        (),
        ("MISCONF",),
        WritesRefusedError,
        "the server at {where} cannot write to its disk, and so takes nothing ({text}): make room there",
    ),
    (
        (driver.ReadOnlyError,),
        ("READONLY",),
        WritesRefusedError,
        "the server at {where} is a replica ({text}): name the primary in the URL",
    ),
    (
        (TooFewReplicasError,),
        ("NOREPLICAS",),
        WritesRefusedError,
        "the server at {where} has too few replicas that keep up ({text}): see to them, or ask for fewer",
    ),
    (
        (driver.MovedError,),
        (),
        ServerError,
        "the server at {where} is one of a cluster ({text}): its URL begins with redis+cluster://",
    ),
    (
        (),
        ("This instance has cluster support disabled",),
        ServerError,
        "the server at {where} is not one of a cluster ({text}): its URL begins with redis://",
    ),
    (
        (driver.ClusterDownError,),
        ("CLUSTERDOWN", "MASTERDOWN"),
        ServerUnreachableError,
        "the cluster at {where} is not complete ({text}): a primary is away, and no replica has taken its place yet",
    ),
    (
        (MasterNotFoundError,),
        (),
        ServerUnreachableError,
        "no sentinel at {where} names a primary that answers ({text}): see to the sentinels and to the name in the URL",
    ),
    (
        (driver.ConnectionError, driver.TimeoutError),
        (),
        ServerUnreachableError,
        "no Redis answers at {where} ({text}): start one there, or set RUNWEAVER_REDIS_URL to where it is",
    ),
    (
        (),
        ("unknown command", "ERR unknown command"),
        ServerTooOldError,
        "the server at {where} lacks a command ({text}): at least Redis 6.2 is needed",
    ),
)


def connect(
    url: str, *, name: str, blocks_for_s: float = 0.0, timeout_s: float = SOCKET_TIMEOUT_S, retries: int = 3
) -> Redis:
    """A client for this URL. It connects when it is first used.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it (TLS options go into the query);
            `redis+cluster://user:password@host:6379,host:6379`, some servers of a cluster;
            `redis+sentinel://user:password@host:26379,host:26379/name-of-primary/0`, where the user is one of the
            servers; options `sentinel_username` and `sentinel_password` are for the sentinels. With `rediss+…`, both
            have TLS.
        name: what `CLIENT LIST` shows.
        blocks_for_s: how long a command of this client may block on the server.
        timeout_s: how long to wait for a connection, and for a reply (beyond the time that it may block).
        retries: how often a command is sent again after a broken connection; 0 where the caller sees to that.

    Raises:
        SettingsError: the URL is none.
    """
    if (unknown := unknown_option(url)) is not None:
        raise SettingsError(
            f"the Redis URL {redact(url)!r} cannot be used: there is no option {unknown!r:.100}. There are "
            f"{', '.join(sorted(OPTIONS))}; and for rediss:// those for TLS, such as ssl_ca_certs"
        )
    ours = {
        "client_name": f"runweaver-{name}",
        "socket_timeout": blocks_for_s + timeout_s,
        "socket_connect_timeout": timeout_s,
    }
    try:
        url.encode()
        client = _client(url, ours, retries)
        _check_connection(client)
    except (ValueError, TypeError, driver.RedisError) as error:
        # With a password in the URL, the driver's words may hold a part of it.
        reason = "special characters in the password have to be percent-encoded" if "@" in url else error
        raise SettingsError(
            f"the Redis URL {redact(url)!r} cannot be used: {reason}. It looks like {_EXAMPLES[kind_of(url)]}"
        ) from None
    return client


def _client(url: str, options: dict[str, Any], retries: int) -> Redis:
    backoff = ExponentialWithJitterBackoff(base=_BACKOFF_BASE_S, cap=_BACKOFF_CAP_S)
    servers = ServerUrl.parse(url)
    match servers.kind:
        case Kind.SINGLE:
            return Redis.from_url(url, **options, retry=Retry(backoff, retries))
        case Kind.CLUSTER:
            return Cluster(servers.addresses, backoff=backoff, retries=retries, options={**options, **servers.options})
        case Kind.SENTINEL:
            return behind_sentinels(servers, {**options, **servers.options, "retry": Retry(backoff, retries)})


def check_server(client: Redis, url: str) -> None:
    """Make sure that a server (each primary, of a cluster) answers, lets us in, and is new enough.

    Raises:
        ServerError: it does not; the text says what to do.
    """
    with server_errors(url):
        where = redact(url)
        for server in servers_of(client):
            version = str(server.info("server").get("redis_version", "of an unknown version"))
            numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
            if numbers < MINIMUM_SERVER:
                raise ServerTooOldError(
                    f"the server at {where} is Redis {version}: at least 6.2 (or any Valkey) is needed, upgrade it"
                )


@contextmanager
def server_errors(url: str) -> Iterator[None]:
    """Inside, errors of the driver become `ServerError`s that say what to do.

    Text that cannot be sent at all is an `InvalidArgumentError`: a command line that is no UTF-8 gives such.
    """
    try:
        yield
    except driver.RedisError as error:
        raise translated(error, redact(url)) from error
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"{error.object!r:.100} cannot be looked for: it holds half a character") from None


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
        for host in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{host}").port
    except ValueError:
        # A password with a character that ends the host's part early: the host follows the last @.
        _, at, host = rest.rpartition("@")
        return f"{scheme}://{host.partition('?')[0]}" if at else hidden
    if "@" in parts.path + parts.query.partition("=")[0] + parts.fragment or not separator:
        return hidden
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def translated(error: driver.RedisError, where: str) -> ServerError:
    """What an error of the driver means, and what to do about it.

    Args:
        error: it must not carry the command, see `runweaver.shared.replies.execute`.
        where: the server, as `redact` names it.
    """
    text = str(error)
    if isinstance(error, driver.AskError) and "+cluster://" in where:
        return ServerUnreachableError(
            f"slots of the cluster at {where} are being moved ({text}): try again in a moment"
        )
    if isinstance(error, driver.ConnectionError | driver.TimeoutError) and (hint := _tls_hint(error, where)):
        return ServerUnreachableError(hint)
    for kinds, beginnings, meaning, sentence in _MEANINGS:
        if isinstance(error, kinds) or text.startswith(beginnings):
            return meaning(sentence.format(where=where, text=text))
    return ServerError(f"the server at {where} answered with an error: {text}")


def _check_connection(client: Redis) -> None:
    """Make a connection, without connecting: what the driver finds wrong with a URL only then is found now."""
    pool = client.connection_pool
    connection: Any = pool.connection_class(**pool.connection_kwargs)
    (getattr(connection, "host", None) or "").encode("idna")
    for timeout_s in (connection.socket_timeout, connection.socket_connect_timeout):
        if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
            raise ValueError(f"a timeout of {timeout_s} s is none")


def _tls_hint(error: driver.RedisError, where: str) -> str:
    """What to say where it is TLS that fails, or may be."""
    with_tls = where.startswith("rediss")
    scheme = where.partition("://")[0]
    other = scheme.replace("rediss", "redis") if with_tls else scheme.replace("redis", "rediss")
    if with_tls and _came_of(error, ssl.SSLError, FileNotFoundError, PermissionError):
        return (
            f"TLS with the server at {where} fails ({error}): see to ssl_ca_certs, ssl_certfile and ssl_keyfile in the "
            "URL, and to the name that the server's certificate is for"
        )
    if with_tls and _came_of(error, driver.TimeoutError):
        return f"no Redis answers with TLS at {where} ({error}): see whether one is there; one without has {other}://"
    if not with_tls and _came_of(error, ConnectionResetError):
        return f"the server at {where} broke the connection ({error}): one that wants TLS has {other}://"
    return ""


def _came_of(error: BaseException | None, *kinds: type[Exception]) -> bool:
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__ if error.__suppress_context__ else error.__context__
    return False
