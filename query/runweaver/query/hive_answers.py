"""What `runweaver.query.hive` answers: objects with the fields that aden hive's have."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from runweaver.query.one_run.explain import explain
from runweaver.query.one_run.telling import Step, quote
from runweaver.query.two_runs.comparison import Comparison, Divergence, DivergenceKind
from runweaver.query.two_runs.parameters import named
from runweaver.shared.decision import Decision
from runweaver.shared.failures import failure_point
from runweaver.shared.run import Run


@dataclass
class FailureAnalysis:
    """Why a run failed."""

    run_id: str
    #: The decision that failed for good in one line, or else what shows that the run went wrong.
    failure_point: str
    root_cause: str
    #: The decisions up to that one, a line each.
    decision_chain: list[str]
    #: `[severity] description`.
    problems: list[str]
    suggestions: list[str]

    @classmethod
    def of(cls, run: Run) -> Self:
        """Analyse a run: what `explain` says, in this form."""
        explanation, point = explain(run), failure_point(run)
        decision = point.decision if point is not None else None
        return cls(
            run_id=run.id,
            failure_point=decision.summary_for_builder() if decision is not None else explanation.verdict.sentence,
            root_cause=next((cause.sentence for cause in explanation.causes), "Unknown"),
            decision_chain=[each.summary_for_builder() for each in _up_to(decision, run.decisions)],
            problems=[f"[{problem.severity}] {problem.description}" for problem in run.problems],
            suggestions=[suggestion.sentence for suggestion in explanation.suggestions],
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        """Some lines to read."""
        return "\n".join(
            [
                f"Failure of {self.run_id}",
                f"Where: {self.failure_point}",
                f"Why: {self.root_cause}",
                *_section("Decisions up to there", self.decision_chain),
                *_section("Problems", self.problems),
                *_section("Suggestions", self.suggestions),
            ]
        )


@dataclass
class PatternAnalysis:
    """What the runs of a goal have in common."""

    goal_id: str
    run_count: int
    #: 0 to 1.
    success_rate: float
    #: Errors and how often they came, the most frequent first. What is particular about each (ids, numbers) is folded.
    common_failures: list[tuple[str, int]]
    #: Nodes and the shares of their outcomes that are failures, the highest first.
    problematic_nodes: list[tuple[str, float]]
    #: `decision_type_distribution`: how many decisions of each type; `common_choices`: for each intent the `choice`
    #: that was taken most often, its `count`, and how many `alternatives` were taken, too.
    decision_patterns: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        """Some lines to read."""
        return "\n".join(
            [
                f"Patterns of {self.goal_id}",
                f"Runs: {self.run_count:,}, of which {self.success_rate:.1%} succeeded",
                *_section("Common failures", [f"{error} ({count:,} times)" for error, count in self.common_failures]),
                *_section("Nodes that fail", [f"{node}: {rate:.1%}" for node, rate in self.problematic_nodes]),
            ]
        )


def differences(comparison: Comparison, run_1: Run, run_2: Run) -> list[str]:
    """What differs between two runs, a line each: their ends, where they part, their nodes."""
    a, b = comparison.a, comparison.b
    shown = [comparison.first_divergence] if comparison.first_divergence is not None else []
    nodes_1, nodes_2 = run_1.metrics.nodes_executed, run_2.metrics.nodes_executed
    only_1 = [node for node in nodes_1 if node not in set(nodes_2)]
    only_2 = [node for node in nodes_2 if node not in set(nodes_1)]
    return [
        *([f"Status: {a.status.value} vs {b.status.value}"] if a.status is not b.status else []),
        *([f"Decision count: {a.decisions} vs {b.decisions}"] if a.decisions != b.decisions else []),
        *(f"Diverged at {_divergence(each)}" for each in [*shown, *comparison.later_divergences]),
        *([f"Nodes only in run 1: {', '.join(only_1)}"] if only_1 else []),
        *([f"Nodes only in run 2: {', '.join(only_2)}"] if only_2 else []),
    ]


def improvements(patterns: PatternAnalysis) -> Iterator[dict[str, Any]]:
    """What to change, from how often things go wrong."""
    for node, rate in patterns.problematic_nodes:
        yield {
            "type": "node_improvement",
            "target": node,
            "reason": f"{rate:.1%} of what the node does fails",
            "recommendation": f"Improve the prompt or the tools of '{node}'",
            "priority": "high" if rate > 0.3 else "medium",  # noqa: PLR2004 - hive's bounds, here and below
        }
    for error, count in patterns.common_failures:
        if count > 1:
            yield {
                "type": "error_handling",
                "target": error,
                "reason": f"The error came {count:,} times",
                "recommendation": f"Handle the error: {error}",
                "priority": "high" if count >= 5 else "medium",  # noqa: PLR2004
            }
    if patterns.success_rate < 0.8:  # noqa: PLR2004
        yield {
            "type": "architecture",
            "target": patterns.goal_id,
            "reason": f"Only {patterns.success_rate:.1%} of the runs reach the goal",
            "recommendation": "Look at the agent's graph as a whole, and at how the goal is put",
            "priority": "high",
        }


def _up_to(last: Decision | None, decisions: Sequence[Decision]) -> Iterable[Decision]:
    for decision in decisions:
        yield decision
        if decision is last:
            return


def _divergence(divergence: Divergence) -> str:
    if divergence.kind is DivergenceKind.PATH:
        return f"a step of one run: {_steps(divergence.a)} vs {_steps(divergence.b)}"
    a, b = divergence.a[0], divergence.b[0]
    where = f"[{a.node}] {a.intent}"
    if divergence.kind is DivergenceKind.CHOICE:
        return f"{where}: chose {_chosen(a)} vs {_chosen(b)}"
    if divergence.kind is DivergenceKind.PARAMETERS:
        return f"{where}: chose {_chosen(a)} with other parameters, {named(divergence.changed)}"
    return f"{where}: {_chosen(a)} {a.result.value} vs {b.result.value}"


def _steps(steps: Sequence[Step]) -> str:
    return ", ".join(f"[{step.node}] {step.intent}" for step in steps) or "none"


def _chosen(step: Step) -> str:
    return f"'{step.option_id or 'nothing'}'"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  - {quote(line)}" for line in lines)] if lines else []
