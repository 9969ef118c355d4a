"""TLS with an authority of one's own and a certificate for each client, on a real server that speaks nothing else."""

import re
import shutil
import time
from collections.abc import Iterator

import pytest
import redis

from runweaver.producer import Producer
from runweaver.shared import ProducerSettings, RunStatus
from tests.support.certificates import NO_TLS, Authority, options_of_client
from tests.support.secured import NAMESPACE, SecuredPipeline, SecuredServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(NO_TLS), reason=NO_TLS)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """It has signed a certificate for the server and one for clients."""
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.sign("server")
    made.sign("client")
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the server does not know, and that does not know the server."""
    made = Authority(tmp_path_factory.mktemp("stranger"))
    made.sign("client")
    return made


@pytest.fixture(scope="module")
def secured(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredPipeline]:
    """A server that speaks TLS with clients that have a certificate, has the four users, and is at work for them."""
    directory = tmp_path_factory.mktemp("tls")
    binary = shutil.which("redis-server") or ""
    with (
        SecuredServer(directory, binary, options=authority.server_options, tls=authority.client_options) as server,
        SecuredPipeline(server, directory / "log") as pipeline,
    ):
        pipeline.start("worker")
        pipeline.start("finalizer")
        yield pipeline
        assert [] == pipeline.complaints


def _refusal(pipeline: SecuredPipeline, command: str, url: str) -> str:
    """The one sentence with which a command ends that cannot connect."""
    started_at = time.monotonic()
    finished = pipeline.run(command, RUNWEAVER_REDIS_URL=url)
    assert time.monotonic() - started_at < 30
    assert (2, 1) == (finished.returncode, len(finished.stderr.splitlines()))
    return finished.stderr


def test_a_run_gets_its_summary_over_tls(secured: SecuredPipeline) -> None:
    """Producer, worker, finalizer and reader are each a user with a password, on connections with certificates."""
    assert secured.server.url("producer").startswith("rediss://producer:")
    settings = ProducerSettings(redis_url=secured.server.url("producer"), namespace=NAMESPACE)
    with Producer(settings=settings) as producer, producer.start_run("goal") as run:
        run.record_outcome(run.quick_decision("Does it work?", "Try it"), success=True)
    assert RunStatus.COMPLETED == secured.summary(run.run_id, timeout_s=30).status

    shown = secured.run_as("reader", "show", run.run_id, "--full")
    status = secured.run_as("reader", "status", "--json")

    assert (0, 0) == (shown.returncode, status.returncode)
    assert "Does it work?" in shown.stdout
    assert '"finalizers": 1' in status.stdout
    assert [] == secured.server.refused()


def test_users_are_kept_apart_over_tls_too(secured: SecuredPipeline) -> None:
    """A certificate lets a client in, and gives it no rights: the user does."""
    with secured.server.client("producer") as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.hgetall("rw:run:{any}")
    secured.redis.acl_log_reset()


@pytest.mark.parametrize("command", ["worker", "finalizer", "status", "runs"])
def test_a_client_without_a_certificate_is_told_so(
    secured: SecuredPipeline, authority: Authority, command: str
) -> None:
    """It ends with code 2 and one sentence that says what to look at."""
    said = _refusal(secured, command, secured.server.url("worker", tls=options_of_client(authority, None)))

    assert re.match(r"runweaver: TLS with the server at rediss://localhost:\d+/0 fails \(.*\): see to .*ssl_cert", said)


def test_a_client_whose_certificate_the_server_does_not_know_is_told_so(
    secured: SecuredPipeline, authority: Authority, stranger: Authority
) -> None:
    """The server trusts its own authority only."""
    said = _refusal(secured, "status", secured.server.url("reader", tls=options_of_client(authority, stranger)))

    assert re.match(r"runweaver: TLS with the server at .* fails", said)


@pytest.mark.parametrize("command", ["worker", "status"])
def test_a_server_that_is_not_trusted_is_told(
    secured: SecuredPipeline, authority: Authority, stranger: Authority, command: str
) -> None:
    """With another authority, or with those of the system, the client does not send its password."""
    for trusted in (stranger, None):
        said = _refusal(secured, command, secured.server.url("worker", tls=options_of_client(trusted, authority)))

        assert "certificate verify failed" in said
        assert "see to ssl_ca_certs" in said


def test_a_server_of_another_name_is_told(secured: SecuredPipeline) -> None:
    """The certificate is for localhost, and not for the address behind it."""
    said = _refusal(secured, "status", secured.server.url("reader").replace("@localhost:", "@127.0.0.1:"))

    assert "certificate is not valid for '127.0.0.1'" in said


def test_a_file_that_is_not_there_is_told(secured: SecuredPipeline) -> None:
    """The sentence names the options that name files."""
    url = secured.server.url("reader", tls={"ssl_ca_certs": "/no/such/file"})

    assert re.search(r"No such file.*see to ssl_ca_certs, ssl_certfile and ssl_keyfile", _refusal(secured, "runs", url))


def test_plain_redis_on_a_tls_port_is_told(secured: SecuredPipeline) -> None:
    """The server hangs up on it, and the sentence says how the URL would begin."""
    said = _refusal(secured, "status", secured.server.url("reader", tls={}))

    assert "the server at redis://localhost" in said
    assert "rediss://" in said


def test_an_agent_goes_on_where_the_server_is_not_trusted(
    secured: SecuredPipeline, authority: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Its calls neither wait nor raise. What it reports waits, and is lost in the end, which it is told."""
    url = secured.server.url("producer", tls=options_of_client(stranger, authority))
    producer = Producer(settings=ProducerSettings(redis_url=url, namespace=NAMESPACE))
    with producer.start_run("goal") as run:
        run.quick_decision("Does it work?", "Try it")
    wait_until(lambda: "the server does not take messages" in caplog.text, what="a warning")

    assert not producer.close(0.1)
    assert producer.dropped >= 3
    assert secured.server.passwords["producer"] not in caplog.text
