"""Agents of aden hive record with our `Runtime` as they do with theirs."""

import asyncio
import enum
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fuzz.objects import ODD_OBJECTS, odd_object
from fuzz.source import Source
from runweaver.producer import Producer
from runweaver.producer.integrations.hive import Runtime
from runweaver.shared import DecisionType, Outcome, ProducerSettings, Run, RunStatus
from tests.support.ports import free_port
from tests.support.processes import Pipeline

_OPTIONS: list[dict[str, Any]] = [
    {"id": "web", "description": "Search the web", "pros": ["Fresh"]},
    {"id": "cache", "description": "Look into the cache", "cons": ["Old"], "confidence": 0.2},
]


@pytest.fixture
def runtime(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """One with a directory, as hive makes it; the environment says where the server is."""
    monkeypatch.setenv("RUNWEAVER_REDIS_URL", pipeline.url)
    monkeypatch.setenv("RUNWEAVER_NAMESPACE", pipeline.namespace)
    made = Runtime(tmp_path / "storage")
    yield made
    made._producer.close()


@pytest.fixture
def recorded(pipeline: Pipeline, runtime: Runtime) -> Callable[[Callable[[Runtime], object]], Run]:
    """What a run says of which this was recorded."""

    def record(act: Callable[[Runtime], object]) -> Run:
        run_id = runtime.start_run("recorded")
        act(runtime)
        runtime.end_run(success=True)
        return _read(pipeline, run_id)

    return record


def _read(pipeline: Pipeline, run_id: str) -> Run:
    pipeline.summary(run_id)
    run = pipeline.runs.get(run_id)
    assert run is not None
    return run


def _current(runtime: Runtime) -> Run:
    run = runtime.current_run
    assert run is not None
    return run


def _outcome(run: Run, place: int = 0) -> Outcome:
    outcome = run.decisions[place].outcome
    assert outcome is not None
    return outcome


class _Node:
    """A node of a graph, as hive's are: it is given the runtime, and tells what it decides and what comes of it."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name = name
        self.fails = fails

    def execute(self, runtime: Runtime) -> bool:
        decision_id = runtime.decide(
            intent=f"Do the work of {self.name}",
            options=_OPTIONS,
            chosen="web",
            reasoning="It must be fresh",
            decision_type=DecisionType.TOOL_SELECTION,
            constraints=["be quick"],
            context={"lead": 7},
        )
        if self.fails:
            runtime.record_outcome(decision_id, success=False, error="No data", latency_ms=5)
            runtime.report_problem(
                "critical",
                f"{self.name} failed",
                decision_id,
                root_cause="Empty input",
                suggested_fix="Check the input",
            )
        else:
            runtime.record_outcome(
                decision_id, success=True, result={"items": 3}, summary="3 found", tokens_used=50, latency_ms=20
            )
        return not self.fails


def _walk(runtime: Runtime, nodes: list[_Node]) -> str:
    """A loop such as that of hive's executor."""
    run_id = runtime.start_run("walk-graph", "Walk through a graph", {"lead": 7})
    for node in nodes:
        runtime.set_node(node.name)
        if not node.execute(runtime):
            runtime.end_run(success=False, narrative=f"Stopped at {node.name}.")
            return run_id
    runtime.end_run(success=True, output_data={"qualified": True})
    return run_id


def test_a_graph_of_nodes_is_walked_through(pipeline: Pipeline, runtime: Runtime) -> None:
    """All that hive's agents tell arrives, and the edges between their nodes as well."""
    run = _read(pipeline, _walk(runtime, [_Node("search"), _Node("filter"), _Node("filter"), _Node("write")]))

    assert ("walk-graph", "Walk through a graph", RunStatus.COMPLETED, {"lead": 7}, {"qualified": True}) == (
        run.goal_id,
        run.goal_description,
        run.status,
        run.input_data,
        run.output_data,
    )
    assert ["dec_0", "dec_1", "dec_2", "dec_3"] == [decision.id for decision in run.decisions]
    assert ["search->filter", "filter->write"] == run.metrics.edges_traversed
    assert (4, 4, 200, 80) == (
        run.metrics.total_decisions,
        run.metrics.successful_decisions,
        run.metrics.total_tokens,
        run.metrics.total_latency_ms,
    )
    first = run.decisions[0]
    assert ("search", "Do the work of search", "It must be fresh", ["be quick"], {"lead": 7}) == (
        first.node_id,
        first.intent,
        first.reasoning,
        first.active_constraints,
        first.input_context,
    )
    assert DecisionType.TOOL_SELECTION is first.decision_type
    assert ["Search the web", "Look into the cache"] == [option.description for option in first.options]
    assert [0.5, 0.2] == [option.confidence for option in first.options]
    assert ({"items": 3}, "3 found") == (_outcome(run).result, _outcome(run).summary)
    assert "completed successfully" in run.narrative


def test_a_run_that_fails_tells_why(pipeline: Pipeline, runtime: Runtime) -> None:
    """With the problem that its agent reported, and the narrative that it gave."""
    run = _read(pipeline, _walk(runtime, [_Node("search"), _Node("filter", fails=True), _Node("write")]))

    assert (RunStatus.FAILED, "Stopped at filter.") == (run.status, run.narrative)
    assert (False, "No data", 5) == (_outcome(run, 1).success, _outcome(run, 1).error, _outcome(run, 1).latency_ms)
    (problem,) = run.problems
    assert ("prob_0", "critical", "filter failed", "dec_1", "Empty input", "Check the input") == (
        problem.id,
        problem.severity,
        problem.description,
        problem.decision_id,
        problem.root_cause,
        problem.suggested_fix,
    )


def test_calls_without_a_run_are_warned_of(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """It happens when one exception leads to another: none of them is worth a further one."""
    returned = [
        runtime.end_run(True),  # type: ignore[func-returns-value]  # noqa: FBT003 - as hive's callers do
        runtime.decide("Look", _OPTIONS, "web", "Because"),
        runtime.quick_decision("Look", "Go there", "It is near"),
        runtime.record_outcome("dec_0", True),  # type: ignore[func-returns-value]  # noqa: FBT003
        runtime.report_problem("critical", "Odd"),
        runtime.decide_and_execute("Look", _OPTIONS, "web", "Because", lambda: "found"),
        runtime.current_run,
    ]

    assert [None, "", "", None, "", ("", "found"), None] == returned
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert ["end_run", "decide", "decide", "record_outcome", "report_problem", "decide"] == [
        record.getMessage().split()[0] for record in warned
    ]
    assert {"runweaver.producer.integrations.hive.runtime"} == {record.name for record in warned}
    assert all("no run in progress" in record.getMessage() for record in warned)


def test_the_run_in_progress_can_be_looked_at(runtime: Runtime) -> None:
    """It is one object, and kept up to date: what holds it, or a decision of it, sees what comes."""
    run_id = runtime.start_run("looked-at", "Is looked at", {"lead": 7})
    run = _current(runtime)
    assert (run_id, "looked-at", "Is looked at", {"lead": 7}) == (
        run.id,
        run.goal_id,
        run.goal_description,
        run.input_data,
    )
    assert ([], [], 0, RunStatus.RUNNING) == (run.decisions, run.problems, run.metrics.total_decisions, run.status)

    runtime.set_node("first")
    decision_id = runtime.decide("Look", _OPTIONS, "web", "Because")
    (decision,) = run.decisions
    assert (False, 1, 0) == (decision.was_successful, run.metrics.total_decisions, run.metrics.successful_decisions)

    runtime.record_outcome(decision_id, success=True, result={"found": [1, 2]}, tokens_used=100, latency_ms=50)
    runtime.set_node("second")
    runtime.record_outcome(runtime.quick_decision("Say so", "Print it", "It is asked for"), success=False)
    runtime.report_problem("warning", "Slow", decision_id)

    assert (True, {"found": [1, 2]}) == (decision.was_successful, _outcome(run).result)
    assert (2, 1, 1, 100, 50, 0.5) == (
        run.metrics.total_decisions,
        run.metrics.successful_decisions,
        run.metrics.failed_decisions,
        run.metrics.total_tokens,
        run.metrics.total_latency_ms,
        run.metrics.success_rate,
    )
    assert (["first", "second"], ["first->second"]) == (run.metrics.nodes_executed, run.metrics.edges_traversed)
    assert [("prob_0", "Slow", decision_id)] == [(p.id, p.description, p.decision_id) for p in run.problems]
    assert run is runtime.current_run

    runtime.end_run(success=True)
    assert runtime.current_run is None


def test_what_is_looked_at_is_what_is_stored(pipeline: Pipeline, runtime: Runtime) -> None:
    """Decisions, problems and metrics are those that the summary is made of, also where nobody looked before."""
    run_id = runtime.start_run("stored")
    for number in range(20):
        runtime.set_node(f"node-{number % 3}")
        decision_id = runtime.decide(f"Step {number}", _OPTIONS, "web", "Because", context={"password": "hidden"})
        runtime.record_outcome(decision_id, success=number % 4 > 0, result=object, tokens_used=number)
        runtime.record_outcome(f"dec_{number // 2}", success=True, tokens_used=1)
        runtime.report_problem("minor", f"Problem {number}")
    seen = _current(runtime)
    runtime.end_run(success=True)

    run = _read(pipeline, run_id)

    assert (run.decisions, run.problems, run.metrics) == (seen.decisions, seen.problems, seen.metrics)
    assert {"password": "[redacted]"} == seen.decisions[0].input_context


@pytest.mark.parametrize("keep_failed", [False, True])
def test_a_run_that_is_not_in_the_sample_can_be_looked_at(pipeline: Pipeline, *, keep_failed: bool) -> None:
    """Its agent sees what it did, although nobody else does; or only if it fails."""
    settings = pipeline.producer_settings.model_copy(update={"sample": 0.0, "keep_failed": keep_failed})
    with Producer(settings=settings) as producer:
        runtime = Runtime(producer)
        run_id = runtime.start_run("sampled-out")
        runtime.record_outcome(runtime.quick_decision("Look", "Go there", ""), success=True, tokens_used=5)
        assert (1, 1, 0, 5) == _counts(_current(runtime))
        runtime.end_run(success=False)
        assert runtime.current_run is None

    if keep_failed:
        assert (1, 1, 0, 5) == _counts(_read(pipeline, run_id))
    else:
        assert 0 == producer.stats().taken_messages


def test_each_run_counts_anew(pipeline: Pipeline, runtime: Runtime) -> None:
    """Ids are of a run, and one runtime records many."""
    run_ids = [_walk(runtime, [_Node("search", fails=True)]) for _ in range(3)]

    runs = [_read(pipeline, run_id) for run_id in run_ids]

    assert 3 == len(set(run_ids))
    assert all(run_id.startswith("run_") for run_id in run_ids)
    assert [("dec_0", "prob_0")] * 3 == [(run.decisions[0].id, run.problems[0].id) for run in runs]
    assert [[]] * 3 == [run.metrics.edges_traversed for run in runs]


def test_a_decision_is_where_it_says_or_where_the_agent_is(recorded: Callable[..., Run]) -> None:
    """Until somebody says where that is, nobody knows."""

    def act(runtime: Runtime) -> None:
        runtime.quick_decision("One", "Go", "")
        runtime.set_node("here")
        runtime.quick_decision("Two", "Go", "")
        runtime.quick_decision("Three", "Go", "", node_id="there")
        runtime.quick_decision("Four", "Go", "")

    assert ["unknown", "here", "there", "here"] == [decision.node_id for decision in recorded(act).decisions]


def test_a_quick_decision_has_one_option(recorded: Callable[..., Run]) -> None:
    """It is the one that is taken."""
    (decision,) = recorded(lambda runtime: runtime.quick_decision("Log it", "Print it", "Usual")).decisions

    assert [("action", "Print it", "execute")] == [(o.id, o.description, o.action_type) for o in decision.options]
    assert (decision.options[0], "Usual") == (decision.chosen_option, decision.reasoning)


class _HivesDecisionType(str, enum.Enum):  # noqa: UP042 - so it stands in hive
    """Hive has an enumeration of its own, with the same values."""

    PATH_CHOICE = "path_choice"


def test_what_hive_takes_is_taken(recorded: Callable[..., Run]) -> None:
    """It is less strict than we are."""

    def act(runtime: Runtime) -> None:
        runtime.decide("Choose", [{"id": "a", "confidence": 70}, {"id": "b", "confidence": -1}], "a", "")
        runtime.decide("Choose", [{"id": "a", "description": "A"}], "c", "")
        runtime.decide("Choose", [], "", "", None, _HivesDecisionType.PATH_CHOICE)
        runtime.record_outcome("dec_0", success=True, tokens_used=-5, latency_ms=-7)
        runtime.report_problem("Critical", "Bad")
        runtime.report_problem("fatal", "Worse")

    run = recorded(act)

    assert [[("a", "", 1.0), ("b", "", 0.0)], [("a", "A", 0.5), ("c", "c", 0.5)], []] == [
        [(option.id, option.description, option.confidence) for option in decision.options]
        for decision in run.decisions
    ]
    assert ["a", "c", None] == [decision.chosen_option_id for decision in run.decisions]
    assert DecisionType.PATH_CHOICE is run.decisions[2].decision_type
    assert (0, 0) == (_outcome(run).tokens_used, _outcome(run).latency_ms)
    assert [("critical", "Bad"), ("warning", "[fatal] Worse")] == [(p.severity, p.description) for p in run.problems]


@pytest.mark.parametrize(
    ("goal_id", "goal", "description"),
    [
        ("qualify-leads", "qualify-leads", ""),
        ("Qualify leads!", "Qualify-leads", "Qualify leads!"),
        ("", "unknown", ""),
    ],
)
def test_a_goal_may_have_any_name(runtime: Runtime, goal_id: str, goal: str, description: str) -> None:
    """What ids cannot have is told by the description, where there is no other."""
    runtime.start_run(goal_id)

    run = _current(runtime)

    assert (goal, description) == (run.goal_id, run.goal_description)


def _circular() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    inner["inner"] = inner
    return inner


def test_what_cannot_be_sent_is_left_out(recorded: Callable[..., Run], caplog: pytest.LogCaptureFixture) -> None:
    """No call raises; it is told once in a while, and the ids have no gaps."""
    refused = []

    def act(runtime: Runtime) -> None:
        refused.append(runtime.decide("Choose", [{"description": "without an id"}], "a", ""))
        refused.append(runtime.decide("Choose", None, "a", ""))  # type: ignore[arg-type]
        refused.append(runtime.decide("Choose", _OPTIONS, "web", "", context=_circular()))
        refused.append(runtime.report_problem("minor", 7))  # type: ignore[arg-type]
        runtime.record_outcome("", success=False)
        runtime.record_outcome("dec_0", success=True, error=7)  # type: ignore[arg-type]
        runtime.quick_decision("Go on", "Go", "")
        runtime.report_problem("minor", "Seven calls were of no use")

    run = recorded(act)

    assert ["", "", "", ""] == refused
    assert (["dec_0"], ["prob_0"]) == ([d.id for d in run.decisions], [p.id for p in run.problems])
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert ["left_out=1", "left_out=2", "left_out=4"] == [text.split()[-1] for text in left_out]
    assert "KeyError('id')" in left_out[0]


@pytest.mark.parametrize("number", range(ODD_OBJECTS))
def test_no_object_stops_an_agent(number: int) -> None:
    """Whatever stands for whichever argument: the run begins, goes on, and ends."""
    odd = odd_object(Source(bytes([0, number])), depth=0)
    runtime = Runtime(Producer(settings=ProducerSettings(redis_url="redis://127.0.0.1:1")))
    runtime.start_run(odd, odd, odd)
    runtime.set_node(odd)
    runtime.decide(odd, odd, odd, odd, odd, odd, odd, odd)
    runtime.decide("Look", [odd, {"id": odd, "confidence": odd, "pros": odd}], odd, "")
    runtime.quick_decision(odd, odd, odd, odd)
    runtime.record_outcome(odd, odd, odd, odd, odd, odd, odd, odd)
    runtime.record_outcome("dec_0", odd, result=odd, tokens_used=odd)
    runtime.report_problem(odd, odd, odd, odd, odd)
    assert "done" == runtime.decide_and_execute(odd, odd, odd, odd, lambda: "done", odd)[1]
    runtime.decide_and_execute("Look", _OPTIONS, "web", "", lambda: odd, "here")
    assert "Look" == _current(runtime).decisions[-1].intent
    runtime.end_run(odd, odd, odd)

    assert runtime.current_run is None
    for call in (runtime.set_node, runtime.end_run):
        call(odd)
    assert "" == runtime.decide(odd, odd, odd, odd)
    assert "" == runtime.report_problem(odd, odd)
    runtime._producer.close(0)


def test_it_needs_no_more_than_other_agents_do() -> None:
    """None of the extras, and no hive."""
    program = """
import sys
absent = ["rq", "typer", "rich", "zstandard", "hiredis", "framework", "runweaver.worker", "runweaver.query"]
sys.modules.update(dict.fromkeys(absent))
from runweaver.producer.integrations.hive import Runtime
runtime = Runtime("redis://127.0.0.1:1")
runtime.start_run("goal")
print(runtime.quick_decision("Look", "Go there", ""), len(runtime.current_run.decisions))
runtime._producer.close(0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ("dec_0 1\n", 0) == (done.stdout, done.returncode), done.stderr


def test_a_run_begins_and_ends_whatever_it_is_given(pipeline: Pipeline, runtime: Runtime) -> None:
    """Without its input and output, where these cannot be sent."""
    run_id = runtime.start_run("whatever", "In words", _circular())
    assert ({}, 0) == (_current(runtime).input_data, _current(runtime).metrics.total_decisions)
    runtime.end_run(success=False, narrative="Told", output_data=_circular())

    run = _read(pipeline, run_id)

    assert ("whatever", RunStatus.FAILED, {}, {}) == (run.goal_id, run.status, run.input_data, run.output_data)


def test_an_outcome_of_no_known_decision_counts_nothing(recorded: Callable[..., Run]) -> None:
    """In hive it is ignored; here it is told as what it is."""

    def act(runtime: Runtime) -> None:
        runtime.record_outcome("dec_9", success=True, tokens_used=5)
        assert (0, 0) == (_current(runtime).metrics.total_tokens, len(_current(runtime).decisions))

    run = recorded(act)

    assert (0, ["dec_9"]) == (run.metrics.total_tokens, run.unmatched_outcomes)


def test_of_two_outcomes_the_later_counts(recorded: Callable[..., Run]) -> None:
    """A decision counts once, while it is looked at and afterwards."""

    def act(runtime: Runtime) -> None:
        decision_id = runtime.quick_decision("Try", "Go", "")
        runtime.record_outcome(decision_id, success=False, error="Busy", tokens_used=5)
        run = _current(runtime)
        runtime.record_outcome(decision_id, success=True, tokens_used=7)
        assert (1, 1, 0, 7) == _counts(run)

    assert (1, 1, 0, 7) == _counts(recorded(act))


def _counts(run: Run) -> tuple[int, int, int, int]:
    metrics = run.metrics
    return metrics.total_decisions, metrics.successful_decisions, metrics.failed_decisions, metrics.total_tokens


def test_what_is_executed_is_recorded(recorded: Callable[..., Run]) -> None:
    """The decision, what came of it, and how long it took; its details are those of `decide`."""
    results = []

    def act(runtime: Runtime) -> None:
        done = runtime.decide_and_execute(
            "Compute", _OPTIONS, "web", "Needed", lambda: {"computed": 42}, node_id="computer", constraints=["exact"]
        )
        results.append(done)

    run = recorded(act)

    assert [("dec_0", {"computed": 42})] == results
    assert (True, {"computed": 42}) == (_outcome(run).success, _outcome(run).result)
    assert ("computer", ["exact"]) == (run.decisions[0].node_id, run.decisions[0].active_constraints)


def test_what_fails_is_recorded_and_goes_on(recorded: Callable[..., Run]) -> None:
    """The agent sees its own exception."""

    def fail() -> None:
        raise ValueError("Something went wrong")

    def act(runtime: Runtime) -> None:
        with pytest.raises(ValueError, match="Something went wrong"):
            runtime.decide_and_execute("Fail", _OPTIONS, "web", "Must", executor=fail)

    run = recorded(act)

    assert (False, "ValueError: Something went wrong") == (_outcome(run).success, _outcome(run).error)


def test_what_is_awaited_is_recorded_then(recorded: Callable[..., Run]) -> None:
    """Callers of hive await what an executor returned: only then is known what came of it."""

    async def look_up() -> str:
        await asyncio.sleep(0)
        return "found"

    async def fail() -> None:
        raise TimeoutError("Too late")

    async def act(runtime: Runtime) -> None:
        _, later = runtime.decide_and_execute("Look", _OPTIONS, "web", "", look_up)
        assert _current(runtime).decisions[0].outcome is None
        assert "found" == await later
        _, later = runtime.decide_and_execute("Look", _OPTIONS, "web", "", fail)
        with pytest.raises(TimeoutError):
            await later

    run = recorded(lambda runtime: asyncio.run(act(runtime)))

    assert [("found", None), (None, "TimeoutError: Too late")] == [
        (_outcome(run, place).result, _outcome(run, place).error) for place in (0, 1)
    ]


def test_a_run_that_is_left_for_another_is_cancelled(
    pipeline: Pipeline, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """In hive it is lost; here its decisions are kept, and nobody waits for it."""
    first = runtime.start_run("left")
    runtime.quick_decision("Begin", "Go", "")
    second = runtime.start_run("taken")
    runtime.end_run(success=True)

    assert (RunStatus.CANCELLED, 1) == (_read(pipeline, first).status, len(_read(pipeline, first).decisions))
    assert RunStatus.COMPLETED is _read(pipeline, second).status
    assert "start_run called with a run in progress" in caplog.text


def test_threads_share_a_runtime(pipeline: Pipeline, runtime: Runtime) -> None:
    """Ids are given once each, and what can be looked at is whole."""
    run_id = runtime.start_run("threads")
    run = _current(runtime)

    def work(number: int) -> list[str]:
        decided = [runtime.quick_decision(f"{number}", "Go", "", node_id=f"node-{number}") for _ in range(40)]
        for decision_id in decided:
            runtime.record_outcome(decision_id, success=True, tokens_used=1)
        runtime.report_problem("minor", f"{number}")
        return decided

    with ThreadPoolExecutor(8) as threads:
        ids = [decision_id for decided in threads.map(work, range(8)) for decision_id in decided]

    assert {f"dec_{number}" for number in range(320)} == set(ids)
    assert (320, 320, 0, 320) == _counts(run)
    assert (320, 8) == (len(run.decisions), len({problem.id for problem in run.problems}))
    runtime.end_run(success=True)
    assert (320, 320, 0, 320) == _counts(_read(pipeline, run_id))


_FORKS = """
import os, sys
from runweaver.producer.integrations.hive import Runtime
runtime = Runtime(sys.argv[1])
print(runtime.start_run("forks"), flush=True)
runtime.quick_decision("Before", "Fork", "")
child = os.fork()
name = "child" if child == 0 else "parent"
for number in range(5):
    runtime.record_outcome(runtime.quick_decision(name, "Go", "", node_id=name), success=True)
assert len(runtime.current_run.decisions) == 6
if child == 0:
    assert runtime._producer.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
runtime.end_run(success=True)
assert runtime._producer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_goes_on_under_ids_of_its_own(pipeline: Pipeline, tmp_path: Path) -> None:
    """Both count on from the same number."""
    done = pipeline.run_program(_FORKS, str(tmp_path))
    # What newer Pythons warn of: that a process with threads forks.
    assert 0 == done.returncode, done.stderr

    run = _read(pipeline, done.stdout.strip())

    assert (11, 10) == (run.metrics.total_decisions, run.metrics.successful_decisions)
    by_parent = [decision.id for decision in run.decisions if decision.node_id != "child"]
    assert [f"dec_{number}" for number in range(6)] == by_parent


def test_a_server_or_a_producer_may_stand_for_the_directory(pipeline: Pipeline, producer: Producer) -> None:
    """A producer can be shared by all agents of a process."""
    by_producer = [Runtime(producer) for _ in range(2)]
    by_url = Runtime(pipeline.url)

    run_ids = [_walk(runtime, [_Node("search")]) for runtime in by_producer]

    assert [1, 1] == [pipeline.summary(run_id).decision_count for run_id in run_ids]
    assert (pipeline.url, None) == (by_url._producer._url, by_url._producer._spool_dir)
    by_url._producer.close()


def test_the_directory_keeps_what_the_server_does_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same directory that hive writes its files into."""
    monkeypatch.setenv("RUNWEAVER_REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    runtime = Runtime(str(tmp_path / "storage"))

    _walk(runtime, [_Node("search")])

    assert runtime._producer.close()
    assert [".spool"] == [path.suffix for path in (tmp_path / "storage").iterdir()]
