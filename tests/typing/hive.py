"""What typed code that was written for aden hive may rely on. It is checked by mypy, and never run."""

from pathlib import Path
from typing import Any

from runweaver.producer import Producer
from runweaver.producer.integrations.hive import Runtime
from runweaver.query.hive import BuilderQuery
from runweaver.query.hive_answers import FailureAnalysis, PatternAnalysis
from runweaver.shared import DecisionType, Run, RunSummary


def what_an_agent_records(producer: Producer) -> tuple[str, Any]:
    runtime = Runtime(Path("storage"))
    Runtime("redis://localhost"), Runtime(producer)
    run_id: str = runtime.start_run("goal", "In words", {"lead": 1})
    runtime.set_node("qualifier")
    options: list[dict[str, Any]] = [{"id": "ask", "description": "Ask", "pros": ["Sure"]}]
    decision_id: str = runtime.decide(
        "Is there a budget?", options, "ask", "Why not", "node", DecisionType.CUSTOM, ["be polite"], {"lead": 1}
    )
    runtime.decide(intent="Look", options=options, chosen="ask", reasoning="", decision_type="path_choice")
    runtime.record_outcome(decision_id, True, {"a": 1}, None, "Asked", {"asked": True}, 5, 7)  # noqa: FBT003
    problem_id: str = runtime.report_problem("fatal", "Odd", decision_id, "Cause", "Fix")
    quick: str = runtime.quick_decision("Look", "Go there", "It is near", "walker")
    done: tuple[str, Any] = runtime.decide_and_execute("Do", options, "ask", "", lambda: 7, constraints=["quick"])
    run: Run | None = runtime.current_run
    if run is not None and run.decisions and run_id and problem_id and quick:
        runtime.end_run(success=run.metrics.failed_decisions == 0, narrative="All told", output_data={"a": 1})
    runtime.start_run(7)  # type: ignore[arg-type]
    runtime.end_run()  # type: ignore[call-arg]
    return done


def what_a_builder_asks() -> list[str]:
    query = BuilderQuery("./storage")
    BuilderQuery(), BuilderQuery(Path("storage")), BuilderQuery("redis://localhost", namespace="mine")
    summary: RunSummary | None = query.get_run_summary("run-1")
    run: Run | None = query.get_full_run("run-1")
    listed: list[RunSummary] = query.list_runs_for_goal("goal") + query.get_recent_failures(limit=5)
    analysis: FailureAnalysis | None = query.analyze_failure("run-1")
    patterns: PatternAnalysis | None = query.find_patterns("goal")
    told: list[str] = query.get_decision_trace("run-1")
    comparison: dict[str, Any] = query.compare_runs("run-1", "run-2")
    suggestions: list[dict[str, Any]] = query.suggest_improvements("goal")
    performance: dict[str, Any] = query.get_node_performance("node")
    if analysis is not None and patterns is not None and summary is not None and run is not None:
        told += [analysis.root_cause, *analysis.decision_chain, str(analysis.to_dict()), summary.narrative]
        told += [f"{error}: {count + 1}" for error, count in patterns.common_failures]
        told += [f"{node}: {rate:.1%}" for node, rate in patterns.problematic_nodes]
    return [*told, *comparison, *performance, *(str(each["reason"]) for each in suggestions), *map(str, listed)]
