"""Where a run went wrong for good: the first thing that failed and was never made good again.

Pure. A run that failed and one that completed are looked at in the same way; what it means for the run is for the
reader to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from runweaver.shared.decision import Decision, DecisionType
from runweaver.shared.run import Problem, Run, RunStatus


class FailureKind(StrEnum):
    """What is known of the point where a run went wrong."""

    #: A decision failed, and nothing that came after it made up for it.
    FAILED_DECISION = "failed_decision"
    #: Nothing failed for good, but a problem was reported.
    PROBLEM = "problem"
    #: Nothing failed for good, but a decision had no outcome when the run stopped.
    PENDING_DECISION = "pending_decision"
    #: Nothing failed for good, but a decision was judged to be a bad one afterwards.
    BAD_DECISION = "bad_decision"


@dataclass(frozen=True)
class FailurePoint:
    """Where a run went wrong for good."""

    kind: FailureKind
    #: The decision that it points to; none for a problem that names none.
    decision: Decision | None
    #: Problems that speak of it, the gravest first.
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """A decision that failed, and the one that made up for it, if any."""

    decision: Decision
    recovery: Decision | None


def failures(run: Run) -> Iterator[Failure]:
    """All decisions of a run that failed, in order.

    One is made up for by a later decision that succeeded in the same node, and wanted the same, or chose the same, or
    was a retry right after it.
    """
    open_until_success: dict[tuple[str, str, str], Decision] = {}
    recoveries: list[Failure] = []
    # From the end: what is known then is the nearest success of each kind that comes later.
    previous: Decision | None = None
    for decision in reversed(run.decisions):
        if decision.has_failed:
            recoveries.append(Failure(decision, _recovery(decision, previous, open_until_success)))
        elif decision.was_successful:
            open_until_success[decision.node_id, "intent", decision.intent] = decision
            if decision.chosen_option_id is not None:
                open_until_success[decision.node_id, "option", decision.chosen_option_id] = decision
        previous = decision
    return reversed(recoveries)


def failure_point(run: Run) -> FailurePoint | None:
    """Where a run went wrong for good; none where nothing shows that it did.

    The first failure that was not made up for. Where there is none, the gravest problem that was not minor; then, in a
    run that did not complete, the last decision without an outcome; then the first decision that was judged bad.
    """
    for failure in failures(run):
        if failure.recovery is None:
            decision = failure.decision
            return FailurePoint(FailureKind.FAILED_DECISION, decision, _problems_of(run, decision.id))
    by_id = {decision.id: decision for decision in run.decisions}
    told = sorted((p for p in run.problems if p.severity != "minor"), key=lambda problem: _GRAVITY[problem.severity])
    if told:
        return FailurePoint(FailureKind.PROBLEM, by_id.get(told[0].decision_id or ""), told)
    if run.status is not RunStatus.COMPLETED:
        for decision in reversed(run.decisions):
            if decision.outcome is None:
                return FailurePoint(FailureKind.PENDING_DECISION, decision, _problems_of(run, decision.id))
    for decision in run.decisions:
        if decision.evaluation is not None and not decision.was_good_decision:
            return FailurePoint(FailureKind.BAD_DECISION, decision, _problems_of(run, decision.id))
    return None


_GRAVITY = {"critical": 0, "warning": 1, "minor": 2}


def _recovery(
    failed: Decision, next_decision: Decision | None, later: dict[tuple[str, str, str], Decision]
) -> Decision | None:
    found = [
        later.get((failed.node_id, "intent", failed.intent)),
        later.get((failed.node_id, "option", failed.chosen_option_id)) if failed.chosen_option_id else None,
        next_decision if next_decision is not None and _is_retry(next_decision, failed.node_id) else None,
    ]
    return min((d for d in found if d is not None), key=lambda decision: decision.timestamp, default=None)


def _is_retry(decision: Decision, node_id: str) -> bool:
    return (
        decision.node_id == node_id
        and decision.decision_type is DecisionType.RETRY_STRATEGY
        and decision.was_successful
    )


def _problems_of(run: Run, decision_id: str) -> list[Problem]:
    found = [problem for problem in run.problems if problem.decision_id == decision_id]
    return sorted(found, key=lambda problem: _GRAVITY[problem.severity])
