"""How a comparison of two runs looks on a terminal: numbers side by side, then where they part."""

from collections.abc import Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from runweaver.console.render import plain, status_text
from runweaver.console.render_why import step_text
from runweaver.query.one_run.telling import Step, counted, quote
from runweaver.query.two_runs.comparison import Comparison, Divergence, DivergenceKind, Side
from runweaver.query.two_runs.parameters import named
from runweaver.shared.wording import spell_duration

#: How two runs differ at a place, in words.
TITLES: Final = {
    DivergenceKind.PATH: "the steps differ",
    DivergenceKind.CHOICE: "another choice",
    DivergenceKind.PARAMETERS: "the same choice, with other parameters",
    DivergenceKind.RESULT: "the same choice, with another result",
}


def comparison_table(comparison: Comparison) -> Table:
    """What became of both, and what it cost."""
    a, b = comparison.a, comparison.b
    table = Table("", "A", "B", box=None, pad_edge=False, header_style="bold")
    table.add_row("run", plain(a.run_id), plain(b.run_id))
    table.add_row("goal", plain(a.goal_id), plain(b.goal_id))
    table.add_row("status", status_text(a.status), status_text(b.status))
    table.add_row("decisions", _decisions(a), _decisions(b))
    table.add_row("problems", _problems(a), _problems(b))
    table.add_row("time", spell_duration(a.duration_ms), spell_duration(b.duration_ms))
    table.add_row("in outcomes", spell_duration(a.latency_ms), spell_duration(b.latency_ms))
    table.add_row("tokens", f"{a.tokens:,}", f"{b.tokens:,}")
    return table


def comparison_lines(comparison: Comparison, *, width: int) -> Iterator[Text]:
    """How far they go together, and where they part."""
    yield Text(f"\n{_together(comparison)}")
    if comparison.first_divergence is None:
        yield Text("\nThey do not part anywhere.", style="bold")
        return
    yield from _divergence_lines("First divergence", comparison.first_divergence, width)
    for number, divergence in enumerate(comparison.later_divergences, start=2):
        yield from _divergence_lines(f"Divergence {number}", divergence, width)
    more = comparison.divergences - 1 - len(comparison.later_divergences)
    if more:
        yield Text(f"\n{counted(more, 'more divergence')} after that.", style="dim")


def _together(comparison: Comparison) -> str:
    text = f"{counted(comparison.aligned, 'step')} in common, {comparison.same:,} of them the very same choice"
    if comparison.reworded:
        text += f", {comparison.reworded:,} in other words"
    return f"{text}; {comparison.only_a:,} only in A, {comparison.only_b:,} only in B."


def _divergence_lines(title: str, divergence: Divergence, width: int) -> Iterator[Text]:
    yield Text(f"\n{title}: {TITLES[divergence.kind]}", style="bold")
    yield from _side_lines("A", divergence.a, divergence.a_count, divergence.a_next, width)
    yield from _side_lines("B", divergence.b, divergence.b_count, divergence.b_next, width)
    if divergence.changed:
        yield plain(f"    A → B: {named(divergence.changed)}", "cyan")


def _side_lines(side: str, steps: list[Step], count: int, following: Step | None, width: int) -> Iterator[Text]:
    for step in steps:
        yield step_text(step, lead=f"  {side} ", width=width)
        if step.told:
            yield plain(f"      {quote(step.told, max(width - 6, 24))}", "dim")
    if count > len(steps):
        yield Text(f"  {side}   and {count - len(steps):,} more", style="dim")
    if not steps and following is not None:
        yield step_text(following, lead=f"  {side} no such step; it went on with ", width=width)
    elif not steps:
        yield Text(f"  {side} no such step: it had ended", style="dim")


def _decisions(side: Side) -> str:
    parts = [f"{side.decisions:,}"]
    if side.failed_decisions:
        parts.append(f"{side.failed_decisions:,} failed")
    if side.pending_decisions:
        parts.append(f"{side.pending_decisions:,} pending")
    return ", ".join(parts)


def _problems(side: Side) -> str:
    parts = [
        f"{count:,} {what}"
        for count, what in ((side.critical_problems, "critical"), (side.warnings, "to warn of"))
        if count
    ]
    return ", ".join(parts) or "none"
