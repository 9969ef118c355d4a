"""How insights over many runs look on a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runweaver.console.render import plain
from runweaver.query import (
    ChangeFinding,
    ChangeKind,
    Difference,
    Direction,
    ErrorFinding,
    GoalContrast,
    GoalInsights,
    GoalSuggestion,
    HabitFinding,
    IntentFinding,
    LossFinding,
    NodeFinding,
    OptionFinding,
    PairFinding,
    SignFinding,
)
from runweaver.shared.wording import spell_duration

_BARS: Final = "▁▂▃▄▅▆▇█"
_DIRECTIONS: Final = {
    Direction.BETTER: "better than",
    Direction.WORSE: "worse than",
    Direction.STEADY: "no clear difference to",
    Direction.UNKNOWN: "nothing to compare with",
}
_FEW: Final = {0.0: "never", 1.0: "once"}
_MOST_RUNS_NAMED: Final = 3
_MOST_GOALS_NAMED: Final = 4


def insight_parts(insights: GoalInsights) -> Iterator[RenderableType]:
    """All sections that have something to tell, the most telling first."""
    yield _headline(insights)
    yield from suggestion_parts(insights)
    sections: list[tuple[str, Iterable[RenderableType]]] = [
        ("Where runs were lost", map(_loss, insights.losses)),
        ("Errors that keep coming", map(_error, insights.errors)),
        ("Far more failures than the rest", map(_pair, insights.pairs)),
        ("Whose runs complete clearly more, or less, often", map(_sign, insights.signs)),
        ("Nodes", [_nodes(insights.nodes)] if insights.nodes else []),
        ("Ways to the same thing", map(_intent, (each for each in insights.intents if len(each.options) > 1))),
        ("What changed", map(_change, insights.changes)),
        ("How often completed runs took a way, and lost runs of the same goal", map(_contrast, insights.contrasts)),
        ("What completed runs do differently, over goals", map(_habit, insights.habits)),
        ("Goals", [_goals(insights)] if insights.goal is None and len(insights.goals) > 1 else []),
    ]
    for title, parts in sections:
        yield from _section(title, parts)


def suggestion_parts(insights: GoalInsights) -> Iterator[RenderableType]:
    """What to change, if anything."""
    yield from _section("What to change first", map(_suggestion, insights.suggestions))


def _section(title: str, parts: Iterable[RenderableType]) -> Iterator[RenderableType]:
    shown = list(parts)
    if shown:
        yield Text(f"\n{title}", style="bold")
        yield from shown


def _headline(insights: GoalInsights) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("goal", plain(insights.goal or "all goals") + Text(f" · tag {insights.tag}" if insights.tag else ""))
    since = f"{insights.since:%Y-%m-%d %H:%M}" if insights.since is not None else "the first run"
    facts.add_row("period", f"{since} to {insights.until:%Y-%m-%d %H:%M} UTC")
    statuses = ", ".join(f"{count:,} {status}" for status, count in insights.statuses.items())
    facts.add_row("runs", f"{insights.runs:,}: {statuses}" + (" (the newest of more)" if insights.truncated else ""))
    low, high = insights.success.low, insights.success.high
    facts.add_row("success", f"{insights.success}, 95 % sure to be {low:.0%} to {high:.0%}")
    facts.add_row("trend", _trend(insights))
    if insights.duration_p50_ms is not None and insights.duration_p95_ms is not None:
        half, most = spell_duration(insights.duration_p50_ms), spell_duration(insights.duration_p95_ms)
        facts.add_row("time", f"half of the runs up to {half}, 95 % up to {most}")
    facts.add_row("spent", f"{insights.decisions:,} decisions, {insights.tokens:,} tokens")
    if insights.attention:
        facts.add_row("attention", ", ".join(f"{count:,} {flag}" for flag, count in insights.attention.items()))
    if insights.without_figures:
        facts.add_row("", f"{insights.without_figures:,} runs of an earlier release are counted, and no more is known")
    if insights.sampled_out:
        facts.add_row("", f"{insights.sampled_out:,} that failed are in no sample, and left out: see --tag sampled-out")
    return facts


def _trend(insights: GoalInsights) -> str:
    trend = insights.trend
    bars = "".join(
        _BARS[round(point.success.rate * (len(_BARS) - 1))] if point.success.total else " " for point in trend.points
    )
    if trend.direction is Direction.UNKNOWN:
        return f"{bars}  {_DIRECTIONS[trend.direction]}"
    before = "before" if insights.since is not None else "the older half of the time"
    return f"{bars}  {trend.now}, {_DIRECTIONS[trend.direction]} {before}: {trend.before}"


def _suggestion(suggestion: GoalSuggestion) -> RenderableType:
    saves = "" if suggestion.saves is None else f" Up to {_runs(suggestion.saves)}."
    return _item(suggestion.sentence, suggestion.because + saves, suggestion.run_ids)


def _loss(loss: LossFinding) -> RenderableType:
    where = f"[{loss.node}] {loss.intent}, with “{loss.option}”: " if loss.node else ""
    what = loss.error or ("nothing shows why" if loss.kind is None else loss.kind.value.replace("_", " "))
    return _item(f"{loss.runs:,} × {where}{what}", _goals_of(loss.goals), loss.run_ids)


def _error(error: ErrorFinding) -> RenderableType:
    told = (
        f"{error.count:,} ×, of which {error.recovered:,} made up for; of the runs that met it {error.runs} "
        f"completed. {_goals_of(error.goals)}"
    )
    return _item(f"[{error.node}] {error.option}: {error.error or 'no error was told'}", told, error.run_ids)


def _pair(pair: PairFinding) -> RenderableType:
    return _item(f"[{pair.node}] {pair.option}", f"{pair.failures} failed; of all others {pair.rest}", [])


def _sign(sign: SignFinding) -> RenderableType:
    told = f"{sign.taken} of its runs completed; of all others {sign.others}"
    return _item(_way(sign.node, sign.intent, sign.option), told, [])


def _nodes(nodes: Sequence[NodeFinding]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    for title in ("  node", "runs", "failed", "p50", "p95", "tokens a run"):
        table.add_column(title, justify="left" if title == "  node" else "right", no_wrap=title != "  node")
    for node in nodes:
        table.add_row(
            Text("  ") + plain(node.node),
            f"{node.runs:,}",
            str(node.failures),
            spell_duration(node.latency_p50_ms) if node.latency_p50_ms is not None else "–",
            spell_duration(node.latency_p95_ms) if node.latency_p95_ms is not None else "–",
            f"{node.tokens_a_run:,.0f}",
        )
    return table


def _intent(intent: IntentFinding) -> RenderableType:
    return _item(f"[{intent.node}] {intent.intent}", "\n".join(map(_option, intent.options)), [])


def _option(option: OptionFinding) -> str:
    told = f"“{option.option}”: {option.successes} worked"
    if not option.first.total:
        return f"{told}; no run began with it"
    return f"{told}; of the runs that began with it {option.first} completed"


def _change(change: ChangeFinding) -> RenderableType:
    what = "new" if change.kind is ChangeKind.NEW_ERROR else "gone"
    told = f"{change.now} of the runs, before {change.before}"
    return _item(f"{what}: [{change.node}] {change.option}: {change.error}", told, change.run_ids)


def _contrast(contrast: GoalContrast) -> RenderableType:
    told = "\n".join(map(_difference, contrast.differences))
    return _item(f"{contrast.goal}: {contrast.success} completed", told, [])


def _difference(difference: Difference) -> str:
    completed, lost = _often(difference.completed_times), _often(difference.lost_times)
    return f"{_way(difference.node, difference.intent, difference.option)}: {completed}, lost runs {lost}"


def _habit(habit: HabitFinding) -> RenderableType:
    told = f"more often in {len(habit.more_in)} goals, less often in {len(habit.less_in)} (chance: {habit.chance:.1%})"
    return _item(_way(habit.node, habit.intent, habit.option), told, [])


def _goals(insights: GoalInsights) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    for goal in insights.goals:
        table.add_row(Text("  ") + plain(goal.goal), f"{goal.success} completed")
    return table


def _item(head: str, told: str, run_ids: Sequence[str]) -> RenderableType:
    lines = [plain(head)]
    if told:
        lines += [plain(line, style="dim") for line in told.split("\n")]
    if run_ids:
        lines.append(plain(f"see {', '.join(run_ids[:_MOST_RUNS_NAMED])}", style="dim"))
    lines[1:] = [Text("  ") + line for line in lines[1:]]
    return Padding(Text("\n").join(lines), (0, 0, 0, 2))


def _way(node: str, intent: str, option: str) -> str:
    """What was wanted and taken, but not twice: an intent often names it already."""
    return f"[{node}] {intent}" + (f" → {option}" if option and option not in intent else "")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _goals_of(goals: dict[str, int]) -> str:
    named = [f"{goal} ({count:,})" if count > 1 else goal for goal, count in list(goals.items())[:_MOST_GOALS_NAMED]]
    more = f" and {len(goals) - _MOST_GOALS_NAMED} more" if len(goals) > _MOST_GOALS_NAMED else ""
    return f"Goals: {', '.join(named)}{more}."


def _often(times: float) -> str:
    if times in _FEW:
        return _FEW[times]
    return f"{times:.1f} times" if times % 1 else f"{times:.0f} times"
