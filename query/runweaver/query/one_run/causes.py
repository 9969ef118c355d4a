"""Root causes, as far as a run shows them: each says where it comes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from runweaver.query.one_run.explanation import Cause, CauseSource
from runweaver.query.one_run.telling import judged_by, place, quote, quoted_option, said, told_by
from runweaver.shared.decision import Decision, Option
from runweaver.shared.failures import FailureKind, FailurePoint, choice_of, was_judged_bad
from runweaver.shared.run import Problem, Run, RunStatus

_MOST_PROBLEMS: Final = 3
_MOST_PROS: Final = 3


@dataclass(frozen=True)
class Alternative:
    """An option that was listed at a decision and not taken there."""

    decision: Decision
    option: Option
    #: Somebody judged it to be the better one.
    is_judged_better: bool
    #: A decision of this run in which it was taken, and succeeded.
    success: Decision | None


def causes_of(run: Run, point: FailurePoint | None) -> list[Cause]:
    """The root causes, the most trustworthy first; one of source `unknown` where nothing shows any.

    None at all where nothing went wrong.
    """
    if point is None:
        if run.status in (RunStatus.COMPLETED, RunStatus.RUNNING):
            return []
        return [_cause(CauseSource.UNKNOWN, _nothing_shows(run), whole_run=True)]
    found = [*_from_problems(run, point), *_from_decision(run, point)]
    return found or [_unknown(point)]


def best_alternative(run: Run, point: FailurePoint | None) -> Alternative | None:
    """The option that was listed where it went wrong, and could have been taken instead.

    One that was judged better comes first, then one that succeeded elsewhere in the run, then the one of the highest
    confidence. What failed in the same node anyway is none.
    """
    decision = point.decision if point is not None else None
    if point is None or decision is None or point.kind is FailureKind.PENDING_DECISION:
        return None
    better = decision.evaluation.better_option_id if decision.evaluation is not None else None
    listed = {o.id: o for o in reversed(decision.options) if o.id != decision.chosen_option_id}
    if not listed:
        return None
    keys = {_key(decision, option): option for option in reversed(listed.values())}
    failed: set[tuple[str, ...]] = set()
    succeeded: dict[tuple[str, ...], Decision] = {}
    for other in run.decisions:
        if other.chosen_option_id in listed and (key := choice_of(other)[1:]) in keys:
            if other.was_successful:
                succeeded.setdefault(key, other)
            elif other.has_failed and other.node_id == decision.node_id:
                failed.add(key)
    open_ = [
        Alternative(decision, option, option.id == better, succeeded.get(key))
        for key, option in keys.items()
        if key not in failed or key in succeeded or option.id == better
    ]
    return max(open_, key=lambda a: (a.is_judged_better, a.success is not None, a.option.confidence), default=None)


def _key(decision: Decision, option: Option) -> tuple[str, ...]:
    return choice_of(decision.model_copy(update={"options": [option], "chosen_option_id": option.id}))[1:]


def _from_problems(run: Run, point: FailurePoint) -> Iterator[Cause]:
    told = list(point.problems)
    if point.kind is not FailureKind.PROBLEM:
        told += [p for p in run.problems if p.decision_id is None and p.severity != "minor"]
    with_cause = [problem for problem in told if (problem.root_cause or "").strip()]
    for problem in with_cause[:_MOST_PROBLEMS]:
        cause, reported = quote(problem.root_cause or ""), quote(problem.description)
        yield _cause(CauseSource.PROBLEM, f"{cause} (said with the problem “{reported}”)", problem=problem)


def _from_decision(run: Run, point: FailurePoint) -> Iterator[Cause]:
    decision = point.decision
    if decision is None:
        return
    if decision.has_failed and told_by(decision):
        yield _cause(CauseSource.ERROR, quote(told_by(decision)), decision)
    if was_judged_bad(decision) and judged_by(decision):
        yield _cause(CauseSource.EVALUATION, f"judged afterwards: {quote(judged_by(decision))}", decision)
    alternative = best_alternative(run, point)
    if alternative is not None:
        yield _from_alternative(alternative)


def _from_alternative(alternative: Alternative) -> Cause:
    option, decision, success = alternative.option, alternative.decision, alternative.success
    known = []
    if alternative.is_judged_better:
        known.append("it was judged the better one")
    if success is not None:
        known.append(f"it succeeded with {place(success)}")
    if option.pros:
        known.append(f"pros: {'; '.join(quote(pro) for pro in option.pros[:_MOST_PROS])}")
    if option.confidence != Option.model_fields["confidence"].default:
        known.append(f"confidence {option.confidence:.2g}")
    more = f" ({', '.join(known)})" if known else ""
    sentence = f"{quoted_option(option)} was listed and not taken{more}"
    return _cause(CauseSource.ALTERNATIVE, sentence, decision, *([success] if success is not None else []))


def _nothing_shows(run: Run) -> str:
    known = "no decision failed for good, no grave problem was reported, and nothing was left open"
    if not run.decisions:
        known = "it has no decisions"
    missing = ", but not all of the run is here" if run.completeness.missing else ""
    return f"Unknown from this run alone: {known}{missing}."


def _unknown(point: FailurePoint) -> Cause:
    decision = point.decision
    reason = {
        FailureKind.FAILED_DECISION: "its outcome has no error, and no other way was listed",
        FailureKind.PROBLEM: "no decision failed for good, and the problem does not say what it is due to",
        FailureKind.PENDING_DECISION: "it has no outcome, so what came of it was not told",
        FailureKind.BAD_DECISION: "nobody said what was bad about it",
    }[point.kind]
    decisions = [decision] if decision is not None else []
    evidence = said(f"Unknown from this run alone: {reason}.", decisions, point.problems, whole_run=True)
    return Cause(source=CauseSource.UNKNOWN, **evidence.model_dump())


def _cause(
    source: CauseSource,
    sentence: str,
    *decisions: Decision,
    problem: Problem | None = None,
    whole_run: bool = False,
) -> Cause:
    evidence = said(sentence, decisions, [problem] if problem is not None else [], whole_run=whole_run)
    return Cause(source=source, **evidence.model_dump())
