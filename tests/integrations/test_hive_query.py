"""A Builder that asks as hive's does gets answers of the same shape, of what hive's agents recorded."""

from pathlib import Path
from typing import Any

import pytest

from runweaver.producer import Producer
from runweaver.producer.integrations.hive import Runtime
from runweaver.query import hive
from runweaver.query.hive import BuilderQuery
from runweaver.query.hive_answers import FailureAnalysis, PatternAnalysis
from runweaver.shared import DecisionType, RunStatus, SettingsError
from tests.support.processes import Pipeline


@pytest.fixture
def runtime(producer: Producer) -> Runtime:
    """What records the runs that are asked for."""
    return Runtime(producer)


@pytest.fixture
def query(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuilderQuery:
    """One with a directory, as hive makes it; the environment says where the server is."""
    monkeypatch.setenv("RUNWEAVER_REDIS_URL", pipeline.url)
    monkeypatch.setenv("RUNWEAVER_NAMESPACE", pipeline.namespace)
    return BuilderQuery(tmp_path)


class Recorder:
    """Records runs of two nodes, and waits for their summaries."""

    def __init__(self, pipeline: Pipeline, runtime: Runtime) -> None:
        self._pipeline = pipeline
        self._runtime = runtime

    def succeed(self, goal: str) -> str:
        run_id = self._begin(goal)
        decision_id = self._process("filter", "Filter and transform")
        self._runtime.record_outcome(decision_id, success=True, result={"processed": 3}, tokens_used=30, latency_ms=40)
        return self._end(run_id, success=True)

    def fail(self, goal: str) -> str:
        run_id = self._begin(goal)
        decision_id = self._process("transform", "Transform all of it")
        self._runtime.record_outcome(decision_id, success=False, error="No data to process")
        self._runtime.report_problem(
            "critical", "The input was empty", decision_id, suggested_fix="Add a check for empty input"
        )
        return self._end(run_id, success=False)

    def _begin(self, goal: str) -> str:
        run_id = self._runtime.start_run(goal, "Find and process")
        self._runtime.set_node(f"{goal}-search")
        options = [
            {"id": "web", "description": "Search the web"},
            {"id": "cache", "description": "Look into the cache"},
        ]
        decision_id = self._runtime.decide(
            "Search for data", options, "web", "It must be fresh", decision_type=DecisionType.TOOL_SELECTION
        )
        self._runtime.record_outcome(decision_id, success=True, result={"items": 3}, tokens_used=50, latency_ms=20)
        return run_id

    def _process(self, option: str, description: str) -> str:
        self._runtime.set_node("process")
        return self._runtime.decide("Process", [{"id": option, "description": description}], option, "As always")

    def _end(self, run_id: str, *, success: bool) -> str:
        self._runtime.end_run(success=success)
        self._pipeline.summary(run_id)
        return run_id


@pytest.fixture
def recorder(pipeline: Pipeline, runtime: Runtime) -> Recorder:
    return Recorder(pipeline, runtime)


def test_one_run_can_be_read(recorder: Recorder, query: BuilderQuery) -> None:
    """Its summary, all of it, and its decisions line by line."""
    run_id = recorder.succeed("read-one")

    summary, run = query.get_run_summary(run_id), query.get_full_run(run_id)

    assert summary is not None
    assert run is not None
    assert (run_id, RunStatus.COMPLETED, 2, 1.0) == (
        summary.run_id,
        summary.status,
        summary.decision_count,
        summary.success_rate,
    )
    assert (run_id, ["read-one-search", "process"]) == (run.id, [decision.node_id for decision in run.decisions])
    assert [
        "✓ [read-one-search] Search for data → Search the web",
        "✓ [process] Process → Filter and transform",
    ] == query.get_decision_trace(run_id)


def test_what_is_not_known_is_none_or_empty(recorder: Recorder, query: BuilderQuery) -> None:
    """No question about it raises."""
    known = recorder.succeed("known")

    assert [None] * 4 == [
        query.get_run_summary("nobody"),
        query.get_full_run("nobody"),
        query.analyze_failure("nobody"),
        query.find_patterns("nobody"),
    ]
    assert [[]] * 3 == [
        query.list_runs_for_goal("nobody"),
        query.get_decision_trace("nobody"),
        query.suggest_improvements("nobody"),
    ]
    assert [{"error": "One or both runs not found"}] * 2 == [
        query.compare_runs(known, "nobody"),
        query.compare_runs("nobody", known),
    ]
    assert {
        "node_id": "nobody",
        "total_decisions": 0,
        "success_rate": 0.0,
        "avg_latency_ms": 0.0,
        "total_tokens": 0,
        "decision_type_distribution": {},
    } == query.get_node_performance("nobody")


def test_the_runs_of_a_goal_are_listed_oldest_first(
    recorder: Recorder, query: BuilderQuery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As hive lists them. Of very many the newest are, and the log says so."""
    run_ids = [recorder.succeed("listed"), recorder.fail("listed"), recorder.succeed("listed")]
    recorder.succeed("another")

    assert run_ids == [summary.run_id for summary in query.list_runs_for_goal("listed")]
    assert "" == caplog.text

    monkeypatch.setattr(hive, "MOST_SUMMARIES", 2)
    assert run_ids[1:] == [summary.run_id for summary in query.list_runs_for_goal("listed")]
    assert "the oldest runs are left out" in caplog.text


def test_a_goal_is_found_under_the_name_that_hive_gives_it(recorder: Recorder, query: BuilderQuery) -> None:
    """The runtime told it by an id made of that."""
    run_id = recorder.succeed("Find & process")

    assert [run_id] == [summary.run_id for summary in query.list_runs_for_goal("Find & process")]
    patterns = query.find_patterns("Find & process")
    assert patterns is not None
    assert ("Find & process", 1) == (patterns.goal_id, patterns.run_count)


def test_the_newest_failures_come_first(recorder: Recorder, query: BuilderQuery) -> None:
    """So many as are asked for."""
    run_ids = [recorder.fail("fails"), recorder.fail("fails")]
    recorder.succeed("fails")

    assert run_ids[::-1] == [summary.run_id for summary in query.get_recent_failures(limit=2)]
    assert run_ids[1:] == [summary.run_id for summary in query.get_recent_failures(1)]
    assert [] == query.get_recent_failures(0)


def test_a_failure_is_analysed(recorder: Recorder, query: BuilderQuery) -> None:
    """Where, why, what led there, and what to do about it."""
    run_id = recorder.fail("analysed")

    analysis = query.analyze_failure(run_id)

    assert analysis is not None
    assert (run_id, "✗ [process] Process → Transform all of it", "No data to process") == (
        analysis.run_id,
        analysis.failure_point,
        analysis.root_cause,
    )
    assert query.get_decision_trace(run_id) == analysis.decision_chain
    assert ["[critical] The input was empty"] == analysis.problems
    assert analysis.suggestions[0].startswith("Add a check for empty input")
    assert str(analysis).splitlines()[:2] == [f"Failure of {run_id}", f"Where: {analysis.failure_point}"]
    assert "  - [critical] The input was empty" in str(analysis).splitlines()
    assert FailureAnalysis(**analysis.to_dict()) == analysis


def test_what_was_made_up_for_is_not_the_failure(pipeline: Pipeline, runtime: Runtime, query: BuilderQuery) -> None:
    """The chain goes on to what failed for good, and ends there."""
    run_id = runtime.start_run("made-up-for")
    for success in (False, True):
        runtime.record_outcome(runtime.quick_decision("Fetch", "Get it", ""), success=success, error="Busy")
    runtime.record_outcome(runtime.quick_decision("Parse", "Read it", ""), success=False, error="No JSON")
    runtime.record_outcome(runtime.quick_decision("Apologise", "Say so", ""), success=True)
    runtime.end_run(success=False)
    pipeline.summary(run_id)

    analysis = query.analyze_failure(run_id)

    assert analysis is not None
    assert ("✗ [unknown] Parse → Read it", "No JSON") == (analysis.failure_point, analysis.root_cause)
    assert query.get_decision_trace(run_id)[:3] == analysis.decision_chain


def test_a_run_without_a_failed_decision_says_so(pipeline: Pipeline, runtime: Runtime, query: BuilderQuery) -> None:
    """Then its problems tell, or nothing does."""
    run_id = runtime.start_run("unexplained")
    runtime.record_outcome(runtime.quick_decision("Fetch", "Get it", ""), success=True)
    runtime.end_run(success=False)
    pipeline.summary(run_id)

    analysis = query.analyze_failure(run_id)

    assert analysis is not None
    assert "Failed, and nothing in it shows why." == analysis.failure_point
    assert analysis.root_cause.startswith("Unknown from this run alone")
    assert query.get_decision_trace(run_id) == analysis.decision_chain


def test_only_lost_runs_are_analysed(recorder: Recorder, query: BuilderQuery) -> None:
    """One that did what it should has no failure."""
    assert query.analyze_failure(recorder.succeed("fine")) is None


def test_patterns_are_found_over_the_runs_of_a_goal(recorder: Recorder, query: BuilderQuery) -> None:
    """Success, errors, nodes that fail, and what is chosen."""
    for _ in range(2):
        recorder.succeed("patterns")
        recorder.fail("patterns")
    recorder.fail("patterns")

    patterns = query.find_patterns("patterns")

    assert patterns is not None
    assert ("patterns", 5, 0.4) == (patterns.goal_id, patterns.run_count, patterns.success_rate)
    assert ([("No data to process", 3)], [("process", 0.6)]) == (patterns.common_failures, patterns.problematic_nodes)
    assert {
        "decision_type_distribution": {"tool_selection": 5, "custom": 5},
        "common_choices": {
            "Search for data": {"choice": "Search the web", "count": 5, "alternatives": 0},
            "Process": {"choice": "Transform all of it", "count": 3, "alternatives": 1},
        },
    } == patterns.decision_patterns
    assert [
        "Patterns of patterns",
        "Runs: 5, of which 40.0% succeeded",
        "",
        "Common failures:",
        "  - No data to process (3 times)",
        "",
        "Nodes that fail:",
        "  - process: 60.0%",
    ] == str(patterns).splitlines()
    assert PatternAnalysis(**patterns.to_dict()) == patterns


def test_two_runs_are_compared(recorder: Recorder, query: BuilderQuery) -> None:
    """How each ended, and where they part."""
    good, bad = recorder.succeed("compared"), recorder.fail("compared")

    assert {
        "run_1": {"id": good, "status": "completed", "decisions": 2, "success_rate": 1.0},
        "run_2": {"id": bad, "status": "failed", "decisions": 2, "success_rate": 0.5},
        "differences": [
            "Status: completed vs failed",
            "Diverged at [process] Process: chose 'filter' vs 'transform'",
        ],
    } == query.compare_runs(good, bad)
    assert [] == query.compare_runs(good, good)["differences"]


def _take(runtime: Runtime, node: str, params: dict[str, Any], *, success: bool = True) -> None:
    option = {"id": "get", "description": "Get it", "action_params": params}
    runtime.record_outcome(runtime.decide(f"Go to {node}", [option], "get", "", node), success=success)


def test_all_kinds_of_differences_are_told(pipeline: Pipeline, runtime: Runtime, query: BuilderQuery) -> None:
    """Another parameter, another result, other steps and nodes."""
    one = runtime.start_run("differ")
    _take(runtime, "first", {"seats": 1})
    _take(runtime, "second", {})
    _take(runtime, "third", {})
    runtime.end_run(success=True)
    other = runtime.start_run("differ")
    _take(runtime, "first", {"seats": 2})
    _take(runtime, "second", {}, success=False)
    _take(runtime, "fourth", {})
    _take(runtime, "fifth", {})
    runtime.end_run(success=True)
    pipeline.summary(one)
    pipeline.summary(other)

    assert [
        "Decision count: 3 vs 4",
        "Diverged at [first] Go to first: chose 'get' with other parameters, seats (1 → 2)",
        "Diverged at [second] Go to second: 'get' succeeded vs failed",
        "Diverged at a step of one run: [third] Go to third vs [fourth] Go to fourth, [fifth] Go to fifth",
        "Nodes only in run 1: third",
        "Nodes only in run 2: fourth, fifth",
    ] == query.compare_runs(one, other)["differences"]


def test_improvements_are_suggested(recorder: Recorder, query: BuilderQuery) -> None:
    """In hive's form: what to change, why, and how urgent it is; and what `Insights` would change."""
    for _ in range(4):
        recorder.fail("improved")
    recorder.succeed("improved")

    suggestions = query.suggest_improvements("improved")

    assert [
        ("node_improvement", "process", "high"),
        ("error_handling", "No data to process", "medium"),
        ("architecture", "improved", "high"),
    ] == [(each["type"], each["target"], each["priority"]) for each in suggestions[:3]]
    assert {("insight", "improved", "high")} == {
        (each["type"], each["target"], each["priority"]) for each in suggestions[3:5]
    }
    assert all(
        {"type", "target", "reason", "recommendation", "priority"} == each.keys() and each["reason"]
        for each in suggestions
    )
    assert "Do what the agents suggest: Add a check for empty input" in [each["recommendation"] for each in suggestions]


def test_nothing_is_suggested_where_all_is_well(recorder: Recorder, query: BuilderQuery) -> None:
    """There is nothing to change."""
    recorder.succeed("all-well")

    assert [] == query.suggest_improvements("all-well")


def test_a_node_is_measured_over_all_goals(
    pipeline: Pipeline, recorder: Recorder, runtime: Runtime, query: BuilderQuery
) -> None:
    """By its own decisions only; one without an outcome took no time that is known."""
    for _ in range(2):
        recorder.succeed("measured")
    recorder.fail("measured")
    run_id = runtime.start_run("measured-elsewhere")
    runtime.quick_decision("Search", "Search", "", node_id="measured-search")
    runtime.end_run(success=True)
    pipeline.summary(run_id)

    assert {
        "node_id": "measured-search",
        "total_decisions": 4,
        "success_rate": 0.75,
        "avg_latency_ms": 20.0,
        "total_tokens": 150,
        "decision_type_distribution": {"tool_selection": 3, "custom": 1},
    } == query.get_node_performance("measured-search")


def test_a_run_that_got_stuck_is_analysed(own_pipeline: Pipeline) -> None:
    """Its agent died; in hive it would have left nothing."""
    own_pipeline.start("worker", RUNWEAVER_STUCK_AFTER_S="0.5")
    own_pipeline.start("finalizer")
    with Producer(settings=own_pipeline.producer_settings) as producer:
        runtime = Runtime(producer)
        run_id = runtime.start_run("stuck")
        runtime.quick_decision("Wait", "Wait for an answer", "")
        query = BuilderQuery(own_pipeline.url, namespace=own_pipeline.namespace)
        assert query.analyze_failure(run_id) is None
    own_pipeline.summary(run_id)

    analysis = query.analyze_failure(run_id)

    assert analysis is not None
    assert "… [unknown] Wait → Wait for an answer" == analysis.failure_point


def test_a_run_that_is_kept_no_more_is_not_known(pipeline: Pipeline, recorder: Recorder, query: BuilderQuery) -> None:
    """Its summary is kept for longer; what rests on whole runs goes on without it."""
    run_id = recorder.fail("kept-no-more")
    pipeline.wait_until_idle()
    pipeline.redis.delete(pipeline.keys.archive(run_id))

    assert (True, None, None) == (
        query.get_run_summary(run_id) is not None,
        query.get_full_run(run_id),
        query.analyze_failure(run_id),
    )
    patterns = query.find_patterns("kept-no-more")
    assert patterns is not None
    assert (1, {"decision_type_distribution": {}, "common_choices": {}}) == (
        patterns.run_count,
        patterns.decision_patterns,
    )


def test_a_run_that_cannot_be_read_does_not_hide_the_others(
    pipeline: Pipeline, recorder: Recorder, query: BuilderQuery, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which it is."""
    broken = recorder.succeed("unreadable")
    recorder.succeed("unreadable")
    pipeline.wait_until_idle()
    pipeline.redis.set(pipeline.keys.archive(broken), b"none", keepttl=True)

    assert 1 == query.get_node_performance("unreadable-search")["total_decisions"]
    assert broken in caplog.text


def test_where_the_data_lies_can_be_said(pipeline: Pipeline, recorder: Recorder) -> None:
    """By a URL and a namespace, as for all readers."""
    run_id = recorder.succeed("elsewhere")

    assert BuilderQuery(pipeline.url, namespace=pipeline.namespace).get_run_summary(run_id) is not None
    assert BuilderQuery(pipeline.url, namespace="empty").get_run_summary(run_id) is None
    with pytest.raises(SettingsError):
        BuilderQuery("http://localhost")
