"""Many commands in one go, against a real server."""

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError, ResponseError  # noqa: A004 - the driver's name for it

from runweaver.shared import connect
from runweaver.shared.round_trip import checked, round_trip
from tests.support.server import Server


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may kill."""
    with Server() as server:
        yield server


@pytest.fixture
def client(own_server: Server) -> Redis:
    """As a worker has it."""
    return connect(own_server.url, name="test")


def test_replies_come_in_order_and_as_they_are(client: Redis) -> None:
    """Texts, bytes and numbers go in; nothing is made of what comes out."""
    replies = round_trip(
        client,
        [("HSET", "h", "ü", b"\x00\xff"), ("HGET", "h", "ü"), ("ZADD", "z", 1764021234567.1235, "m"), ("GET", "n")],
    )

    assert [1, b"\x00\xff", 1, None] == replies
    assert 1764021234567.1235 == client.zscore("z", "m")


def test_an_error_is_a_reply_like_others(client: Redis) -> None:
    """What comes after it is done, read, and not taken for the reply to something else."""
    replies = round_trip(client, [("SET", "text", "x"), ("HLEN", "text"), ("GET", "text")])

    assert isinstance(replies[1], ResponseError)
    assert b"x" == replies[2]
    assert [b"x"] == round_trip(client, [("GET", "text")])
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        checked(replies)
    assert [b"x"] == checked([b"x"])


def test_nothing_to_do_asks_nobody(own_server: Server, client: Redis) -> None:
    """Not even a server that is away."""
    own_server.kill()

    assert [] == round_trip(client, [])


def test_a_broken_connection_is_told_and_not_used_again(own_server: Server, client: Redis) -> None:
    """When the server is back, the same client goes on."""
    assert [b"PONG"] == round_trip(client, [("PING",)])
    own_server.kill()
    with pytest.raises(ConnectionError):
        round_trip(client, [("PING",)])

    own_server.start()
    assert [b"PONG"] == round_trip(client, [("PING",)])


def test_megabytes_go_in_one_go(client: Redis) -> None:
    """More than the buffers between two processes hold, in both directions."""
    large = b"x" * 1024 * 1024
    count = 20
    replies = round_trip(client, [("SET", f"k{n}", large) for n in range(count)] + [("STRLEN", "k0")])

    assert len(large) == replies[-1]
    assert [large] * count == round_trip(client, [("GET", f"k{n}") for n in range(count)])
