"""What a URL says: which servers there are, of what kind, and how to talk to them."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from redis.connection import SSLConnection, parse_url

#: What a URL may say after its `?`; and what more, where it names sentinels, or has TLS.
OPTIONS: Final = frozenset(
    {
        *("db", "username", "password", "protocol", "client_name", "health_check_interval", "max_connections"),
        *("socket_timeout", "socket_connect_timeout", "socket_keepalive"),
    }
)
_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})
_TLS_OPTIONS: Final = frozenset(
    {
        *("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password"),
        *("ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"),
    }
)

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379


class Kind(StrEnum):
    """How the servers of a URL belong together."""

    SINGLE = ""
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


@dataclass(frozen=True)
class ServerUrl:
    """A URL, taken apart."""

    kind: Kind
    #: Host and port of each server that it names; none for one behind a socket file.
    addresses: tuple[tuple[str, int], ...]
    #: Whether the servers have TLS.
    is_secure: bool
    #: What sentinels call the primary.
    primary: str
    #: Everything else, as the driver's connections take it.
    options: dict[str, Any]

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take a URL apart.

        Raises:
            ValueError: it is none of ours.
        """
        kind, scheme, user, hosts, rest = _parts(url)
        primary = ""
        if kind is Kind.SENTINEL:
            primary, rest = _primary(rest)
        parsed = [parse_url(f"{scheme}://{user}{host}{rest}") for host in hosts]
        options = {name: value for name, value in parsed[0].items() if name not in ("host", "port")}
        if kind is Kind.CLUSTER and options.pop("db", 0) != 0:
            raise ValueError("a cluster has the database 0 only")
        port = _SENTINEL_PORT if kind is Kind.SENTINEL else _PORT
        return cls(
            kind,
            tuple((each.get("host", "localhost"), each.get("port", port)) for each in parsed),
            is_secure=options.get("connection_class") is SSLConnection,
            primary=primary,
            options=options,
        )


def kind_of(url: str) -> Kind:
    """How the servers of this URL belong together; `SINGLE` where it is none of ours."""
    kind = url.partition("://")[0].partition("+")[2]
    return Kind(kind) if kind in list(Kind) else Kind.SINGLE


def unknown_option(url: str) -> str | None:
    """An option of this URL that there is not; none where all are known.

    The driver takes any; some (such as another encoding) would break us much later.
    """
    with suppress(ValueError):
        scheme, _, _, query, _ = urlsplit(url)
        allowed = OPTIONS | (_TLS_OPTIONS if scheme.startswith("rediss") else frozenset())
        if kind_of(url) is Kind.SENTINEL:
            allowed |= _SENTINEL_OPTIONS
        # After a password with a question mark, what looks like an option may be the rest of it.
        if "@" not in query:
            return next((each for each in parse_qs(query, keep_blank_values=True) if each not in allowed), None)
    return None


def _parts(url: str) -> tuple[Kind, str, str, list[str], str]:
    """The kind, the scheme of one server, the user with its @, the hosts, and what follows them."""
    scheme, separator, tail = url.partition("://")
    base, _, kind = scheme.partition("+")
    if not separator or kind not in list(Kind) or (kind and base not in ("redis", "rediss")):
        raise ValueError("it begins with redis://, rediss:// or unix://, or with redis+cluster:// or redis+sentinel://")
    if not kind:
        return Kind.SINGLE, base, "", [tail], ""
    end = min((at for at in map(tail.find, "/?#") if at >= 0), default=len(tail))
    user, at, netloc = tail[:end].rpartition("@")
    hosts = netloc.split(",")
    if not all(host.partition(":")[0] for host in hosts):
        raise ValueError("the name of a host is missing")
    return Kind(kind), base, user + at, hosts, tail[end:]


def _primary(rest: str) -> tuple[str, str]:
    """The name of the primary, and what follows it: the database, the options."""
    path, mark, query = rest.partition("?")
    name, _, database = path.removeprefix("/").partition("/")
    if not name:
        raise ValueError("the name of the primary is missing: redis+sentinel://host:26379,host:26379/name-of-primary")
    return unquote(name), f"/{database}{mark}{query}"
