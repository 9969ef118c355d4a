"""What to change or to look at, each following from something that the run shows."""

from collections.abc import Iterator, Sequence
from typing import Final

from runweaver.query.one_run.causes import best_alternative
from runweaver.query.one_run.explanation import Cause, CauseSource, Suggestion, SuggestionSource
from runweaver.query.one_run.observations import loops_of, may_have_another_cause
from runweaver.query.one_run.telling import counted, place, quote, quoted_option, said, told_by
from runweaver.shared.decision import Decision
from runweaver.shared.failures import GRAVITY, FailurePoint
from runweaver.shared.run import Problem, ProducerCompleteness, Run, RunStatus

_MOST_OF_A_SORT: Final = 3


def suggestions_for(run: Run, point: FailurePoint | None, causes: Sequence[Cause]) -> list[Suggestion]:
    """Suggestions for a run, bounded in number; none where nothing in it calls for one."""
    return [
        *_from_problems(run, point),
        *_from_alternative(run, point),
        *_from_loops(run),
        *_from_pending(run),
        *_from_missing(run),
        *_from_other_runs(run, point, causes),
    ]


def _from_problems(run: Run, point: FailurePoint | None) -> Iterator[Suggestion]:
    first = {problem.id for problem in point.problems} if point is not None else set()
    with_fix = [problem for problem in run.problems if (problem.suggested_fix or "").strip()]
    with_fix.sort(key=lambda problem: (problem.id not in first, GRAVITY[problem.severity]))
    for problem in with_fix[:_MOST_OF_A_SORT]:
        fix, reported = quote(problem.suggested_fix or ""), quote(problem.description)
        sentence = f"{fix} (suggested with the problem “{reported}”)"
        yield _suggestion(SuggestionSource.PROBLEM, sentence, problems=[problem])


def _from_alternative(run: Run, point: FailurePoint | None) -> Iterator[Suggestion]:
    found = best_alternative(run, point)
    if found is None:
        return
    decision, success = found.decision, found.success
    take = f"For {place(decision)}, take {quoted_option(found.option)}"
    if found.is_judged_better:
        yield _suggestion(SuggestionSource.EVALUATION, f"{take}: it was judged the better option.", [decision])
    elif success is not None:
        sentence = f"{take}: it succeeded with {place(success)} in this run."
        yield _suggestion(SuggestionSource.ALTERNATIVE, sentence, [decision, success])
    else:
        sentence = f"For {place(decision)}, try {quoted_option(found.option)}: it was listed, and not taken."
        yield _suggestion(SuggestionSource.ALTERNATIVE, sentence, [decision])


def _from_loops(run: Run) -> Iterator[Suggestion]:
    for loop in loops_of(run)[:_MOST_OF_A_SORT]:
        first, times = loop.attempts[0], len(loop.attempts)
        told = f" (“{quote(told_by(first))}”)" if told_by(first) else ""
        what = "the same choice was made" if loop.is_unchanged else "the same error came"
        sentence = f"Make it stop repeating {place(first)}: {what} {times:,} times in a row{told}."
        yield _suggestion(SuggestionSource.LOOP, sentence, loop.attempts)


def _from_pending(run: Run) -> Iterator[Suggestion]:
    """A run that goes on has every right to wait for outcomes."""
    pending = [decision for decision in run.decisions if decision.outcome is None]
    if pending and run.status is not RunStatus.RUNNING:
        last = pending[-1]
        others = f", and {counted(len(pending) - 1, 'other decision')}" if len(pending) > 1 else ""
        sentence = f"Find out why no outcome was recorded for {place(last)}{others}."
        yield _suggestion(SuggestionSource.PENDING, sentence, [last, *pending[:-1]])


def _from_missing(run: Run) -> Iterator[Suggestion]:
    lossy = [(name, of) for name, of in run.completeness.producers.items() if of.missing or of.dropped or of.shed]
    if run.status is RunStatus.RUNNING:
        lossy = [(name, of) for name, of in lossy if of.dropped or of.shed]  # the rest may be on its way
    for name, of in lossy[:_MOST_OF_A_SORT]:
        sentence = f"The data is incomplete: {_loss(of)} of producer {quote(name)}; {_remedy(of)}."
        yield _suggestion(SuggestionSource.MISSING, sentence, whole_run=True)


def _loss(of: ProducerCompleteness) -> str:
    lost = max(of.missing, of.dropped)
    parts = [f"without {counted(lost, 'message')}"] if lost else []
    parts += [f"without the payload of {of.shed:,}"] if of.shed else []
    return " and ".join(parts)


def _remedy(of: ProducerCompleteness) -> str:
    if of.dropped or of.shed:
        return "its buffer was full: set RUNWEAVER_SPOOL_DIR or raise RUNWEAVER_BUFFER_MESSAGES"
    return "it sent them, and they did not arrive: look for them in `runweaver dead-letters list`"


def _from_other_runs(run: Run, point: FailurePoint | None, causes: Sequence[Cause]) -> Iterator[Suggestion]:
    if may_have_another_cause(run, point) or any(cause.source is CauseSource.UNKNOWN for cause in causes):
        sentence = f"Compare it with a run that succeeded: `runweaver compare {run.id} --nearest`."
        yield _suggestion(SuggestionSource.COMPARISON, sentence, whole_run=True)


def _suggestion(
    source: SuggestionSource,
    sentence: str,
    decisions: Sequence[Decision] = (),
    problems: Sequence[Problem] = (),
    *,
    whole_run: bool = False,
) -> Suggestion:
    return Suggestion(source=source, **said(sentence, decisions, problems, whole_run=whole_run).model_dump())
