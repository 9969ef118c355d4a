"""Agents that fork: the child is a producer of its own, and nothing is sent twice or lost."""

import os
import sys

import pytest

from runweaver.producer import Producer
from tests.support.processes import Pipeline

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

_FORKS = """
import os, sys
from runweaver.producer import Producer
producer = Producer()
run = producer.start_run("forks", run_id=sys.argv[1])
run.quick_decision("Before", "Fork", node_id="parent")  # still in the buffer when the child is born
child = os.fork()
if child == 0:
    for number in range(10):
        run.quick_decision(f"Child {number}", "Go", node_id="child")
    run.leave()
    assert producer.close()
    os._exit(0)
for number in range(10):
    run.quick_decision(f"Parent {number}", "Go", node_id="parent")
assert os.waitpid(child, 0)[1] == 0
run.end()
assert producer.close()
"""

_MULTIPROCESSING = """
import multiprocessing, sys
from runweaver.producer import Producer

producer = Producer()

def work(run_id):
    # Nobody closes it: the end of the child does.
    with producer.join_run(run_id) as run:
        run.quick_decision("Work", "Go", node_id="child")

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    run = producer.start_run("pool", run_id=sys.argv[1])
    assert producer.flush(10)
    children = [multiprocessing.Process(target=work, args=(run.run_id,)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    run.end()
"""


def test_parent_and_child_go_on_with_the_same_run(pipeline: Pipeline, run_id: str) -> None:
    """Each numbers its own messages; what the parent had in its buffer, the parent sends."""
    process = pipeline.spawn([sys.executable, "-W", "ignore", "-c", _FORKS, run_id])
    assert process.wait(30) == 0

    summary = pipeline.summary(run_id)

    assert (21, 24, 24, 0) == (
        summary.decision_count,
        summary.completeness.received,
        summary.completeness.declared,
        summary.completeness.missing,
    )
    assert [11, 13] == sorted(each.received for each in summary.completeness.producers.values())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_send_at_their_end(
    pipeline: Pipeline, run_id: str, method: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`atexit` does not run in them, so it takes more than that."""
    script = tmp_path_factory.mktemp("agents") / "agent.py"
    script.write_text(_MULTIPROCESSING)
    process = pipeline.spawn([sys.executable, "-W", "ignore", str(script), run_id, method])
    assert process.wait(60) == 0

    summary = pipeline.summary(run_id)

    assert (3, 8, 8) == (summary.decision_count, summary.completeness.received, summary.completeness.declared)


def test_two_producers_in_one_process_do_not_mix(pipeline: Pipeline) -> None:
    """Each has a name that no other has."""
    with (
        Producer(name="same", settings=pipeline.producer_settings) as one,
        Producer(name="same", settings=pipeline.producer_settings) as two,
    ):
        assert one.name != two.name
        run = one.start_run("two")
        joined = two.join_run(run.run_id)
        run.quick_decision("One", "Go")
        joined.quick_decision("Two", "Go")
        joined.leave()
        assert two.flush()
        run.end()

    assert 2 == pipeline.summary(run.run_id).decision_count
