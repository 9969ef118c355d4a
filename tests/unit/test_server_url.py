"""URLs of servers that belong together, taken apart."""

import pytest
from redis.connection import SSLConnection

from runweaver.shared.connection import connect, redact
from runweaver.shared.errors import SettingsError
from runweaver.shared.server_url import Kind, ServerUrl, kind_of, unknown_option


def test_a_cluster_has_a_user_and_some_hosts() -> None:
    """The port is that of Redis where none is named, and what is escaped is meant."""
    servers = ServerUrl.parse("redis+cluster://worker:p%40ss@one:7000,two?socket_timeout=3")

    assert Kind.CLUSTER == servers.kind
    assert (("one", 7000), ("two", 6379)) == servers.addresses
    assert ("worker", "p@ss", 3.0) == tuple(
        servers.options[name] for name in ("username", "password", "socket_timeout")
    )
    assert not servers.is_secure


def test_sentinels_name_a_primary_and_its_database() -> None:
    """The user is one of the servers; the port is that of sentinels."""
    servers = ServerUrl.parse("rediss+sentinel://worker:secret@one,two:26380/my%20runs/3?sentinel_password=other")

    assert Kind.SENTINEL == servers.kind
    assert (("one", 26379), ("two", 26380)) == servers.addresses
    assert ("my runs", True) == (servers.primary, servers.is_secure)
    assert {
        "username": "worker",
        "password": "secret",
        "db": 3,
        "sentinel_password": "other",
        "connection_class": SSLConnection,
    } == servers.options


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+cluster://one,two/1", "the database 0 only"),
        ("redis+cluster://one,,two", "the name of a host is missing"),
        ("redis+sentinel:///runs", "the name of a host is missing"),
        ("redis+sentinel://one,two", "the name of the primary is missing"),
        ("redis+ring://one", "it begins with redis://"),
        ("unix+cluster:///run/redis.sock", "it begins with redis://"),
        ("redis+cluster://one?ssl_ca_certs=/ca", "there is no option 'ssl_ca_certs'"),
        ("redis+cluster://one?sentinel_password=x", "there is no option 'sentinel_password'"),
    ],
)
def test_what_is_no_url_is_told(url: str, reason: str) -> None:
    """With what is wrong, and what it should look like."""
    with pytest.raises(SettingsError) as caught:
        connect(url, name="test")

    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", ["cluster", "sentinel"])
def test_no_password_is_shown(kind: str) -> None:
    """Nor the options, which may hold one."""
    url = f"redis+{kind}://worker:secret@one:7000,two:7001/runs?sentinel_password=secret"

    assert f"redis+{kind}://one:7000,two:7001/runs" == redact(url)


def test_options_are_those_of_the_kind_and_of_tls() -> None:
    """For one server they are what they were."""
    assert unknown_option("redis+sentinel://one/runs?sentinel_username=x&db=2") is None
    assert unknown_option("rediss+cluster://one?ssl_ca_certs=/ca") is None
    assert "sentinel_username" == unknown_option("redis://one?sentinel_username=x")
    assert [Kind.SINGLE, Kind.CLUSTER, Kind.SENTINEL] == [
        kind_of(url) for url in ("redis://one", "rediss+cluster://one", "redis+sentinel://one/runs")
    ]
