"""What to change first, by the runs that it would save.

Pure. A suggestion follows from numbers that it names; where they are too few to tell it from chance, there is none.
"""

from collections import defaultdict
from typing import Final

from runweaver.query.many_runs.aggregate import Aggregate
from runweaver.query.many_runs.contrasts import habits, signs
from runweaver.query.many_runs.digest import pairs
from runweaver.query.many_runs.findings import GoalSuggestion, HabitFinding, PairFinding, SignFinding
from runweaver.query.many_runs.tallies import BreakdownKey, ChoiceKey, ChoiceTally, ErrorKey, Examples, LostTally
from runweaver.shared.failures import FailureKind

#: Of what says where to look, but not what it would save.
_MOST_HINTS: Final = 3
_MOST_RUN_IDS: Final = 5


def suggest(aggregate: Aggregate, limit: int) -> list[GoalSuggestion]:
    """Suggestions, those first that would save most runs, and last those of which that cannot be told."""
    better = _better_ways(aggregate)
    found = list(better.values())
    lost = sorted(aggregate.breakdowns.items(), key=lambda item: (-item[1].examples.runs, item[0]))
    found += [_mend(aggregate, key, tally) for key, tally in lost if key.choice not in better]
    found += [_fix(fix, having) for fix, having in sorted(aggregate.fixes.items())]
    if aggregate.unexplained.examples.runs:
        found.append(_unexplained(aggregate.unexplained))
    found += [_sign(sign) for sign in signs(aggregate, _MOST_HINTS)]
    found += [_pair(aggregate, pair) for pair in pairs(aggregate, _MOST_HINTS)]
    found += [_habit(habit) for habit in habits(aggregate, _MOST_HINTS)]
    return sorted(found, key=lambda each: (each.saves is None, -(each.saves or 0)))[:limit]


def _better_ways(aggregate: Aggregate) -> dict[ChoiceKey, GoalSuggestion]:
    """Where runs that began with another way completed clearly more often. Both had come to the same point."""
    things: defaultdict[tuple[str, str], list[tuple[ChoiceKey, ChoiceTally]]] = defaultdict(list)
    for key, tally in aggregate.choices.items():
        things[key.node, key.intent].append((key, tally))
    lost_by: defaultdict[ChoiceKey, list[str]] = defaultdict(list)
    for breakdown, lost in aggregate.breakdowns.items():
        lost_by[breakdown.choice] += lost.examples.run_ids
    found = {}
    for ways in things.values():
        _, best = max(ways, key=lambda way: (way[1].first.rate.low, way[0]))
        for key, tally in ways:
            if best.first.rate.is_clearly_above(tally.first.rate):
                found[key] = _begin_with(best, tally, lost_by[key][:_MOST_RUN_IDS])
    return found


def _begin_with(best: ChoiceTally, worse: ChoiceTally, run_ids: list[str]) -> GoalSuggestion:
    now, then, choice = worse.first.rate, best.first.rate, worse.choice
    return GoalSuggestion(
        sentence=f"[{choice.node}] {choice.intent}: begin with “{best.choice.option}” rather than “{choice.option}”.",
        saves=round(now.total * (then.rate - now.rate)),
        because=f"Of the runs that began with “{choice.option}”, {now} completed; "
        f"of those that began with “{best.choice.option}”, {then}.",
        run_ids=run_ids,
    )


def _mend(aggregate: Aggregate, key: BreakdownKey, lost: LostTally) -> GoalSuggestion:
    """For runs that were lost in the same way."""
    sentences = {
        FailureKind.FAILED_DECISION: _mend_error,
        FailureKind.PENDING_DECISION: _mend_silence,
        FailureKind.PROBLEM: _find_cause,
        FailureKind.BAD_DECISION: _choose_better,
    }
    sentence, because = sentences[key.kind](aggregate, key, lost.examples.runs)
    return GoalSuggestion(sentence=sentence, saves=lost.examples.runs, because=because, run_ids=lost.examples.run_ids)


def _mend_error(aggregate: Aggregate, key: BreakdownKey, runs: int) -> tuple[str, str]:
    error = f": {key.error}" if key.error else ""
    because = f"{_runs(runs)} lost after it, and nothing made up for it."
    tally = aggregate.errors.get(ErrorKey(key.node, key.option, key.error))
    if tally is not None:
        because += f" It came {_times(tally.count)}; later in the run it was made up for {_times(tally.recovered)}."
    return f"[{key.node}] {aggregate.told(key.choice)}: mend what “{key.option}” fails with{error}", because


def _mend_silence(aggregate: Aggregate, key: BreakdownKey, runs: int) -> tuple[str, str]:
    return (
        (
            f"[{key.node}] {aggregate.told(key.choice)}: give “{key.option}” a time limit, "
            "and let the agent report what came of it."
        ),
        f"{_runs(runs)} lost while nobody knew the result, and nothing else had failed for good.",
    )


def _find_cause(_aggregate: Aggregate, key: BreakdownKey, runs: int) -> tuple[str, str]:
    return (
        f"Find out what leads to the problem “{key.error}”: compare a run with one that completed.",
        f"{_runs(runs)} lost with it, and no decision in them failed for good.",
    )


def _choose_better(aggregate: Aggregate, key: BreakdownKey, runs: int) -> tuple[str, str]:
    return (
        f"[{key.node}] {aggregate.told(key.choice)}: look why “{key.option}” was judged badly.",
        f"{_runs(runs)} lost in which nothing failed for good, and this is the first decision that was judged badly.",
    )


def _fix(fix: str, having: Examples) -> GoalSuggestion:
    return GoalSuggestion(
        sentence=f"Do what the agents suggest: {fix}",
        saves=having.runs,
        because=f"{_runs(having.runs)} lost that reported a problem with this suggestion.",
        run_ids=having.run_ids,
    )


def _habit(habit: HabitFinding) -> GoalSuggestion:
    more, less = len(habit.more_in), len(habit.less_in)
    how = "more" if more > less else "less"
    return GoalSuggestion(
        sentence=f"[{habit.node}] {habit.intent}: see why runs that complete take “{habit.option}” {how} often.",
        saves=None,
        because=f"In {max(more, less)} of {more + less} goals, completed runs took it {how} often than lost runs of "
        f"the same goal; by chance alone, so lopsided a result has a probability of {habit.chance:.1%}.",
        run_ids=[],
    )


def _pair(aggregate: Aggregate, pair: PairFinding) -> GoalSuggestion:
    because = f"{pair.failures} failed, of all other decisions {pair.rest}."
    met = [item for item in aggregate.errors.items() if item[0][:2] == (pair.node, pair.option)]
    # Where runs had too many errors to keep them all, those of this pair may be among the others.
    key, most = max(met, key=lambda item: (item[1].count, item[0]), default=(None, None))
    if key is not None and key.error:
        because += f" Most often with: {key.error}"
    return GoalSuggestion(
        sentence=f"[{pair.node}] Look at “{pair.option}”: it fails far more often than the rest.",
        saves=None,
        because=because,
        run_ids=most.examples.run_ids if most is not None else [],
    )


def _sign(sign: SignFinding) -> GoalSuggestion:
    """What runs would gain that took it, or those that did not, if they completed as often as the others."""
    worse, better = sorted((sign.taken, sign.others), key=lambda rate: rate.rate)
    how = "less" if worse is sign.taken else "more"
    return GoalSuggestion(
        sentence=f"[{sign.node}] {sign.intent}: see why runs that take “{sign.option}” complete {how} often.",
        saves=round(worse.total * (better.rate - worse.rate)) if worse is sign.taken else None,
        because=f"{sign.taken} of them completed, of the others {sign.others}.",
        run_ids=sign.run_ids,
    )


def _unexplained(lost: LostTally) -> GoalSuggestion:
    return GoalSuggestion(
        sentence="Let the agents report why they fail: as the outcome of a decision, or as a problem.",
        saves=lost.examples.runs,
        because=f"{_runs(lost.examples.runs)} lost in which nothing shows why.",
        run_ids=lost.examples.run_ids,
    )


def _runs(count: int) -> str:
    return "1 run was" if count == 1 else f"{count:,} runs were"


def _times(count: int) -> str:
    return "never" if not count else "once" if count == 1 else f"{count:,} times"
