"""How summaries and runs look on a terminal."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from runweaver.shared.attention import Attention
from runweaver.shared.decision import Decision
from runweaver.shared.evidence import Evidence
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary
from runweaver.shared.wording import spell_duration
from runweaver.worker import DeadLetter
from runweaver.worker.narrate import PLAIN

#: From this width (characters) a table shows all its columns.
_WIDE: Final = 110

#: Control characters but for tabs and line breaks, as the signs that stand for them.
_SHOWN_CONTROLS: Final = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},
    **dict.fromkeys(range(0x7F, 0xA0), 0xFFFD),
}

_STATUS_STYLES: Final = {
    RunStatus.RUNNING: "cyan",
    RunStatus.COMPLETED: "green",
    RunStatus.FAILED: "red",
    RunStatus.STUCK: "yellow",
    RunStatus.CANCELLED: "magenta",
}


_ATTENTION_STYLE: Final = "bold yellow"


def summary_table(summaries: Iterable[RunSummary], *, width: int) -> Table:
    """One line a run; the less important columns only where the terminal is wide enough.

    A run that needs attention has an exclamation mark after its status.
    """
    is_wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True)
    table.add_column("goal", overflow="fold", min_width=12)
    table.add_column("status", no_wrap=True)
    if is_wide:
        table.add_column("ended (UTC)", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("decisions", no_wrap=True)
    if is_wide:
        table.add_column("problems", justify="right")
    for summary in summaries:
        failed = f" ({summary.failed_decisions} ✗)" if summary.failed_decisions else ""
        status = status_text(summary.status) + Text(" !" if summary.attention else "", style=_ATTENTION_STYLE)
        row: list[RenderableType] = [plain(summary.run_id), plain(summary.goal_id), status]
        if is_wide:
            row.append(f"{summary.finished_at:%Y-%m-%d %H:%M:%S}")
        row += [spell_duration(summary.duration_ms), f"{summary.decision_count}{failed}"]
        if is_wide:
            row.append(str(summary.problem_count or ""))
        table.add_row(*row)
    return table


def summary_panel(summary: RunSummary, *, trace_url: str | None = None) -> Panel:
    """One summary in full.

    Args:
        summary: what to show.
        trace_url: the address of a trace, with `{trace_id}` and `{span_id}` where these belong.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    goal = f"{summary.goal_id} · {summary.goal_description}" if summary.goal_description else summary.goal_id
    facts.add_row("goal", plain(goal))
    facts.add_row("status", status_text(summary.status))
    facts.add_row("time", f"{summary.started_at:%Y-%m-%d %H:%M:%S} UTC, {spell_duration(summary.duration_ms)}")
    facts.add_row(
        "decisions",
        f"{summary.decision_count}, of which {summary.failed_decisions} failed and {summary.pending_decisions} pending "
        f"({summary.success_rate:.0%} succeeded)",
    )
    facts.add_row("spent", f"{summary.tokens:,} tokens, {spell_duration(summary.latency_ms)} in outcomes")
    facts.add_row("nodes", plain(" → ".join(summary.nodes)))
    if summary.tags:
        facts.add_row("tags", plain(", ".join(summary.tags)))
    if summary.trace_id is not None:
        facts.add_row("trace", plain(_trace_text(summary.trace_id, summary.span_id or "", trace_url)))
    facts.add_row("complete", completeness_text(summary))
    # What comes along need not be said.
    if summary.narrator not in ("", PLAIN):
        facts.add_row("told by", plain(summary.narrator))
    for title, attention in zip(["attention", *[""] * len(summary.attention)], summary.attention, strict=False):
        facts.add_row(title, attention_text(attention))
    parts: list[RenderableType] = [facts, Text(), plain(summary.narrative)]
    for title, lines in (
        ("Key decisions", summary.key_decisions),
        ("Critical problems", summary.critical_problems),
        ("Warnings", summary.warnings),
        ("What worked", summary.successes),
    ):
        if lines:
            parts += [Text(f"\n{title}", style="bold"), *(plain(f"  {line}") for line in lines)]
    return Panel(
        Group(*parts),
        title=plain(summary.run_id),
        subtitle=f"revision {summary.revision}" if summary.revision else "not summarised yet",
        title_align="left",
        subtitle_align="right",
    )


def _trace_text(trace_id: str, span_id: str, url: str | None) -> str:
    if url is not None:
        return url.replace("{trace_id}", trace_id).replace("{span_id}", span_id)
    return f"{trace_id}, span {span_id}" if span_id else trace_id


def evidence_lines(summary: RunSummary) -> Iterable[Text]:
    """The narrative, sentence by sentence, each with what it rests on; then each flag with its threshold."""
    if not summary.evidence:
        yield Text(
            "What the narrative rests on is not known: it comes from the agent, another narrator or an old release."
        )
    for each in summary.evidence:
        yield plain(each.sentence)
        yield plain(f"    {_grounds(each)}", style="dim")
    for attention in summary.attention:
        where = f"; {_ids('decisions', attention.decision_ids)}" if attention.decision_ids else ""
        yield attention_text(attention)
        yield plain(f"    {attention.value:,}, where {attention.threshold:,} would go unnoticed{where}", style="dim")


def _grounds(evidence: Evidence) -> str:
    named = [_ids("decisions", evidence.decision_ids), _ids("problems", evidence.problem_ids)]
    node = f"node {evidence.node}" if evidence.node is not None else ""
    return "; ".join(part for part in ("the whole run" if evidence.whole_run else "", *named, node) if part)


def _ids(what: str, ids: Sequence[str]) -> str:
    return f"{what} {', '.join(ids)}" if ids else ""


def decision_lines(run: Run) -> Iterable[Text]:
    """Every decision of a run, with its options and what came of it."""
    for decision in run.decisions:
        yield Text(f"{decision.timestamp:%H:%M:%S.%f} "[:-4] + " ") + plain(decision.summary_for_builder())
        yield from (plain(f"    {line}", style="dim") for line in _details(decision))


def _details(decision: Decision) -> Iterable[str]:
    if decision.reasoning:
        yield f"because: {decision.reasoning}"
    others = [option.description for option in decision.options if option.id != decision.chosen_option_id]
    if others:
        yield f"instead of: {'; '.join(others)}"
    outcome = decision.outcome
    if outcome is not None:
        told = outcome.summary or outcome.error or ("succeeded" if outcome.success else "failed")
        yield f"outcome: {told} ({spell_duration(outcome.latency_ms)}, {outcome.tokens_used:,} tokens)"


def letter_facts(letter: DeadLetter) -> Table:
    """A dead letter with all that is known about it."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("id", letter.id)
    facts.add_row("when", f"{letter.at:%Y-%m-%d %H:%M:%S} UTC")
    facts.add_row("why", plain(f"{letter.code}: {letter.reason}"))
    facts.add_row("from", plain(f"entry {letter.entry_id}, place {letter.position}"))
    facts.add_row("bytes", f"{len(letter.message):,}")
    facts.add_row("message", plain(letter.message.decode(errors="backslashreplace")))
    return facts


def plain(text: str, style: str = "") -> Text:
    """What an agent reported, as it can be shown: what a terminal would obey (escape sequences) is shown instead."""
    return Text(shown(text), style=style)


def shown(text: str) -> str:
    """The same as text."""
    return text.translate(_SHOWN_CONTROLS)


def status_text(status: RunStatus) -> Text:
    """A status in its colour."""
    return Text(status.value, style=_STATUS_STYLES[status])


def attention_text(attention: Attention) -> Text:
    """A flag in its colour, and what was found."""
    return Text(attention.flag.value, style=_ATTENTION_STYLE) + plain(f": {attention.reason}")


def completeness_text(summary: RunSummary) -> str:
    """How much of what was sent is in it, in words."""
    completeness = summary.completeness
    text = f"{completeness.received:,} messages"
    if completeness.declared:
        text += f" of {completeness.declared:,} declared"
    if completeness.missing:
        text += f", {completeness.missing:,} missing"
    if completeness.dropped:
        text += f" ({completeness.dropped:,} dropped by the producer)"
    if completeness.shed:
        text += f", {completeness.shed:,} without their payload"
    if completeness.late:
        text += f", {completeness.late:,} came late"
    return text
