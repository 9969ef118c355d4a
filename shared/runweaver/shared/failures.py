"""Where a run went wrong for good: the first thing that failed and was never made good again.

Pure. A run that failed and one that completed are looked at in the same way; what it means for the run is for the
reader to say.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from runweaver.shared.decision import Decision, DecisionType
from runweaver.shared.run import Problem, Run, RunStatus

#: Sorts problems, the gravest first.
GRAVITY: Final = {"critical": 0, "warning": 1, "minor": 2}


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
    #: The decision that it points to, never one that was made up for; none for a problem that names none.
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

    One is made up for by the first later decision that succeeded in the same node and

    - wanted the same (its intent is the same), or
    - is the very same choice: the same option with the same parameters, whatever it was wanted for.

    A retry that follows at once (`retry_strategy`, in the same node) makes up for it as well, under whatever name;
    where the retry fails too, what makes up for the retry does.

    Takes time in proportion to the number of decisions.
    """
    failed_choices = {(d.node_id, d.chosen_option_id) for d in run.decisions if d.has_failed}
    #: What succeeded later than the decision that is looked at: the place of the nearest of its kind.
    later: dict[tuple[str, ...], int] = {}
    recovery_of_next: int | None = None
    found: list[Failure] = []
    for place in range(len(run.decisions) - 1, -1, -1):
        decision = run.decisions[place]
        recovery = None
        if decision.has_failed:
            recovery = _nearest(later.get(pursuit_of(decision)), later.get(choice_of(decision)))
            if place + 1 < len(run.decisions) and _is_retry(run.decisions[place + 1], decision.node_id):
                recovery = _nearest(recovery, recovery_of_next)
            found.append(Failure(decision, None if recovery is None else run.decisions[recovery]))
        elif decision.was_successful:
            recovery = place
            later[pursuit_of(decision)] = place
            # To write parameters out takes long: only where it can matter.
            if (decision.node_id, decision.chosen_option_id) in failed_choices:
                later[choice_of(decision)] = place
        recovery_of_next = recovery
    return reversed(found)


def failure_point(run: Run, failed: Iterable[Failure] | None = None) -> FailurePoint | None:
    """Where a run went wrong for good; none where nothing shows that it did.

    The first failure that was not made up for. Where there is none, the gravest problem that was not minor (of those
    that do not speak of a failure that was made up for); then, in a run that stopped without completing, the last
    decision without an outcome; then the first decision that was judged bad.

    Args:
        run: any.
        failed: its `failures`, from whoever has them already.
    """
    made_up_for = set()
    for failure in failures(run) if failed is None else failed:
        if failure.recovery is None:
            return _point(FailureKind.FAILED_DECISION, failure.decision, run)
        made_up_for.add(failure.decision.id)
    told = [p for p in run.problems if p.severity != "minor" and p.decision_id not in made_up_for]
    if told:
        told.sort(key=lambda problem: GRAVITY[problem.severity])
        named = next((d for d in run.decisions if d.id == told[0].decision_id), None)
        return FailurePoint(FailureKind.PROBLEM, named, told)
    if run.status not in (RunStatus.COMPLETED, RunStatus.RUNNING):
        for decision in reversed(run.decisions):
            if decision.outcome is None:
                return _point(FailureKind.PENDING_DECISION, decision, run)
    for decision in run.decisions:
        if was_judged_bad(decision) and decision.id not in made_up_for:
            return _point(FailureKind.BAD_DECISION, decision, run)
    return None


def pursuit_of(decision: Decision) -> tuple[str, ...]:
    """What a decision was after. Decisions of the same pursuit are attempts at the same thing."""
    return decision.node_id, decision.intent


def choice_of(decision: Decision) -> tuple[str, ...]:
    """What was done, exactly: the same choice in the same node is the same step taken again."""
    chosen = decision.chosen_option
    if chosen is None:
        # Nothing says what was done: it is like no other.
        return decision.node_id, "", decision.id, ""
    return decision.node_id, chosen.id, chosen.description, _written(chosen.action_params)


def was_judged_bad(decision: Decision) -> bool:
    """Whether somebody judged it afterwards, and found it not good."""
    return decision.evaluation is not None and not decision.was_good_decision


def _point(kind: FailureKind, decision: Decision, run: Run) -> FailurePoint:
    problems = [problem for problem in run.problems if problem.decision_id == decision.id]
    return FailurePoint(kind, decision, sorted(problems, key=lambda problem: GRAVITY[problem.severity]))


def _written(parameters: dict[str, Any]) -> str:
    try:
        return json.dumps(parameters, sort_keys=True, default=repr)
    except (TypeError, ValueError):
        return repr(parameters)  # no message has brought them: JSON has no such keys


def _nearest(*places: int | None) -> int | None:
    return min((place for place in places if place is not None), default=None)


def _is_retry(decision: Decision, node_id: str) -> bool:
    return decision.node_id == node_id and decision.decision_type is DecisionType.RETRY_STRATEGY
