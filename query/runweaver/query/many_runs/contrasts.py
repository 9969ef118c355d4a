"""What completed runs did differently from lost ones.

Pure. Runs that broke off at what failed for good are left out, see `Aggregate.unbroken`.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from runweaver.query.many_runs.aggregate import Aggregate
from runweaver.query.many_runs.findings import Difference, GoalContrast, HabitFinding, SignFinding
from runweaver.query.many_runs.rate import Rate, chance_of_sides
from runweaver.query.many_runs.tallies import ChoiceKey, Ended, Uses

_MOST_DIFFERENCES: Final = 5
#: What is more likely than this by chance alone is no habit.
_MOST_CHANCE: Final = 0.05


def signs(aggregate: Aggregate, limit: int) -> list[SignFinding]:
    """Ways whose runs complete clearly more, or less, often than the others; the clearest first."""
    completed = sum(ended.completed for ended in aggregate.unbroken.values())
    total = completed + sum(ended.lost for ended in aggregate.unbroken.values())
    found = []
    for key, tally in aggregate.choices.items():
        taken = tally.unbroken.rate
        others = Rate(count=completed - taken.count, total=total - taken.total)
        if others.total and (taken.is_clearly_above(others) or others.is_clearly_above(taken)):
            found.append(SignFinding(**_told(aggregate, key), taken=taken, others=others, run_ids=tally.lost.run_ids))
    return sorted(found, key=lambda each: (-_apart(each), each.node, each.intent, each.option))[:limit]


def contrasts(aggregate: Aggregate, limit: int) -> list[GoalContrast]:
    """For each goal that has both completed and lost runs, what the completed ones did differently."""
    by_goal: defaultdict[str, list[Difference]] = defaultdict(list)
    for goal, key, ended, uses in _mixed(aggregate):
        difference = Difference(
            **_told(aggregate, key),
            completed=Rate(count=uses.completed_runs, total=ended.completed),
            lost=Rate(count=uses.lost_runs, total=ended.lost),
            completed_times=uses.completed_times / ended.completed,
            lost_times=uses.lost_times / ended.lost,
        )
        if difference.completed_times != difference.lost_times:
            by_goal[goal].append(difference)
    found = [
        GoalContrast(
            goal=goal,
            success=aggregate.goals[goal].rate,
            differences=sorted(differences, key=_size, reverse=True)[:_MOST_DIFFERENCES],
        )
        for goal, differences in by_goal.items()
    ]
    return sorted(found, key=lambda each: (-each.success.rest.count, each.goal))[:limit]


def habits(aggregate: Aggregate, limit: int) -> list[HabitFinding]:
    """What completed runs do more, or less, often, in so many goals that it can hardly be chance."""
    more: defaultdict[ChoiceKey, list[str]] = defaultdict(list)
    less: defaultdict[ChoiceKey, list[str]] = defaultdict(list)
    for goal, key, ended, uses in _mixed(aggregate):
        surplus = uses.completed_times * ended.lost - uses.lost_times * ended.completed
        if surplus:
            (more if surplus > 0 else less)[key].append(goal)
    found = [
        HabitFinding(
            **_told(aggregate, key),
            more_in=sorted(more[key]),
            less_in=sorted(less[key]),
            chance=chance_of_sides(len(more[key]), len(less[key])),
        )
        for key in more.keys() | less.keys()
    ]
    told = [each for each in found if each.chance < _MOST_CHANCE]
    return sorted(told, key=lambda each: (each.chance, each.node, each.intent, each.option))[:limit]


def _mixed(aggregate: Aggregate) -> Iterator[tuple[str, ChoiceKey, Ended, Uses]]:
    """What was done for goals that have both completed and lost runs."""
    for goal, used in aggregate.uses.items():
        ended = aggregate.unbroken[goal]
        if ended.completed and ended.lost:
            for key, uses in used.items():
                yield goal, key, ended, uses


def _told(aggregate: Aggregate, key: ChoiceKey) -> dict[str, str]:
    """A choice, with its intent as an agent told it."""
    return {**key._asdict(), "intent": aggregate.told(key)}


def _apart(sign: SignFinding) -> float:
    """How far the intervals are from each other."""
    return max(sign.taken.low - sign.others.high, sign.others.low - sign.taken.high)


def _size(difference: Difference) -> tuple[float, float, str, str]:
    """By how much of the runs, then by how many times."""
    return (
        abs(difference.completed.rate - difference.lost.rate),
        abs(difference.completed_times - difference.lost_times),
        difference.intent,
        difference.option,
    )
