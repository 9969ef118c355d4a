"""An agent with a spool loses nothing while Redis is away: not at its end, not when it is killed, not when it forks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runweaver.producer import Producer
from tests.support.processes import Pipeline
from tests.support.server import Server
from tests.support.waiting import wait_until


@pytest.fixture
def down(namespace: str, tmp_path: Path) -> Iterator[tuple[Server, Pipeline]]:
    """A server that is away, and a pipeline that would use it. Agents find the spool in their environment."""
    with Server(appendonly="yes") as server:
        environment = {"RUNWEAVER_SPOOL_DIR": str(tmp_path / "spool")}
        with Pipeline(server.url, namespace, environment) as pipeline:
            server.kill()
            yield server, pipeline


def _back(server: Server, pipeline: Pipeline) -> None:
    server.start()
    pipeline.start("worker")
    pipeline.start("finalizer")


def _agent(pipeline: Pipeline, script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return pipeline.spawn([sys.executable, "-W", "ignore", "-c", script, *arguments])


def _is_all_there(pipeline: Pipeline, run_id: str, *, decisions: int, messages: int) -> None:
    summary = pipeline.summary(run_id, timeout_s=30)
    counts = summary.completeness
    assert (decisions, messages, 0, 0) == (summary.decision_count, counts.received, counts.missing, counts.dropped)


_ENDS = """
import sys
from runweaver.producer import Producer
with Producer() as producer, producer.start_run("ends", run_id=sys.argv[1]) as run:
    for number in range(500):
        run.quick_decision(f"Step {number}", "Go")
"""

_COMES_NEXT = """
import sys, time
from runweaver.producer import Producer
producer = Producer()  # nothing is recorded: what another process left is reason enough to send
time.sleep(60)
"""


def test_what_an_agent_leaves_at_its_end_is_sent_by_the_next(down: tuple[Server, Pipeline], run_id: str) -> None:
    """It does not wait for Redis; the next process on the machine that has a producer sends it."""
    server, pipeline = down
    begun = time.monotonic()
    assert 0 == _agent(pipeline, _ENDS, run_id).wait(30)
    assert time.monotonic() - begun < 10

    _back(server, pipeline)
    _agent(pipeline, _COMES_NEXT)

    _is_all_there(pipeline, run_id, decisions=500, messages=502)


_IS_KILLED = """
import sys, time
from runweaver.producer import Producer
producer = Producer()
run = producer.start_run("is-killed", run_id=sys.argv[1])
for number in range(500):
    run.quick_decision(f"Step {number}", "Go")
run.end()
print("recorded", flush=True)
time.sleep(60)
"""


def test_an_agent_that_is_killed_loses_nothing_that_is_on_the_disk(
    down: tuple[Server, Pipeline], run_id: str, tmp_path: Path
) -> None:
    """While Redis is away, what was recorded is on the disk a moment later; kill -9 does not take it away."""
    server, pipeline = down
    agent = _agent(pipeline, _IS_KILLED, run_id)
    wait_until(lambda: _stored(tmp_path / "spool") > 50_000, what="messages on the disk")
    # The buffer is moved every 50 ms.
    time.sleep(1)
    agent.send_signal(signal.SIGKILL)
    agent.wait()

    _back(server, pipeline)
    _agent(pipeline, _COMES_NEXT)

    _is_all_there(pipeline, run_id, decisions=500, messages=502)


def _stored(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*")) if directory.exists() else 0


def test_a_minute_without_redis_under_load(down: tuple[Server, Pipeline], tmp_path: Path) -> None:
    """Many times what memory may hold goes through the disk, nothing is dropped, and the order is kept."""
    server, pipeline = down
    settings = pipeline.producer_settings.model_copy(update={"spool_dir": tmp_path / "spool", "buffer_messages": 2_000})
    runs = []
    with Producer(settings=settings) as producer:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            with producer.start_run("load") as run:
                for number in range(20):
                    run.record_outcome(run.quick_decision(f"Step {number}", "Go"), success=True)
            runs.append(run.run_id)
            time.sleep(0.001)
        assert not producer.flush(0.1)

        server.start()
        assert producer.flush(60)
        assert 0 == producer.dropped
    pipeline.start("worker")
    pipeline.start("finalizer")

    for run_id in runs:
        _is_all_there(pipeline, run_id, decisions=20, messages=42)
        # It never looked incomplete: its end did not come before the rest.
        assert 1 == pipeline.summary(run_id).revision


_FORKS = """
import os, sys
from runweaver.producer import Producer
producer = Producer()
run = producer.start_run("forks", run_id=sys.argv[1])
for number in range(300):
    run.quick_decision(f"Before {number}", "Go")
producer.flush(0.5)  # it is on the disk now, in a file that this process holds open
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        for number in range(100):
            run.quick_decision(f"Child {number}", "Go")
        run.leave()
        producer.close()
        sys.exit(0)  # like any process: what it inherited is torn down
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
for number in range(300):
    run.quick_decision(f"After {number}", "Go")
run.end()
assert producer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_while_messages_are_on_the_disk(down: tuple[Server, Pipeline], run_id: str) -> None:
    """Each process has files of its own; the end of a child does not harm those of its parent."""
    server, pipeline = down
    assert 0 == _agent(pipeline, _FORKS, run_id).wait(60)

    _back(server, pipeline)
    _agent(pipeline, _COMES_NEXT)

    _is_all_there(pipeline, run_id, decisions=900, messages=905)


_PREFORKS = """
import os, signal, sys, threading
from runweaver.producer import Producer
producer = Producer()  # made once, as a pre-forking server does before it forks
producer.start_run("master", run_id=sys.argv[1]).end()
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        threads = []
        def serve(index):
            with producer.start_run("request", run_id=f"{sys.argv[1]}-{number}-{index}") as run:
                run.record_outcome(run.quick_decision("Answer", "Go"), success=True)
        for index in range(5):
            threads.append(threading.Thread(target=serve, args=(index,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        producer.close()
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_server_that_forks_first(down: tuple[Server, Pipeline], run_id: str) -> None:
    """Its children report by themselves, each from several threads, and share the spool."""
    server, pipeline = down
    assert 0 == _agent(pipeline, _PREFORKS, run_id).wait(60)

    _back(server, pipeline)
    _agent(pipeline, _COMES_NEXT)

    for number in range(4):
        for index in range(5):
            _is_all_there(pipeline, f"{run_id}-{number}-{index}", decisions=1, messages=4)


def work(run_id: str) -> None:
    """An agent as an RQ job. The work horse that runs it ends by `os._exit`: nothing is closed by itself there."""
    with Producer() as producer, producer.start_run("job", run_id=run_id) as run:
        run.quick_decision("Work", "Go")


def test_an_agent_in_an_rq_work_horse(down: tuple[Server, Pipeline], run_id: str) -> None:
    """RQ forks for each job. A producer that the job closes leaves nothing behind in memory, Redis or not."""
    server, pipeline = down
    with Server() as jobs:
        rq = """
import sys
from redis import Redis
from rq import Queue, Worker
connection = Redis.from_url(sys.argv[1])
queue = Queue("agents", connection=connection)
queue.enqueue("tests.fundamentals.test_spool.work", sys.argv[2])
Worker([queue], connection=connection).work(burst=True)
assert queue.failed_job_registry.count == 0
"""
        assert 0 == _agent(pipeline, rq, jobs.url, run_id).wait(60)

    _back(server, pipeline)
    _agent(pipeline, _COMES_NEXT)

    _is_all_there(pipeline, run_id, decisions=1, messages=3)
