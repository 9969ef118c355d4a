"""Connections: passwords stay out of sight, and the driver's errors become ours."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

import pytest
import redis.exceptions as driver
from fakeredis import FakeRedis
from hypothesis import given
from hypothesis import strategies as st

from runweaver.shared.connection import check_server, concerns_one_key, connect, redact, server_errors, translated
from runweaver.shared.errors import (
    AccessRefusedError,
    InvalidArgumentError,
    ServerError,
    ServerTooOldError,
    ServerUnreachableError,
    SettingsError,
    WritesRefusedError,
)

_URL: Final = "redis://somebody:secret-word@example.test:6380/2"

#: Nothing that also stands elsewhere in the URLs of these tests.
_passwords = st.text(st.characters(codec="utf-8"), min_size=4).map(lambda text: f"Pa55{text}")


class _FakeServer(socketserver.ThreadingTCPServer):
    """Answers each command with the reply that was prepared for it, or with OK."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, replies: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.replies = replies


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _FakeServer)
        while head := self.rfile.readline():
            words = [self._word() for _ in range(int(head[1:]))]
            self.wfile.write(self.server.replies.get(words[0].decode().upper(), b"+OK\r\n"))

    def _word(self) -> bytes:
        word = self.rfile.read(int(self.rfile.readline()[1:]) + 2)
        return word[:-2]


@contextmanager
def _answering(**replies: bytes) -> Iterator[str]:
    """The URL of a server that gives these replies."""
    with _FakeServer(replies) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"redis://somebody:secret-word@127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()


def _text(content: str) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(content), content.encode())


def _check(url: str) -> None:
    with connect(url, name="test", retries=0) as client:
        check_server(client, url)


_NO_HELLO = b"-ERR unknown command `HELLO`, with args beginning with: `3`\r\n"


@pytest.mark.parametrize("version", ["5.0.14", "6.0.20", "2.8.0"])
def test_an_old_redis_is_refused_with_its_version(version: str) -> None:
    """The text says what is needed; no password stands in it."""
    with (
        _answering(HELLO=_NO_HELLO, INFO=_text(f"# Server\r\nredis_version:{version}\r\n")) as url,
        pytest.raises(ServerTooOldError) as caught,
    ):
        _check(url)

    assert "secret-word" not in str(caught.value)
    assert "6.2" in str(caught.value)


@pytest.mark.parametrize("version", ["6.2.0", "7.2.4", "10.0.1"])
def test_a_new_enough_server_is_taken(version: str) -> None:
    """Version numbers are compared as numbers: 10 is more than 6."""
    hello = b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"
    with _answering(HELLO=hello, INFO=_text(f"redis_version:{version}\r\n")) as url:
        _check(url)


@pytest.mark.parametrize(
    "reply",
    [
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        b"-NOAUTH HELLO must be called with the client already authenticated, otherwise use the HELLO AUTH option\r\n",
        b"-ERR Client sent AUTH, but no password is set\r\n",
    ],
    ids=["a wrong password", "no password", "a password where there is none"],
)
def test_a_refused_password_is_an_access_error(reply: bytes) -> None:
    """Whatever the server calls it; the text says what to do, and does not say the password."""
    with _answering(HELLO=reply, AUTH=reply, INFO=reply) as url, pytest.raises(AccessRefusedError) as caught:
        _check(url)

    assert "refused the user or the password" in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_a_missing_right_is_an_access_error() -> None:
    """The user may connect, but not ask this."""
    reply = b"-NOPERM this user has no permissions to run the 'info' command\r\n"
    with (
        _answering(HELLO=b"%1\r\n+proto\r\n:3\r\n", INFO=reply) as url,
        pytest.raises(AccessRefusedError, match=r"may not do this.*'info'"),
    ):
        _check(url)


def test_a_server_that_is_away_is_unreachable() -> None:
    """The text says where nobody answers, and which variable to set."""
    with _answering() as url:
        pass

    with pytest.raises(ServerUnreachableError, match=r"127\.0\.0\.1:.* RUNWEAVER_REDIS_URL"):
        _check(url)


@pytest.mark.parametrize(
    ("error", "expected", "told"),
    [
        (driver.ConnectionError("refused"), ServerUnreachableError, "RUNWEAVER_REDIS_URL"),
        (driver.TimeoutError("timed out"), ServerUnreachableError, "timed out"),
        (driver.BusyLoadingError("LOADING"), ServerUnreachableError, "try again in a moment"),
        (driver.AuthenticationError("no"), AccessRefusedError, "correct them in the URL"),
        (driver.AuthorizationError("no"), AccessRefusedError, "correct them in the URL"),
        (driver.ResponseError("WRONGPASS no"), AccessRefusedError, "correct them in the URL"),
        (driver.ResponseError("NOAUTH no"), AccessRefusedError, "correct them in the URL"),
        (driver.NoPermissionError("no right to key"), AccessRefusedError, "no right to key"),
        (driver.ResponseError("unknown command 'XAUTOCLAIM'"), ServerTooOldError, "XAUTOCLAIM"),
        (driver.ResponseError("OOM command not allowed"), WritesRefusedError, "OOM command not allowed"),
        (driver.ResponseError("MISCONF Errors writing to the AOF file"), WritesRefusedError, "make room there"),
        (driver.ReadOnlyError("READONLY"), WritesRefusedError, "name the primary"),
        (driver.DataError("odd"), ServerError, "odd"),
    ],
)
def test_errors_of_the_driver_become_ours(error: Exception, expected: type[ServerError], told: str) -> None:
    """Each says where, and what to do; the driver's error is its cause."""
    with pytest.raises(ServerError) as caught, server_errors(_URL):
        raise error

    assert expected is type(caught.value)
    assert error is caught.value.__cause__
    assert told in str(caught.value)
    assert "example.test:6380" in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("error", [driver.AskError("5649 127.0.0.1:7000"), driver.MovedError("5649 127.0.0.1:7000")])
def test_slots_that_move_are_no_reason_for_another_url(error: driver.AskError) -> None:
    """A single server's URL that meets a cluster is; one of a cluster has only to wait."""
    with pytest.raises(ServerUnreachableError, match=r"slots of the cluster at redis\+cluster://a:1 are being moved"):
        raise translated(error, "redis+cluster://a:1")
    with pytest.raises(ServerError, match="5649"):
        raise translated(error, "redis://a:1")


def test_other_errors_stay_what_they_are() -> None:
    """A mistake in our own code is not the server's."""
    with pytest.raises(KeyError), server_errors(_URL):
        raise KeyError("ours")


def test_an_error_that_concerns_one_key() -> None:
    """Somebody keeps something else under one of our names: other keys are not concerned."""
    client = FakeRedis()
    client.set("key", "text")
    with pytest.raises(driver.ResponseError) as caught:
        client.hset("key", "field", "value")

    assert concerns_one_key(caught.value)
    assert not concerns_one_key(driver.ResponseError("OOM command not allowed"))
    assert not concerns_one_key(driver.ConnectionError("WRONGTYPE"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:secret@example.test:6379/3", "redis://example.test:6379/3"),
        ("rediss://example.test/0?ssl_cert_reqs=none&password=secret", "rediss://example.test/0"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
    ],
)
def test_where_a_server_is_can_be_told(url: str, expected: str) -> None:
    """The address without what is secret."""
    assert expected == redact(url)


@pytest.mark.parametrize(
    "frame",
    [
        "redis://somebody:{}@example.test:6379/0",
        "redis://:{}@example.test:6379/0",
        "rediss://somebody:{}@example.test/0?ssl_cert_reqs=none",
        "unix://somebody:{}@/run/redis.sock?db=1",
        "redis://somebody:{}@example.test:port/0",
        "somebody:{}@example.test:6379",
        "//somebody:{}@example.test:6379",
    ],
)
@given(_passwords, st.booleans())
def test_no_password_is_ever_shown(frame: str, password: str, encoded: bool) -> None:  # noqa: FBT001
    """Neither by `redact` nor in the error of a URL that cannot be used, percent-encoded or not."""
    written = quote(password, safe="") if encoded else password
    url = frame.format(written)

    assert "Pa55" not in redact(url)
    try:
        connect(url, name="test")
    except SettingsError as error:
        assert "Pa55" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("password", ["Pa55/word", "Pa55#word", "Pa55?word", "Pa55@word", "Pa55[word", "Pa55:word"])
def test_a_password_that_breaks_the_url_is_not_shown(password: str) -> None:
    """Characters that mean something in a URL are common in passwords, and often not encoded."""
    url = f"redis://somebody:{password}@example.test:6379/0"

    assert "redis://example.test:6379/0" == redact(url)
    try:
        connect(url, name="test")
    except SettingsError as error:
        told = str(error)
        assert "Pa55" not in told
        assert "word@" not in told.replace("password@", "")


def test_a_password_in_the_options_is_not_shown() -> None:
    """Also where it holds an `@`."""
    assert "word" not in redact("redis://example.test:6379/0?password=Pa55@word")


@pytest.mark.parametrize(
    "url", ["", "localhost", "localhost:6379", "http://localhost", "redis:/localhost", "redis://localhost:many/0"]
)
def test_what_is_no_url_is_a_settings_error(url: str) -> None:
    """The text shows how one looks."""
    with pytest.raises(SettingsError, match="It looks like redis://user:password@host:6379/0"):
        connect(url, name="test")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("no_such=1", "there is no option 'no_such'"),
        ("ssl_ca_certs=ca.crt", "there is no option 'ssl_ca_certs'"),
    ],
)
def test_an_option_that_is_none_is_a_settings_error(option: str, reason: str) -> None:
    """It is found before anything is sent, and named without the password."""
    with pytest.raises(SettingsError) as caught:
        connect(f"{_URL}?{option}", name="test")

    assert reason in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_options_for_tls_have_values_that_are_checked() -> None:
    """What a certificate is required for is one of three words."""
    with pytest.raises(SettingsError, match="maybe"):
        connect("rediss://example.test/0?ssl_cert_reqs=maybe", name="test")


def test_a_client_waits_longer_than_it_blocks() -> None:
    """Otherwise its socket would give up on a command that is still waiting on the server."""
    options = connect("redis://localhost", name="test", blocks_for_s=3).connection_pool.connection_kwargs

    assert options["socket_timeout"] > 3
    assert "runweaver-test" == options["client_name"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://a..b:6379/0", "idna"),
        ("redis://\udcff/0", "surrogates not allowed"),
        ("redis://localhost/0?decode_responses=true", "there is no option 'decode_responses'"),
        ("redis://localhost/0?tiemout=3", "there is no option 'tiemout'"),
        ("redis://localhost/0?socket_timeout=-1", "a timeout of -1.0 s is none"),
        ("redis://localhost/0?protocol=9", "protocol"),
        ("rediss://localhost/0?ssl_cert_reqs=perhaps", "perhaps"),
    ],
)
def test_what_the_driver_would_refuse_later_is_refused_at_once(url: str, told: str) -> None:
    """It takes nearly every URL, and some of them break only when something is read."""
    with pytest.raises(SettingsError, match=re.escape(told)):
        connect(url, name="test")


def test_text_that_cannot_be_sent_is_a_bad_argument() -> None:
    """A command line that is no UTF-8 gives such text; no id has half a character."""
    with pytest.raises(InvalidArgumentError, match="half a character"), server_errors(_URL):
        "run-\udcff".encode()
