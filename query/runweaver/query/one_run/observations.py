"""What a run shows besides the point where it went wrong: what was made up for, what repeats, what is missing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runweaver.query.one_run.chain import values_from_nowhere
from runweaver.query.one_run.telling import choice, counted, judged_by, place, quote, said, told_by
from runweaver.query.two_runs.parameters import changed_parameters, named
from runweaver.shared.decision import Decision
from runweaver.shared.evidence import Evidence
from runweaver.shared.failures import (
    GRAVITY,
    Failure,
    FailureKind,
    FailurePoint,
    choice_of,
    pursuit_of,
    was_judged_bad,
)
from runweaver.shared.run import Run, RunStatus

#: So many of one sort are told one by one.
_MOST_OF_A_SORT: Final = 3
_REPEATS_WORTH_TELLING: Final = 3
_MOST_VALUES_NAMED: Final = 4


@dataclass(frozen=True)
class Loop:
    """Attempts at one thing, one after another, that all failed in the same way."""

    attempts: list[Decision]
    #: Each was exactly the same choice.
    is_unchanged: bool


def observations_of(run: Run, point: FailurePoint | None, failed: Sequence[Failure]) -> list[Evidence]:
    """What else is worth knowing about a run, bounded in number."""
    return [
        *_other_failures(point, failed),
        *_after(run, point),
        *_other_problems(run, point),
        *_recovered(failed),
        *_loops(run),
        *_repeats(run),
        *_judged_bad(run, point),
        *_from_nowhere(run, point),
        *_end(run, point),
        *_incomplete(run),
    ]


def loops_of(run: Run) -> list[Loop]:
    """Where the same choice, or the same error, failed three times or more in a row; the longest first."""
    pursuits: dict[tuple[str, ...], list[Decision]] = defaultdict(list)
    for decision in run.decisions:
        pursuits[pursuit_of(decision)].append(decision)
    found = [loop for attempts in pursuits.values() for loop in _loops_in(attempts)]
    return sorted(found, key=lambda loop: -len(loop.attempts))


def _loops_in(attempts: Iterable[Decision]) -> Iterator[Loop]:
    row: list[Decision] = []
    for attempt in attempts:
        if row and not (attempt.has_failed and _is_alike(row[-1], attempt)):
            yield from _loop(row)
            row = []
        if attempt.has_failed:
            row.append(attempt)
    yield from _loop(row)


def _loop(row: list[Decision]) -> Iterator[Loop]:
    if len(row) >= _REPEATS_WORTH_TELLING:
        yield Loop(row, len({choice_of(decision) for decision in row}) == 1)


def _is_alike(one: Decision, other: Decision) -> bool:
    error = told_by(one)
    return error == told_by(other) if error else choice_of(one) == choice_of(other)


def _other_failures(point: FailurePoint | None, failed: Sequence[Failure]) -> Iterator[Evidence]:
    """What else failed for good, the same failures of the same thing together."""
    known = point.decision if point is not None else None
    alike: dict[tuple[str, ...], list[Decision]] = defaultdict(list)
    for failure in failed:
        if failure.recovery is None and failure.decision is not known:
            alike[*pursuit_of(failure.decision), told_by(failure.decision)].append(failure.decision)
    groups = list(alike.values())
    for group in groups[:_MOST_OF_A_SORT]:
        times = f", {len(group):,} times" if len(group) > 1 else ""
        told = f": {quote(told_by(group[0]))}" if told_by(group[0]) else "."
        yield said(f"Also failed for good: {place(group[0])}{times}{told}", group)
    if rest := [decision for group in groups[_MOST_OF_A_SORT:] for decision in group]:
        yield said(f"{counted(len(rest), 'more decision')} failed for good.", rest)


def _after(run: Run, point: FailurePoint | None) -> Iterator[Evidence]:
    """A run can fail for another reason than that something in it failed."""
    if not may_have_another_cause(run, point):
        return
    assert point is not None
    assert point.decision is not None
    later = decisions_after(run, point.decision)
    succeeded = sum(decision.was_successful for decision in later)
    sentence = f"The run went on after it with {counted(len(later), 'decision')}, of which {succeeded:,} succeeded."
    yield said(f"{sentence} Nothing says that it is what made the run fail.", later)


def may_have_another_cause(run: Run, point: FailurePoint | None) -> bool:
    """Whether the run failed long after the failure that it did not make up for, and nobody blamed that one."""
    if point is None or point.kind is not FailureKind.FAILED_DECISION or point.decision is None:
        return False
    went_on = any(decision.was_successful for decision in decisions_after(run, point.decision))
    return run.status is RunStatus.FAILED and went_on and not point.problems


def decisions_after(run: Run, decision: Decision) -> list[Decision]:
    """What came later than this decision of the run."""
    place_of_it = next(index for index, other in enumerate(run.decisions) if other.id == decision.id)
    return run.decisions[place_of_it + 1 :]


def _other_problems(run: Run, point: FailurePoint | None) -> Iterator[Evidence]:
    in_verdict = point.problems[0].id if point is not None and point.kind is FailureKind.PROBLEM else None
    others = [problem for problem in run.problems if problem.id != in_verdict]
    others.sort(key=lambda problem: GRAVITY[problem.severity])
    by_id = {decision.id: decision for decision in run.decisions} if others else {}
    for problem in others[:_MOST_OF_A_SORT]:
        about = by_id.get(problem.decision_id or "")
        where = f" with {place(about)}" if about is not None else ""
        sentence = f"A {problem.severity} problem{where} was reported: {quote(problem.description)}"
        yield said(sentence, [about] if about is not None else [], [problem])
    if rest := others[_MOST_OF_A_SORT:]:
        yield said(f"{counted(len(rest), 'more problem')} {_was(rest)} reported.", problems=rest)


def _recovered(failed: Sequence[Failure]) -> Iterator[Evidence]:
    """What failed and was made up for, the failures that one success made up for together."""
    by_recovery: dict[str, list[Failure]] = defaultdict(list)
    for failure in failed:
        if failure.recovery is not None:
            by_recovery[failure.recovery.id].append(failure)
    groups = list(by_recovery.values())
    for group in groups[:_MOST_OF_A_SORT]:
        yield _made_up_for(group)
    if rest := groups[_MOST_OF_A_SORT:]:
        decisions = [failure.decision for group in rest for failure in group]
        yield said(f"{counted(len(decisions), 'more failure')} {_was(decisions)} made up for.", decisions)


def _made_up_for(group: Sequence[Failure]) -> Evidence:
    decision, recovery = group[0].decision, group[0].recovery
    assert recovery is not None
    times = f" {len(group):,} times" if len(group) > 1 else ""
    errors = list(dict.fromkeys(quote(told_by(f.decision)) for f in group if told_by(f.decision)))
    more = f"; and {counted(len(errors) - _MOST_OF_A_SORT, 'other error')}" if len(errors) > _MOST_OF_A_SORT else ""
    told = f" ({'; '.join(errors[:_MOST_OF_A_SORT])}{more})" if errors else ""
    sentence = f"{place(decision)} failed{times}{told}, and then succeeded {_how(decision, recovery)}."
    return said(sentence, [*(failure.decision for failure in group), recovery])


def _how(failed: Decision, recovery: Decision) -> str:
    before, after = failed.chosen_option, recovery.chosen_option
    if before is None or after is None or before.id != after.id:
        return f"with {choice(recovery)}"
    changes = changed_parameters(before.action_params, after.action_params)
    if changes:
        return f"with other parameters than at first: {named(changes)}"
    return "unchanged" if choice_of(failed) == choice_of(recovery) else f"with {choice(recovery)}"


def _loops(run: Run) -> Iterator[Evidence]:
    for loop in loops_of(run)[:_MOST_OF_A_SORT]:
        first = loop.attempts[0]
        alike = "with the very same choice" if loop.is_unchanged else "with the same error"
        told = f": {quote(told_by(first))}" if told_by(first) else "."
        yield said(f"{place(first)} failed {len(loop.attempts):,} times in a row {alike}{told}", loop.attempts)


def _repeats(run: Run) -> Iterator[Evidence]:
    """The same choice over and over, though it did not fail."""
    often: dict[tuple[str, ...], int] = defaultdict(int)
    for decision in run.decisions:
        often[pursuit_of(decision)] += 1
    alike: dict[tuple[str, ...], list[Decision]] = defaultdict(list)
    for decision in run.decisions:
        # What was done is looked at only where it can matter: most decisions of most runs are like no other.
        if often[pursuit_of(decision)] >= _REPEATS_WORTH_TELLING and not decision.has_failed:
            alike[decision.intent, *choice_of(decision)].append(decision)
    most = max(alike.values(), key=len, default=[])
    if len(most) >= _REPEATS_WORTH_TELLING:
        yield said(f"{place(most[0])}, with {choice(most[0])}, was done {len(most):,} times.", most)


def _judged_bad(run: Run, point: FailurePoint | None) -> Iterator[Evidence]:
    known = point.decision if point is not None else None
    bad = [decision for decision in run.decisions if decision is not known and was_judged_bad(decision)]
    for decision in bad[:_MOST_OF_A_SORT]:
        told = f": {quote(judged_by(decision))}" if judged_by(decision) else "."
        yield said(f"{place(decision)}, with {choice(decision)}, was judged a bad choice{told}", [decision])
    if rest := bad[_MOST_OF_A_SORT:]:
        yield said(f"{counted(len(rest), 'more decision')} {_was(rest)} judged bad.", rest)


def _from_nowhere(run: Run, point: FailurePoint | None) -> Iterator[Evidence]:
    if point is None or point.kind is not FailureKind.FAILED_DECISION or point.decision is None:
        return
    if run.completeness.missing or run.completeness.shed:
        return  # it may have been told in what did not come
    values = values_from_nowhere(run, point.decision)
    if values:
        more = f" and {len(values) - _MOST_VALUES_NAMED} more" if len(values) > _MOST_VALUES_NAMED else ""
        told = f"{', '.join(values[:_MOST_VALUES_NAMED])}{more}"
        yield said(f"What it was called with stands in no earlier result, nor in the input: {told}.", [point.decision])


def _end(run: Run, point: FailurePoint | None) -> Iterator[Evidence]:
    """Where it stopped: worth knowing where nothing else is known."""
    if point is not None and point.kind is FailureKind.FAILED_DECISION:
        return
    if run.status is RunStatus.COMPLETED or not run.decisions:
        return
    last = run.decisions[-1]
    told = f": {quote(told_by(last))}" if told_by(last) else "."
    yield said(f"The last decision is {place(last)}, with {choice(last)}{told}", [last], whole_run=True)


def _incomplete(run: Run) -> Iterator[Evidence]:
    """What is not known."""
    pending = [decision for decision in run.decisions if decision.outcome is None]
    if pending:
        more = f" and {len(pending) - _MOST_OF_A_SORT:,} more" if len(pending) > _MOST_OF_A_SORT else ""
        yield said(f"Without an outcome: {', '.join(map(place, pending[:_MOST_OF_A_SORT]))}{more}.", pending)
    if run.status is RunStatus.STUCK:
        yield said(f"Nothing was heard of it after {run.last_activity_at:%Y-%m-%d %H:%M:%S} UTC.", whole_run=True)
    for count, what in (
        (run.completeness.missing, "of this run did not arrive"),
        (run.completeness.shed, "came without payload, for which there was no room"),
    ):
        if count:
            yield said(f"{counted(count, 'message')} {what}.", whole_run=True)
    if run.unmatched_outcomes:
        number = counted(len(run.unmatched_outcomes), "outcome")
        yield said(f"{number} came for decisions that nobody reported.", whole_run=True)


def _was(things: Sequence[object]) -> str:
    return "was" if len(things) == 1 else "were"
