"""From aggregates to findings: what is worth telling of many runs, the most telling first.

Pure. Sections are cut to a length, and what may be chance is not told as if it were more.
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Final

from runweaver.query.many_runs.aggregate import Aggregate, Era
from runweaver.query.many_runs.findings import (
    ChangeFinding,
    ChangeKind,
    Direction,
    ErrorFinding,
    GoalFinding,
    IntentFinding,
    LossFinding,
    NodeFinding,
    OptionFinding,
    PairFinding,
    Trend,
    TrendPoint,
)
from runweaver.query.many_runs.rate import Rate, chance_of_none
from runweaver.query.many_runs.tallies import ChoiceKey, ErrorKey, ErrorTally, LostTally, NodeTally
from runweaver.shared.figures import latency_of

#: How many of the goals of an error are named.
_MOST_GOALS: Final = 20
_TREND_POINTS: Final = 8
#: A pair is told where it was tried so often.
_FEWEST_TRIED: Final = 5
#: What is more likely than this by chance alone is not told as a change.
_MOST_CHANCE: Final = 0.05


def goals(aggregate: Aggregate, limit: int) -> list[GoalFinding]:
    """Goals, those that lost most runs first."""
    found = [GoalFinding(goal=goal, success=ended.rate) for goal, ended in aggregate.goals.items()]
    return sorted(found, key=lambda each: (-each.success.rest.count, each.goal))[:limit]


def trend(aggregate: Aggregate, before: Rate, now: Rate, since_ms: int, until_ms: int) -> Trend:
    """How the success rate went on, and whether it is another than before."""
    length = max(1, until_ms - since_ms)
    completed, total = [0] * _TREND_POINTS, [0] * _TREND_POINTS
    for ended_at_ms, is_completed in aggregate.ends:
        place = min(_TREND_POINTS - 1, max(0, (ended_at_ms - since_ms) * _TREND_POINTS // length))
        completed[place] += is_completed
        total[place] += 1
    points = [
        TrendPoint(
            since=moment(since_ms + place * length // _TREND_POINTS),
            success=Rate(count=completed[place], total=total[place]),
        )
        for place in range(_TREND_POINTS)
    ]
    return Trend(points=points, before=before, now=now, direction=direction_of(before, now))


def direction_of(before: Rate, now: Rate) -> Direction:
    """Whether a rate is another than before, as far as that is no chance."""
    if not before.total or not now.total:
        return Direction.UNKNOWN
    if now.is_clearly_above(before):
        return Direction.BETTER
    return Direction.WORSE if before.is_clearly_above(now) else Direction.STEADY


def errors(aggregate: Aggregate, limit: int) -> list[ErrorFinding]:
    """Errors, those that most runs met first."""
    found = sorted(aggregate.errors.items(), key=lambda item: (-item[1].examples.runs, -item[1].count, item[0]))
    return [_error(key, tally) for key, tally in found[:limit]]


def losses(aggregate: Aggregate, limit: int) -> list[LossFinding]:
    """Ways in which runs were lost, those that lost most first."""
    found = [
        LossFinding(
            **{**key._asdict(), "intent": aggregate.told(key.choice)},
            runs=tally.examples.runs,
            goals=_top(tally.goals),
            run_ids=tally.examples.run_ids,
        )
        for key, tally in aggregate.breakdowns.items()
    ]
    if aggregate.unexplained.examples.runs:
        found.append(_unexplained(aggregate.unexplained))
    return sorted(found, key=lambda each: (-each.runs, each.node, each.intent, each.error))[:limit]


def nodes(aggregate: Aggregate, limit: int) -> list[NodeFinding]:
    """Nodes, those that fail most often first."""
    found = [_node(node, tally) for node, tally in aggregate.nodes.items()]
    return sorted(found, key=lambda each: (-each.failures.rate, -each.decisions, each.node))[:limit]


def intents(aggregate: Aggregate, limit: int) -> list[IntentFinding]:
    """What the agents want, the most frequent first; those with several ways before those with one."""
    ways: defaultdict[tuple[str, str], list[ChoiceKey]] = defaultdict(list)
    for key in aggregate.choices:
        ways[key.node, key.intent].append(key)
    found = []
    for (node, _), keys in ways.items():
        tallies = [aggregate.choices[key] for key in keys]
        tallies.sort(key=lambda each: (-each.runs.rate.total, each.choice))
        options = [
            OptionFinding(
                option=tally.choice.option,
                description=tally.choice.description,
                successes=Rate(count=tally.succeeded, total=tally.succeeded + tally.failed),
                runs=tally.runs.rate,
                first=tally.first.rate,
            )
            for tally in tallies
        ]
        found.append(IntentFinding(node=node, intent=min(tally.choice.intent for tally in tallies), options=options))
    return sorted(found, key=lambda each: (len(each.options) == 1, -_tried(each), each.node, each.intent))[:limit]


def pairs(aggregate: Aggregate, limit: int) -> list[PairFinding]:
    """Pairs of a node and an option that fail far more often than all others together."""
    failed: Counter[tuple[str, str]] = Counter()
    tried: Counter[tuple[str, str]] = Counter()
    for key, tally in aggregate.choices.items():
        failed[key.node, key.option] += tally.failed
        tried[key.node, key.option] += tally.failed + tally.succeeded
    all_failed, all_tried = failed.total(), tried.total()
    found = []
    for (node, option), total in tried.items():
        own = Rate(count=failed[node, option], total=total)
        rest = Rate(count=all_failed - own.count, total=all_tried - own.total)
        if total >= _FEWEST_TRIED and rest.total and own.is_clearly_above(rest):
            found.append(PairFinding(node=node, option=option, failures=own, rest=rest))
    return sorted(found, key=lambda each: (-each.failures.rate, -each.failures.count, each.node, each.option))[:limit]


def changes(before: Era, now: Era, limit: int) -> list[ChangeFinding]:
    """Errors that came or went since the time before, where chance is an unlikely reason."""
    if not before.runs or not now.runs:
        return []
    found = []
    for key in before.errors.keys() ^ now.errors.keys():
        kind = ChangeKind.NEW_ERROR if key in now.errors else ChangeKind.GONE_ERROR
        here, there = (now, before) if kind is ChangeKind.NEW_ERROR else (before, now)
        examples = here.errors[key]
        rates = Rate(count=examples.runs, total=here.runs), Rate(count=0, total=there.runs)
        if chance_of_none(rates[0], there.runs) < _MOST_CHANCE:
            new, old = rates if kind is ChangeKind.NEW_ERROR else reversed(rates)
            found.append(ChangeFinding(kind=kind, **key._asdict(), before=old, now=new, run_ids=examples.run_ids))
    return sorted(found, key=lambda each: (each.kind, -each.now.count - each.before.count, each.node, each.error))[
        :limit
    ]


def quantile(steps: Counter[int], share: float) -> int | None:
    """The latency (ms) that this share of the counted ones does not exceed, to within half a step."""
    left = share * steps.total()
    for step in sorted(steps):
        left -= steps[step]
        if left <= 0:
            return latency_of(step)
    return None


def moment(milliseconds: int) -> datetime:
    """The time so many milliseconds after 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _error(key: ErrorKey, tally: ErrorTally) -> ErrorFinding:
    return ErrorFinding(
        **key._asdict(),
        count=tally.count,
        recovered=tally.recovered,
        runs=tally.runs.rate,
        goals=_top(tally.goals),
        first_at=moment(tally.examples.first_ms),
        last_at=moment(tally.examples.last_ms),
        run_ids=tally.examples.run_ids,
    )


def _unexplained(tally: LostTally) -> LossFinding:
    return LossFinding(
        kind=None,
        node="",
        intent="",
        option="",
        error="",
        runs=tally.examples.runs,
        goals=_top(tally.goals),
        run_ids=tally.examples.run_ids,
    )


def _node(node: str, tally: NodeTally) -> NodeFinding:
    tried = tally.succeeded + tally.failed
    return NodeFinding(
        node=node,
        runs=tally.runs,
        decisions=tried + tally.pending,
        failures=Rate(count=tally.failed, total=tried),
        latency_p50_ms=quantile(tally.latencies, 0.5),
        latency_p95_ms=quantile(tally.latencies, 0.95),
        tokens=tally.tokens,
        tokens_a_run=tally.tokens / tally.runs,
    )


def _tried(intent: IntentFinding) -> int:
    return sum(option.runs.total for option in intent.options)


def _top(goals_: Counter[str]) -> dict[str, int]:
    return dict(sorted(goals_.items(), key=lambda item: (-item[1], item[0]))[:_MOST_GOALS])
