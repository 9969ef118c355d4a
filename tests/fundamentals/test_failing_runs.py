"""An exception inside a run ends it as failed, and tells why."""

import asyncio

import pytest

from runweaver.producer import Producer
from runweaver.shared import RunStatus
from tests.support.processes import Pipeline


def _fail() -> None:
    raise ValueError("no budget")


def test_an_exception_ends_the_run_as_failed(pipeline: Pipeline, producer: Producer) -> None:
    """It stands in the summary as a critical problem, and goes on to the caller."""
    with pytest.raises(ValueError, match="no budget"), producer.start_run("fails") as run:
        _fail()

    summary = pipeline.summary(run.run_id)

    assert RunStatus.FAILED == summary.status
    assert ["ValueError: no budget"] == summary.critical_problems
    assert summary.narrative.startswith(
        "Run failed. Made 0 decisions: 0 succeeded, 0 failed. Critical issues: ValueError: no budget"
    )
    found = pipeline.runs.get(run.run_id)
    assert found is not None
    assert "raised in _fail" in (found.problems[0].root_cause or "")


def test_an_interruption_cancels_the_run(pipeline: Pipeline, producer: Producer) -> None:
    """Ctrl-C or a cancelled task is no failure of the agent."""
    with pytest.raises(KeyboardInterrupt), producer.start_run("stopped") as run:
        raise KeyboardInterrupt

    assert RunStatus.CANCELLED == pipeline.summary(run.run_id).status


def test_a_run_that_was_ended_inside_keeps_its_end(pipeline: Pipeline, producer: Producer) -> None:
    """Leaving the block does not end it again."""
    with producer.start_run("ended") as run:
        run.end("cancelled", output_data={"why": "enough"})

    assert RunStatus.CANCELLED == pipeline.summary(run.run_id).status


def test_an_executor_that_raises_is_a_failed_decision(pipeline: Pipeline, producer: Producer) -> None:
    """`decide_and_execute` records what happened and how long it took, and lets the exception through."""
    with producer.start_run("executes") as run:
        _, result = run.decide_and_execute("Add", [{"id": "a", "description": "Add"}], "a", "Simple", lambda: 1 + 1)
        with pytest.raises(ValueError, match="no budget"):
            run.decide_and_execute("Pay", [{"id": "p", "description": "Pay"}], "p", "Must be", _fail, node_id="pay")

    summary = pipeline.summary(run.run_id)

    assert 2 == result
    assert (2, 1) == (summary.decision_count, summary.failed_decisions)
    assert "First failure: [pay] Pay, with “Pay”: ValueError: no budget." in summary.narrative


def test_async_agents_use_the_same_object(pipeline: Pipeline, producer: Producer) -> None:
    """`async with`, async executors, and many tasks at once."""

    async def fetch() -> str:
        await asyncio.sleep(0)
        return "page"

    async def fail() -> str:
        await asyncio.sleep(0)
        raise ValueError("gone")

    async def agent(number: int) -> str:
        async with producer.start_run("async") as run:
            options = [{"id": "get", "description": f"Get page {number}"}]
            _, result = await run.decide_and_execute("Read", options, "get", "It is there", fetch)
            assert "page" == result
            with pytest.raises(ValueError, match="gone"):
                await run.decide_and_execute("Read more", options, "get", "There may be more", fail)
        return run.run_id

    async def fleet() -> list[str]:
        return await asyncio.gather(*(agent(number) for number in range(10)))

    for run_id in asyncio.run(fleet()):
        summary = pipeline.summary(run_id)
        assert (RunStatus.COMPLETED, 2, 1) == (summary.status, summary.decision_count, summary.failed_decisions)
