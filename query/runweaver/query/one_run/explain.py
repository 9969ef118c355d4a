"""Why a run ended as it did, as far as its data shows; where it does not show it, that is what is said.

Pure: the same run gives the same explanation.
"""

from typing import Final

from runweaver.query.one_run.causes import causes_of
from runweaver.query.one_run.chain import chain_to
from runweaver.query.one_run.explanation import Explanation
from runweaver.query.one_run.observations import observations_of
from runweaver.query.one_run.suggestions import suggestions_for
from runweaver.query.one_run.telling import choice, counted, place, quote, said, step_of, told_by
from runweaver.shared.evidence import Evidence
from runweaver.shared.failures import Failure, FailureKind, FailurePoint, failure_point, failures
from runweaver.shared.run import Run, RunStatus

_BECAME: Final = {
    RunStatus.RUNNING: "Still going on",
    RunStatus.COMPLETED: "Completed",
    RunStatus.FAILED: "Failed",
    RunStatus.STUCK: "Got stuck",
    RunStatus.CANCELLED: "Was cancelled",
}


def explain(run: Run) -> Explanation:
    """Explain a run, whatever became of it; one that still goes on, as it stands.

    Takes time in proportion to what the run holds.
    """
    point, failed = failure_point(run), list(failures(run))
    causes = causes_of(run, point)
    return Explanation(
        run_id=run.id,
        goal_id=run.goal_id,
        status=run.status,
        verdict=_verdict(run, point, failed),
        kind=point.kind if point is not None else None,
        point=step_of(point.decision) if point is not None and point.decision is not None else None,
        chain=chain_to(run, point.decision) if point is not None and point.decision is not None else [],
        causes=causes,
        observations=observations_of(run, point, failed),
        suggestions=suggestions_for(run, point, causes),
    )


def _verdict(run: Run, point: FailurePoint | None, failed: list[Failure]) -> Evidence:
    became = _BECAME[run.status]
    if point is None:
        return _without_point(run, failed)
    decisions = [point.decision] if point.decision is not None else []
    but = "; " if run.status in (RunStatus.FAILED, RunStatus.STUCK, RunStatus.CANCELLED) else ", but "
    return said(f"{became}{but}{_point_told(point)}", decisions, point.problems, whole_run=True)


def _point_told(point: FailurePoint) -> str:
    decision = point.decision
    if point.kind is FailureKind.PROBLEM or decision is None:
        first = point.problems[0]
        about = f" with {place(decision)}" if decision is not None else ""
        return (
            f"no decision failed for good; a {first.severity} problem{about} was reported: {quote(first.description)}"
        )
    if point.kind is FailureKind.PENDING_DECISION:
        return f"the last that it left open is {place(decision)}, with {choice(decision)}."
    if point.kind is FailureKind.BAD_DECISION:
        return f"no decision failed for good, but {place(decision)}, with {choice(decision)}, was judged a bad one."
    told = f": {quote(told_by(decision))}" if told_by(decision) else "."
    return f"{place(decision)}, with {choice(decision)}, failed and was never made up for{told}"


def _without_point(run: Run, failed: list[Failure]) -> Evidence:
    """Nothing failed for good, and nobody reported anything."""
    became = _BECAME[run.status]
    pending = [decision for decision in run.decisions if decision.outcome is None]
    recovered = [failure.decision for failure in failed]
    if run.status not in (RunStatus.COMPLETED, RunStatus.RUNNING):
        return said(f"{became}, and nothing in it shows why.", whole_run=True)
    if pending and run.status is RunStatus.COMPLETED:
        have = "has" if len(pending) == 1 else "have"
        return said(f"{became}, but {counted(len(pending), 'decision')} {have} no outcome.", pending, whole_run=True)
    if recovered:
        all_of = "the failure" if len(recovered) == 1 else f"each of {len(recovered):,} failures"
        return said(f"{became}; {all_of} was made up for.", recovered, whole_run=True)
    so_far = " so far" if run.status is RunStatus.RUNNING else ""
    return said(f"{became}; nothing went wrong{so_far}.", whole_run=True)
