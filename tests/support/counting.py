"""What many runs come to, counted from the runs themselves in the plainest way: what aggregates are held against."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from runweaver.query.many_runs.aggregate import Aggregate
from runweaver.query.many_runs.findings import GoalInsights
from runweaver.shared import Decision, Run, RunStatus
from runweaver.shared.figures import MAX_TEXT, latency_step
from runweaver.shared.gist import gist

_LOST = (RunStatus.FAILED, RunStatus.STUCK)


@dataclass
class Counted:
    """Counts that need no choice of what is worth telling."""

    statuses: Counter[str] = field(default_factory=Counter)
    goals: dict[str, tuple[int, int]] = field(default_factory=dict)
    tokens: int = 0
    decisions: int = 0
    #: By node: how many runs, and decisions that succeeded, failed and are pending; tokens.
    nodes: dict[str, tuple[int, int, int, int, int]] = field(default_factory=dict)
    latencies: dict[str, Counter[int]] = field(default_factory=dict)
    #: By node, intent and option: successes, failures; completed and lost runs.
    choices: dict[tuple[str, str, str], tuple[int, int, int, int]] = field(default_factory=dict)
    #: By node, option and error: how often, and in how many runs.
    errors: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)


def count(runs: Iterable[Run]) -> Counted:
    """Count runs one decision at a time. Runs with more choices than figures keep are not for this."""
    known = list(runs)
    counted = Counted(
        statuses=Counter(run.status.value for run in known),
        tokens=sum(d.outcome.tokens_used for run in known for d in run.decisions if d.outcome),
        decisions=sum(len(run.decisions) for run in known),
    )
    for goal in {run.goal_id for run in known}:
        ends = [run.status for run in known if run.goal_id == goal]
        counted.goals[goal] = ends.count(RunStatus.COMPLETED), sum(ends.count(status) for status in _LOST)
    for node in {d.node_id for run in known for d in run.decisions}:
        here = [d for run in known for d in run.decisions if d.node_id == node]
        passed = sum(any(d.node_id == node for d in run.decisions) for run in known)
        tokens = sum(d.outcome.tokens_used for d in here if d.outcome)
        counted.nodes[node] = passed, *_results(here), tokens
        took = [d.outcome.latency_ms for d in here if d.outcome and d.outcome.latency_ms]
        counted.latencies[node] = Counter(map(latency_step, took))
    for key in {_choice(d) for run in known for d in run.decisions}:
        succeeded, failed, _ = _results([d for run in known for d in run.decisions if _choice(d) == key])
        took_it = [run.status for run in known if any(_choice(d) == key for d in run.decisions)]
        completed, lost = took_it.count(RunStatus.COMPLETED), sum(took_it.count(status) for status in _LOST)
        counted.choices[key] = succeeded, failed, completed, lost
    for error in {_error(d) for run in known for d in run.decisions if d.has_failed}:
        times = sum(_error(d) == error for run in known for d in run.decisions if d.has_failed)
        met = sum(any(_error(d) == error for d in run.decisions if d.has_failed) for run in known)
        counted.errors[error] = times, met
    return counted


def counted_in(aggregate: Aggregate) -> Counted:
    """The same out of an aggregate."""
    return Counted(
        statuses=Counter({status.value: count for status, count in aggregate.statuses.items()}),
        goals={goal: (ended.completed, ended.lost) for goal, ended in aggregate.goals.items()},
        tokens=aggregate.tokens,
        decisions=aggregate.decisions,
        nodes={
            node: (tally.runs, tally.succeeded, tally.failed, tally.pending, tally.tokens)
            for node, tally in aggregate.nodes.items()
        },
        latencies={node: tally.latencies for node, tally in aggregate.nodes.items()},
        choices={
            key[:]: (tally.succeeded, tally.failed, tally.runs.completed, tally.runs.lost)
            for key, tally in aggregate.choices.items()
        },
        errors={key[:]: (tally.count, tally.examples.runs) for key, tally in aggregate.errors.items()},
    )


def assert_told(counted: Counted, insights: GoalInsights) -> None:
    """Insights (with room for everything) tell what was counted."""
    assert counted.statuses == Counter({status.value: count for status, count in insights.statuses.items()})
    assert counted.goals == {goal.goal: (goal.success.count, goal.success.rest.count) for goal in insights.goals}
    assert (counted.tokens, counted.decisions) == (insights.tokens, insights.decisions)
    assert {
        node: (runs, succeeded + failed + pending, failed, tokens)
        for node, (runs, succeeded, failed, pending, tokens) in counted.nodes.items()
    } == {node.node: (node.runs, node.decisions, node.failures.count, node.tokens) for node in insights.nodes}
    assert counted.errors == {
        (error.node, error.option, error.error): (error.count, sum(error.goals.values())) for error in insights.errors
    }
    assert sorted(counted.choices.values()) == sorted(
        (option.successes.count, option.successes.rest.count, option.runs.count, option.runs.rest.count)
        for intent in insights.intents
        for option in intent.options
    )


def _results(decisions: list[Decision]) -> tuple[int, int, int]:
    succeeded = sum(d.was_successful for d in decisions)
    failed = sum(d.has_failed for d in decisions)
    return succeeded, failed, len(decisions) - succeeded - failed


def _choice(decision: Decision) -> tuple[str, str, str]:
    return decision.node_id, gist(decision.intent), gist(decision.chosen_option_id or "")


def _error(decision: Decision) -> tuple[str, str, str]:
    assert decision.outcome is not None
    error = decision.outcome.error or decision.outcome.summary
    assert len(error) <= MAX_TEXT
    return decision.node_id, gist(decision.chosen_option_id or ""), gist(error)
