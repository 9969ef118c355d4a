"""TLS between all: the servers of a cluster, or a primary and its sentinels, and everybody who talks to them."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from runweaver.producer import Producer
from runweaver.shared import ProducerSettings
from tests.support.certificates import NO_TLS, Authority, options_of_client
from tests.support.cluster import running_cluster, running_sentinels
from tests.support.processes import Pipeline
from tests.support.server import Server

pytestmark = pytest.mark.skipif(bool(NO_TLS), reason=NO_TLS)

_PARTITIONS = 3
_RUNS = 6


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """It has signed a certificate for all servers, which are known by their address, and one for clients."""
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.sign("server", "DNS:localhost,IP:127.0.0.1")
    made.sign("client")
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that has nothing to do with the servers."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module", params=["cluster", "sentinel"])
def url(request: pytest.FixtureRequest, authority: Authority) -> Iterator[str]:
    """Of servers that speak nothing but TLS, also to each other."""
    if request.param == "cluster":
        with running_cluster(replicas=0, authority=authority) as cluster:
            yield cluster.url
    else:
        with running_sentinels(size=1, authority=authority) as sentinels:
            yield sentinels.url


@pytest.fixture
def pipeline(url: str, server: Server, namespace: str) -> Iterator[Pipeline]:
    """Nothing runs yet. Jobs are elsewhere: RQ does not run on a cluster."""
    environment = {"RUNWEAVER_JOBS_URL": server.url, "RUNWEAVER_PARTITIONS": str(_PARTITIONS)}
    with Pipeline(url, namespace, environment) as prepared:
        yield prepared


def test_runs_get_their_summaries(pipeline: Pipeline) -> None:
    """Producer, worker, finalizer and reader verify each server that they are sent to."""
    pipeline.start("worker")
    pipeline.start("finalizer")
    settings = ProducerSettings(redis_url=pipeline.url, namespace=pipeline.namespace, partitions=_PARTITIONS)
    with Producer(settings=settings) as producer:
        runs = [producer.start_run("goal") for _ in range(_RUNS)]
        for run in runs:
            run.quick_decision("Does it work?", "Try it")
            run.end("completed")
        assert producer.flush(20)

    summaries = [pipeline.summary(run.run_id) for run in runs]
    shown = pipeline.run("show", runs[0].run_id, "--full")
    status = pipeline.run("status", "--json")

    assert [1] * _RUNS == [summary.decision_count for summary in summaries]
    assert "Does it work?" in shown.stdout, shown.stderr
    assert '"finalizers": 1' in status.stdout, status.stderr


def _refusal(pipeline: Pipeline, url: str) -> str:
    """The one sentence with which a command ends that cannot connect."""
    done = pipeline.run("runs", RUNWEAVER_REDIS_URL=url)
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    return done.stderr


def _with(pipeline: Pipeline, options: dict[str, str]) -> str:
    return f"{pipeline.url.partition('?')[0]}?{urlencode(options)}"


def test_servers_that_are_not_trusted_are_told(pipeline: Pipeline, authority: Authority, stranger: Authority) -> None:
    """The sentence says why, and names the options that it may be about."""
    said = _refusal(pipeline, _with(pipeline, options_of_client(stranger, authority)))

    assert re.match(r"runweaver: TLS with the server at rediss\+\w+://127\.0\.0\.1:\d+\S* fails", said)
    assert "certificate verify failed" in said
    assert "see to ssl_ca_certs" in said


def test_a_client_without_a_certificate_is_told_so(pipeline: Pipeline, authority: Authority) -> None:
    """Each of the servers wants one."""
    said = _refusal(pipeline, _with(pipeline, options_of_client(authority, None)))

    assert re.match(r"runweaver: TLS with the server at rediss\+\w+://.* fails .*ssl_certfile", said)


def test_a_url_without_tls_is_told(pipeline: Pipeline) -> None:
    """The servers hang up on it, and the sentence says how the URL would begin."""
    scheme = pipeline.url.partition(":")[0]
    said = _refusal(pipeline, pipeline.url.partition("?")[0].replace("rediss+", "redis+"))

    assert re.match(r"runweaver: the server at redis\+\w+://.* broke the connection ", said)
    assert f"one that wants TLS has {scheme}://" in said
