"""What is told at the ports of workers, finalizers and the exporter, and by producers."""

import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from dataclasses import astuple
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from runweaver.producer import Producer, ProducerCollector, ProducerStats
from runweaver.shared import MissingExtraError, ProducerSettings
from runweaver.shared.keys import webhook_group
from runweaver.worker.totals import CODES
from tests.support.messages import Script
from tests.support.monitoring import METRICS
from tests.support.ports import free_port
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """What one process told at one moment."""

    def __init__(self, text: str) -> None:
        self.types = {}
        self._samples: Samples = {}
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            if name.startswith("runweaver_"):
                self.types[name] = family.type
            for sample in family.samples:
                self._samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """Of one series."""
        return self._samples[f"runweaver_{name}", frozenset(labels.items())]

    def values(self, name: str) -> dict[str, float]:
        """Of all series with this name, by their labels' values."""
        found = {
            labels: value for (its_name, labels), value in self._samples.items() if its_name == f"runweaver_{name}"
        }
        return {",".join(value for _, value in sorted(labels)): value for labels, value in found.items()}


def _get(port: int, path: str, *, timeout_s: float = 10.0) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _scrape(port: int) -> Scraped:
    status, text = _get(port, "/metrics")
    assert 200 == status
    return Scraped(text)


def _start(pipeline: Pipeline, role: str, **environment: str) -> int:
    """Start a process that can be asked, and wait until it is ready.

    Returns:
        Its port.
    """
    port = free_port()
    pipeline.start(role, RUNWEAVER_METRICS_PORT=str(port), **environment)
    _wait_until_ready(port)
    return port


def _wait_until_ready(port: int, status: int = 200) -> None:
    def is_so() -> bool:
        try:
            return _get(port, "/health/ready")[0] == status
        except OSError:
            return False

    wait_until(is_so, timeout_s=30, what=f"/health/ready answering {status}")


@pytest.fixture
def ports(own_pipeline: Pipeline) -> dict[str, int]:
    """A worker, a finalizer and the exporter, and where to ask them."""
    return {role: _start(own_pipeline, role) for role in ("worker", "finalizer", "exporter")}


def test_what_was_done_is_counted(own_pipeline: Pipeline, ports: dict[str, int]) -> None:
    """Each message, dead letter, job and summary once, with the time that it took."""
    script = Script("run")
    sent = [script.started(), *script.steps(6), script.ended()]
    own_pipeline.send(*sent)
    own_pipeline.send("no message")
    own_pipeline.send(Script("silent").started())
    own_pipeline.summary("run")
    wait_until(lambda: own_pipeline.redis.xlen(own_pipeline.keys.dead_letters(0)), what="the dead letter")
    own_pipeline.wait_until_idle()

    worker, finalizer = _scrape(ports["worker"]), _scrape(ports["finalizer"])

    assert len(sent) + 2 == worker.value("worker_messages_total")
    assert 3 == worker.value("worker_entries_total")
    size = sum(map(len, sent)) + len("no message") + len(Script("silent").started())
    assert size == worker.value("worker_message_bytes_total")
    assert {**dict.fromkeys(CODES, 0), "not-json": 1} == worker.values("worker_dead_letters_total")
    assert 0 == worker.value("worker_claimed_entries_total") == worker.value("worker_retries_total")
    assert 1 <= worker.value("worker_batch_seconds_count") <= 3
    assert worker.value("worker_batch_seconds_count") == worker.value("worker_batch_seconds_bucket", le="+Inf")
    assert 0 < worker.value("worker_batch_seconds_sum") < 10

    summaries = {"cancelled": 0, "completed": 1, "failed": 0, "stuck": 0}
    assert summaries == finalizer.values("finalizer_summaries_total")
    assert 1 == finalizer.value("finalizer_summary_latency_seconds_count")
    assert 0 < finalizer.value("finalizer_summary_latency_seconds_sum") < 10
    assert 0 == finalizer.value("finalizer_jobs_total", result="failed") == finalizer.value("finalizer_failures_total")
    assert finalizer.value("finalizer_jobs_total", result="succeeded") == finalizer.value("finalizer_job_seconds_count")
    assert {"expired": 0, "run-full": 0} == finalizer.values("finalizer_dead_letters_total")


def test_the_pipeline_is_as_status_says(own_pipeline: Pipeline, ports: dict[str, int]) -> None:
    """Nobody but the exporter need be there; what is wrong is told, too."""
    script = Script("run")
    own_pipeline.send(script.started(), script.ended())
    own_pipeline.send(Script("open").started())
    own_pipeline.summary("run")
    own_pipeline.wait_until_idle()
    # It looks again after a second.
    wait_until(lambda: _scrape(ports["exporter"]).value("summaries"), what="the summary being counted")
    sound = _scrape(ports["exporter"])
    for process in own_pipeline.processes[:2]:
        own_pipeline.stop(process)
    own_pipeline.send("waits")
    wait_until(lambda: _scrape(ports["exporter"]).value("backlog_entries", partition="0"), what="the entry")
    broken = _scrape(ports["exporter"])

    assert {"redis": 1, "jobs": 1} == sound.values("up") == broken.values("up")
    assert {"alive": 1, "silent": 0} == sound.values("workers")
    assert (1, 1) == (sound.value("finalizers"), sound.value("summaries"))
    assert 1 == sound.value("open_runs", partition="0")
    assert {} == sound.values("trouble")
    assert {"no-worker,wrong": 1} == broken.values("trouble")
    assert (0, 0) == (broken.value("workers", state="alive"), broken.value("finalizers"))
    assert 0 < broken.value("lag_seconds", partition="0") < 60
    assert 0 < broken.value("quietest_run_seconds") < 60


def test_all_metrics_are_there_and_no_others(own_pipeline: Pipeline, ports: dict[str, int]) -> None:
    """Those that alerts, dashboard and documentation know. Also before anything was done: else nothing could grow."""
    own_pipeline.redis.config_set("maxmemory", "1gb")
    own_pipeline.redis.xadd(own_pipeline.keys.finished, {"run_id": "run"})
    own_pipeline.redis.xgroup_create(own_pipeline.keys.finished, webhook_group("hook"))
    # It looks again after a second.
    wait_until(lambda: _scrape(ports["exporter"]).values("webhook_waiting"), what="the webhook being told")
    registry = CollectorRegistry()
    try:
        with Producer(settings=own_pipeline.producer_settings) as producer:
            registry.register(ProducerCollector(producer))
            told = [*map(_scrape, ports.values()), Scraped(generate_latest(registry).decode())]
    finally:
        own_pipeline.redis.config_set("maxmemory", "0")
        own_pipeline.redis.delete(own_pipeline.keys.finished)

    assert METRICS == {name for each in told for name in each.types}
    assert {"hook": 0} == told[2].values("webhook_waiting")
    assert 2**30 in told[2].values("server_memory_limit_bytes").values()
    assert "process_resident_memory_bytes" in _get(ports["worker"], "/metrics")[1]


def test_a_server_that_is_away_is_told(namespace: str) -> None:
    """All go on, are live and not ready, and say so at once; when it is back, they are ready."""
    with Server(appendonly="yes") as server, Pipeline(server.url, namespace) as pipeline:
        ports = {role: _start(pipeline, role) for role in ("worker", "finalizer", "exporter")}
        server.kill()
        for port in ports.values():
            _wait_until_ready(port, 503)

        assert [200, 200, 200] == [_get(port, "/health/live")[0] for port in ports.values()]
        assert {"redis": 0, "jobs": 0} == _scrape(ports["exporter"]).values("up")
        assert {"runweaver_up"} == set(_scrape(ports["exporter"]).types)
        assert "Connection" in _get(ports["exporter"], "/health/ready")[1]
        assert 0 < _scrape(ports["worker"]).value("worker_retries_total")
        server.start()
        for port in ports.values():
            _wait_until_ready(port)
        assert {"redis": 1, "jobs": 1} == _scrape(ports["exporter"]).values("up")


def test_a_server_that_hangs_does_not_hang_the_exporter(namespace: str) -> None:
    """It gives up long before Prometheus would."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        port = _start(pipeline, "exporter")
        server.hang()
        _wait_until_ready(port, 503)

        status, text = _get(port, "/metrics", timeout_s=8)

        assert (200, {"redis": 0, "jobs": 0}) == (status, Scraped(text).values("up"))


def test_rqs_server_alone_may_be_away(server: Server, namespace: str) -> None:
    """It is told which one."""
    with Server() as jobs, Pipeline(server.url, namespace, {"RUNWEAVER_JOBS_URL": jobs.url}) as pipeline:
        port = _start(pipeline, "exporter")
        jobs.kill()
        _wait_until_ready(port, 503)

        assert {"redis": 1, "jobs": 0} == _scrape(port).values("up")


def test_it_ends_on_a_signal(own_pipeline: Pipeline, ports: dict[str, int]) -> None:
    """Each with 0; nobody answers any more."""
    assert [0, 0, 0] == [own_pipeline.stop(process) for process in own_pipeline.processes]
    for port in ports.values():
        with pytest.raises(OSError, match="refused"):
            _get(port, "/health/live")


@pytest.mark.parametrize("role", ["worker", "finalizer", "exporter"])
def test_a_port_that_is_taken(pipeline: Pipeline, role: str) -> None:
    """It says so, and which setting to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = pipeline.run(role, "--metrics-port", str(port))

    assert 2 == done.returncode
    assert f"runweaver: RUNWEAVER_METRICS_PORT={port}: nobody can listen there" in done.stderr


def test_an_address_that_is_none(pipeline: Pipeline) -> None:
    """Likewise."""
    done = pipeline.run("exporter", "--metrics-host", "no.such.host.invalid")

    assert 2 == done.returncode
    assert "RUNWEAVER_METRICS_HOST=no.such.host.invalid" in done.stderr


def test_other_paths_are_not_found(own_pipeline: Pipeline) -> None:
    """With what there is instead."""
    port = _start(own_pipeline, "exporter")

    assert (404, "There are /metrics, /health/live and /health/ready.\n") == _get(port, "/")
    assert (200, '{"ok": true}\n') == _get(port, "/health/live?verbose")


def test_a_process_that_was_stopped_does_not_answer(own_pipeline: Pipeline) -> None:
    """An orchestrator's probe runs into its time limit."""
    port = _start(own_pipeline, "worker")
    os.kill(own_pipeline.processes[0].pid, signal.SIGSTOP)

    with pytest.raises(TimeoutError):
        _get(port, "/health/live", timeout_s=1)


def test_a_worker_that_is_stuck_is_not_live(own_pipeline: Pipeline) -> None:
    """Its merging never ends, and the rest of it goes on."""
    port = free_port()
    own_pipeline.spawn([sys.executable, "-m", "tests.support.stuck", "worker"], RUNWEAVER_METRICS_PORT=str(port))
    _wait_until_ready(port)
    own_pipeline.send(Script("run").started())

    wait_until(lambda: _get(port, "/health/live")[0] == 503, what="the worker being stuck")
    assert '"MainThread": {"silent_s": ' in _get(port, "/health/live")[1]


def test_what_a_producer_sent(pipeline: Pipeline) -> None:
    """Nothing is left in memory then."""
    with Producer(settings=pipeline.producer_settings) as producer:
        with producer.start_run("goal") as run:
            run.heartbeat()
        assert producer.flush(10)

        assert ProducerStats(3, 3, 0, 0, 0, 0, 0) == producer.stats()


def test_what_a_producer_could_not_send(tmp_path: Path) -> None:
    """It waits in memory, or on the disk, and what found no room is lost."""
    nowhere = ProducerSettings(redis_url=f"redis://127.0.0.1:{free_port()}/0", buffer_messages=10)
    with_disk, without = Producer(spool=tmp_path, settings=nowhere), Producer(settings=nowhere)
    for producer in (with_disk, without):
        run = producer.start_run("goal")
        for _ in range(20):
            run.heartbeat()
            time.sleep(0.02)
    wait_until(lambda: with_disk.stats().spooled_messages == 21, what="the spool")
    spooled, kept = with_disk.stats(), without.stats()

    assert (21, 0, 0, 0, 0, 21) == astuple(spooled)[:6]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == spooled.spool_bytes
    assert (8, 0, 13, 8, 0, 0) == (*astuple(kept)[:4], *astuple(kept)[5:])
    assert 8 * 80 < kept.buffered_bytes < 8 * 400
    assert with_disk.close(0.1)
    assert not without.close(0.1)
    # It said that it leaves its run, which found room.
    assert ProducerStats(9, 0, 22, 0, 0, 0, 0) == without.stats()


def test_one_registry_takes_all_producers(pipeline: Pipeline) -> None:
    """Each is told apart by its name."""
    registry = CollectorRegistry(auto_describe=True)
    with Producer(settings=pipeline.producer_settings) as one, Producer(settings=pipeline.producer_settings) as other:
        registry.register(ProducerCollector(one, other))
        one.start_run("goal").end()
        assert one.flush(10)

        told = Scraped(generate_latest(registry).decode())

    assert {one.name: 2, other.name: 0} == told.values("producer_sent_messages_total")


def test_metrics_of_producers_need_an_extra(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install does not have it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        Producer(settings=pipeline.producer_settings) as producer,
        pytest.raises(MissingExtraError, match=r"runweaver\[metrics\]"),
    ):
        ProducerCollector(producer)
