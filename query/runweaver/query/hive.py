"""A drop-in for what the Builder of aden hive asks.

    from runweaver.query.hive import BuilderQuery  # was: from framework import BuilderQuery

The answers have the shape that they have there. What they rest on is what the rest of `runweaver.query` finds out.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from runweaver.query.hive_answers import FailureAnalysis, PatternAnalysis, differences, improvements
from runweaver.query.insights import Insights
from runweaver.query.many_runs.findings import GoalInsights, GoalSuggestion
from runweaver.query.many_runs.tallies import LOST
from runweaver.query.runs import Runs
from runweaver.query.summaries import Summaries
from runweaver.query.two_runs.compare import compare
from runweaver.shared.decision import Decision
from runweaver.shared.errors import ArchiveExpiredError, CorruptDataError, InvalidMessageError
from runweaver.shared.fields import as_identifier
from runweaver.shared.log import get_logger
from runweaver.shared.run import UNKNOWN_GOAL, Run, RunStatus
from runweaver.shared.summary import RunSummary

#: `list_runs_for_goal` gives no more than this.
MOST_SUMMARIES: Final = 1_000
#: So many whole runs are read for one answer: the newest.
MOST_RUNS: Final = 500

#: How much of an intent makes decisions alike, and from which share of failures on a node is a problem: hive's numbers.
_INTENT: Final = 50
_PROBLEMATIC: Final = 0.1
_MOST_FAILURES: Final = 5

#: Of errors and nodes, more than any goal has.
_ALL: Final = 1_000

_log = get_logger(__name__)


class BuilderQuery:
    """The questions of hive's Builder.

        query = BuilderQuery("./storage")
        for failure in query.get_recent_failures():
            print(query.analyze_failure(failure.run_id))
        for suggestion in query.suggest_improvements("qualify-leads"):
            print(suggestion["recommendation"], suggestion["reason"])

    A run can be asked for seconds after it has ended. What is not known is none, or empty. Every method raises
    `ServerError` where the server does not answer, and those that look at one run `CorruptDataError` or
    `InvalidMessageError` where somebody wrote something else there.
    """

    def __init__(self, storage: str | os.PathLike[str] | None = None, *, namespace: str | None = None) -> None:
        """Nothing is connected before something is asked.

        Args:
            storage: the URL of a server. Absent, or a directory as in hive: `RUNWEAVER_REDIS_URL`.
            namespace: absent: `RUNWEAVER_NAMESPACE`.

        Raises:
            SettingsError: one of them makes no sense.
        """
        url = os.fspath(storage) if storage is not None and "://" in os.fspath(storage) else None
        self._summaries = Summaries(url, namespace=namespace)
        self._runs = Runs(url, namespace=namespace)
        self._insights = Insights(url, namespace=namespace)

    def get_run_summary(self, run_id: str) -> RunSummary | None:
        """The summary of a run; none while it has none."""
        return self._summaries.get(run_id)

    def get_full_run(self, run_id: str) -> Run | None:
        """A run with all its decisions, also while it goes on; none where nothing, or no more, is known of it."""
        try:
            return self._runs.get(run_id)
        except ArchiveExpiredError:
            return None

    def list_runs_for_goal(self, goal_id: str) -> list[RunSummary]:
        """The summaries of the newest 1,000 finished runs of a goal, the oldest of them first, as in hive."""
        newest = list(islice(self._summaries.each(goal=_goal(goal_id)), MOST_SUMMARIES + 1))
        if len(newest) > MOST_SUMMARIES:
            _log.warning("the oldest runs are left out", goal_id=goal_id, listed=MOST_SUMMARIES)
        return newest[:MOST_SUMMARIES][::-1]

    def get_recent_failures(self, limit: int = 10) -> list[RunSummary]:
        """The summaries of the runs that failed last, the very newest first."""
        return list(islice(self._summaries.each(status=RunStatus.FAILED), max(0, limit)))

    def analyze_failure(self, run_id: str) -> FailureAnalysis | None:
        """Why a run failed, or got stuck; none where it did neither."""
        run = self.get_full_run(run_id)
        return FailureAnalysis.of(run) if run is not None and run.status in LOST else None

    def get_decision_trace(self, run_id: str) -> list[str]:
        """The decisions of a run, a line each; none where nothing is known of it."""
        run = self.get_full_run(run_id)
        return [decision.summary_for_builder() for decision in run.decisions] if run is not None else []

    def find_patterns(self, goal_id: str) -> PatternAnalysis | None:
        """What the runs of a goal have in common; none where there are none.

        Runs, failures and nodes are counted over all that `Insights` looks at, decisions over the newest 500.
        """
        found = self._insights.get(_goal(goal_id), limit=_ALL)
        return self._patterns(goal_id, found) if found.runs else None

    def compare_runs(self, run_id_1: str, run_id_2: str) -> dict[str, Any]:
        """What differs between two runs: `run_1`, `run_2` and `differences`; only an `error` where one is not known."""
        run_1, run_2 = self.get_full_run(run_id_1), self.get_full_run(run_id_2)
        if run_1 is None or run_2 is None:
            return {"error": "One or both runs not found"}
        return {
            "run_1": _side(run_1),
            "run_2": _side(run_2),
            "differences": differences(compare(run_1, run_2), run_1, run_2),
        }

    def suggest_improvements(self, goal_id: str) -> list[dict[str, Any]]:
        """What to change for a goal: each has a `type`, `target`, `reason`, `recommendation` and `priority`.

        To the types that hive has (`node_improvement`, `error_handling`, `architecture`) comes `insight`: what would
        save most runs, as `Insights` found out.
        """
        found = self._insights.get(_goal(goal_id), limit=_ALL)
        if not found.runs:
            return []
        insights = [_improvement(goal_id, each, found) for each in found.suggestions[:_MOST_FAILURES]]
        return [*improvements(self._patterns(goal_id, found)), *insights]

    def get_node_performance(self, node_id: str) -> dict[str, Any]:
        """How a node does, in the newest 500 runs that passed through it.

        The latency is in milliseconds, an average over the decisions that have an outcome.
        """
        types: Counter[str] = Counter()
        succeeded = finished = latency_ms = tokens = 0
        for decision in self._decisions(node=node_id):
            if decision.node_id != node_id:
                continue
            types[decision.decision_type.value] += 1
            if decision.outcome is not None:
                finished += 1
                succeeded += decision.outcome.success
                latency_ms += decision.outcome.latency_ms
                tokens += decision.outcome.tokens_used
        total = types.total()
        return {
            "node_id": node_id,
            "total_decisions": total,
            "success_rate": succeeded / total if total else 0.0,
            "avg_latency_ms": latency_ms / finished if finished else 0.0,
            "total_tokens": tokens,
            "decision_type_distribution": dict(types),
        }

    def _patterns(self, goal_id: str, found: GoalInsights) -> PatternAnalysis:
        errors: Counter[str] = Counter()
        for finding in found.errors:
            errors[finding.error or "Unknown error"] += finding.count
        rates = [(finding.node, finding.failures.rate) for finding in found.nodes]
        return PatternAnalysis(
            goal_id=goal_id,
            run_count=found.runs,
            success_rate=found.success.rate,
            common_failures=errors.most_common(_MOST_FAILURES),
            problematic_nodes=[(node, rate) for node, rate in rates if rate > _PROBLEMATIC],
            decision_patterns=self._decision_patterns(goal_id),
        )

    def _decision_patterns(self, goal_id: str) -> dict[str, Any]:
        types: Counter[str] = Counter()
        choices: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for decision in self._decisions(goal=_goal(goal_id)):
            types[decision.decision_type.value] += 1
            if (chosen := decision.chosen_option) is not None:
                choices[decision.intent[:_INTENT]][chosen.description] += 1
        common = {}
        for intent, taken in choices.items():
            ((choice, count),) = taken.most_common(1)
            common[intent] = {"choice": choice, "count": count, "alternatives": len(taken) - 1}
        return {"decision_type_distribution": dict(types), "common_choices": common}

    def _decisions(self, *, goal: str | None = None, node: str | None = None) -> Iterator[Decision]:
        """Those of the newest runs, one run in memory at a time."""
        for summary in islice(self._summaries.each(goal=goal, node=node), MOST_RUNS):
            try:
                run = self.get_full_run(summary.run_id)
            except (CorruptDataError, InvalidMessageError) as error:
                _log.warning("leaving out a run", run_id=summary.run_id, reason=str(error))
                continue
            yield from run.decisions if run is not None else ()


def _goal(goal_id: str) -> str:
    """As `Runtime` of `runweaver.producer.integrations.hive` reports it."""
    return as_identifier(goal_id, UNKNOWN_GOAL)


def _side(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status.value,
        "decisions": len(run.decisions),
        "success_rate": run.metrics.success_rate,
    }


def _improvement(goal_id: str, suggestion: GoalSuggestion, found: GoalInsights) -> dict[str, Any]:
    is_large = suggestion.saves is not None and suggestion.saves > found.runs / 4
    return {
        "type": "insight",
        "target": goal_id,
        "reason": suggestion.because,
        "recommendation": suggestion.sentence,
        "priority": "high" if is_large else "medium",
    }
