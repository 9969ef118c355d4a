"""The pipeline on a cluster, and behind sentinels."""

import re
import time

import pytest

from runweaver.producer import Producer
from runweaver.query import Insights, Summaries
from runweaver.shared import ProducerSettings
from tests.support.cluster import Cluster, Sentinels
from tests.support.processes import Pipeline
from tests.support.server import Server

_RUNS = 30


@pytest.fixture(params=["cluster_pipeline", "sentinel_pipeline"])
def pipeline_somewhere(request: pytest.FixtureRequest) -> Pipeline:
    """A worker and a finalizer, on either."""
    pipeline: Pipeline = request.getfixturevalue(request.param)
    pipeline.start("worker")
    pipeline.start("finalizer")
    return pipeline


def _report(pipeline: Pipeline, runs: int = _RUNS) -> list[str]:
    partitions = int(pipeline.environment.get("RUNWEAVER_PARTITIONS", "1"))
    settings = ProducerSettings(redis_url=pipeline.url, namespace=pipeline.namespace, partitions=partitions)
    run_ids = []
    with Producer(settings=settings) as producer:
        for number in range(runs):
            with producer.start_run(f"goal-{number % 3}", "Try it", tags=["cluster"]) as run:
                decision = run.decide("Look", [{"id": "a", "description": "A"}], "a", "why not", node_id="finder")
                run.record_outcome(decision, success=number % 2 == 0)
            run_ids.append(run.run_id)
        assert producer.flush(20)
    return run_ids


def test_every_run_is_summarised_and_found(pipeline_somewhere: Pipeline) -> None:
    """By its id, by its goal and tag, as a whole, and by what many tell."""
    run_ids = _report(pipeline_somewhere)

    summaries = [pipeline_somewhere.summary(run_id) for run_id in run_ids]
    pipeline_somewhere.wait_until_idle()

    assert [1] * _RUNS == [summary.decision_count for summary in summaries]
    listed = Summaries(pipeline_somewhere.url, namespace=pipeline_somewhere.namespace)
    assert set(run_ids) == {each.run_id for each in listed.each(tag="cluster")}
    assert set(run_ids[::3]) == {each.run_id for each in listed.list(goal="goal-0", limit=100).items}
    run = pipeline_somewhere.runs.get(run_ids[0])
    assert run is not None
    assert ["finder"] == [decision.node_id for decision in run.decisions]
    told = Insights(pipeline_somewhere.url, namespace=pipeline_somewhere.namespace).get("goal-0")
    assert _RUNS // 3 == told.runs


def test_messages_and_runs_are_spread_over_all_primaries(cluster: Cluster, cluster_pipeline: Pipeline) -> None:
    """Streams by partition, runs by their id."""
    keys = cluster_pipeline.keys

    assert 1 < len({cluster.primary_of(keys.messages(partition)).port for partition in range(6)})
    assert 3 == len({cluster.primary_of(keys.run(f"run-{number}")).port for number in range(50)})


@pytest.mark.parametrize("role", ["worker", "finalizer"])
def test_a_cluster_needs_another_server_for_jobs(cluster_pipeline: Pipeline, role: str) -> None:
    """RQ does not run on one: that is said, and what to do."""
    del cluster_pipeline.environment["RUNWEAVER_JOBS_URL"]

    done = cluster_pipeline.run(role)

    assert 2 == done.returncode
    assert "RUNWEAVER_JOBS_URL is not set" in done.stderr


def test_a_cluster_is_not_taken_for_one_server_nor_one_server_for_a_cluster(
    cluster: Cluster, server: Server, cluster_pipeline: Pipeline
) -> None:
    """Whoever mistakes them reads what the URL has to be."""
    elsewhere = {node.address for node in cluster.nodes} - {cluster.primary_of(cluster_pipeline.keys.index_all).address}
    as_one = cluster_pipeline.run("runs", RUNWEAVER_REDIS_URL=f"redis://{elsewhere.pop()}")
    as_two = cluster_pipeline.run("runs", RUNWEAVER_REDIS_URL=f"redis+cluster://127.0.0.1:{server.port}")

    assert (2, 2) == (as_one.returncode, as_two.returncode)
    assert "its URL begins with redis+cluster://" in as_one.stderr
    assert "its URL begins with redis://" in as_two.stderr


def test_sentinels_that_do_not_know_the_primary_are_told(sentinels: Sentinels, sentinel_pipeline: Pipeline) -> None:
    """The name is in the URL."""
    done = sentinel_pipeline.run("runs", RUNWEAVER_REDIS_URL=sentinels.url.replace("/runs", "/walks"))

    assert 2 == done.returncode
    assert "No master found for 'walks'" in done.stderr
    assert "the name in the URL" in done.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis+cluster://127.0.0.1:1,127.0.0.1:2", "no Redis answers at redis+cluster://"),
        ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/runs", "no sentinel at redis+sentinel://"),
    ],
    ids=["cluster", "sentinels"],
)
def test_servers_that_are_all_away_are_told(own_pipeline: Pipeline, url: str, expected: str) -> None:
    """In one sentence, with why the last of them does not answer."""
    started_at = time.monotonic()
    done = own_pipeline.run("runs", RUNWEAVER_REDIS_URL=url)

    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert re.match(rf"runweaver: {re.escape(expected)}.* \(Error \d+ connecting to .*refused\.\): ", done.stderr)
    assert time.monotonic() - started_at < 10


def test_an_agent_does_not_wait_for_a_cluster_that_is_away() -> None:
    """Nothing is connected before there is something to send, and that is sent by another thread."""
    settings = ProducerSettings(redis_url="redis+cluster://127.0.0.1:1,127.0.0.1:2")

    started_at = time.monotonic()
    producer = Producer(settings=settings)
    producer.start_run("goal").end("completed")
    took_s = time.monotonic() - started_at

    assert not producer.close(0.1)
    assert took_s < 0.5
