"""How running and just-finished runs look on a terminal."""

import re
from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from runweaver.console.render import plain, status_text
from runweaver.query import Look, OpenRun
from runweaver.shared.summary import RunSummary
from runweaver.shared.wording import spell_duration

#: From this width (characters) a table shows what a run is about.
_WIDE: Final = 100
#: What is shown of a text that may be long.
_MOST_CHARACTERS: Final = 200
_FIRST_SENTENCE: Final = re.compile(r".+?[.!?](?=\s|$)")


def running_table(look: Look, *, rows: int, width: int) -> Table:
    """Runs that go on, those last heard of first."""
    others = look.total - min(rows, len(look.runs))
    title = f"{look.total:,} open" + (f", {others:,} not shown" if others else "")
    table = _table(title)
    for name in ("run", "goal", "for", "silent for", "decisions"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("for", "silent for", "decisions") else "left")
    if width >= _WIDE:
        table.add_column("at", no_wrap=True, overflow="ellipsis", ratio=1)
    for each in look.runs[:rows]:
        silent_ms = max(0, round((look.at - each.heard_at).total_seconds()) * 1000)
        row = [plain(each.run_id), *_of_run(each, look), Text(spell_duration(silent_ms)), _decisions(each)]
        if width >= _WIDE:
            row.append(_at(each))
        table.add_row(*row)
    return table


def finished_table(summaries: Sequence[RunSummary], *, width: int) -> Table:
    """Runs that have finished, in this order."""
    table = _table("finished")
    for name in ("run", "goal", "status", "took", "✗", "attention"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("took", "✗") else "left")
    if width >= _WIDE:
        table.add_column("what happened", no_wrap=True, overflow="ellipsis", ratio=1)
    for summary in summaries:
        row = [
            plain(summary.run_id),
            plain(summary.goal_id),
            status_text(summary.status),
            Text(spell_duration(summary.duration_ms)),
            Text(str(summary.failed_decisions or "")),
            Text(_flags(summary), style="yellow"),
        ]
        if width >= _WIDE:
            row.append(plain(telling_sentence(summary)))
        table.add_row(*row)
    return table


def finished_line(summary: RunSummary) -> Text:
    """The same in one line."""
    parts = [
        Text(f"{summary.finished_at:%Y-%m-%d %H:%M:%S}"),
        plain(_one_line(summary.run_id)),
        plain(_one_line(summary.goal_id)),
        status_text(summary.status),
        Text(spell_duration(summary.duration_ms)),
        *([Text(f"{summary.failed_decisions} ✗")] if summary.failed_decisions else []),
        *([Text(f"[{_flags(summary)}]", style="yellow")] if summary.attention else []),
        plain(telling_sentence(summary)),
    ]
    return Text("  ").join(parts)


def telling_sentence(summary: RunSummary) -> str:
    """The first sentence that says more than how it ended, in one line; or else how the narrative begins."""
    telling = next((each.sentence for each in summary.evidence if not each.whole_run), None)
    if telling is not None:
        return _one_line(telling[: 2 * _MOST_CHARACTERS])[:_MOST_CHARACTERS]
    line = _one_line(summary.narrative[: 2 * _MOST_CHARACTERS])
    match = _FIRST_SENTENCE.match(line)
    return (match[0] if match else line)[:_MOST_CHARACTERS]


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim", expand=True
    )


def _of_run(each: OpenRun, look: Look) -> list[Text]:
    """The goal, and for how long it has gone on."""
    if each.run is None:
        return [Text("?", style="dim"), Text()]
    ran_ms = max(0, round((look.at - each.run.started_at).total_seconds()) * 1000)
    return [plain(_one_line(each.run.goal_id)), Text(spell_duration(ran_ms))]


def _decisions(each: OpenRun) -> Text:
    if each.run is None:
        # One that was not read yet will be in one of the next looks.
        return Text(f"({each.messages:,} messages)" if each.messages else "…", style="dim")
    return Text(f"{each.run.metrics.total_decisions:,}")


def _at(each: OpenRun) -> Text:
    """The last decision: where, and what for."""
    if each.run is None or not each.run.decisions:
        return Text()
    last = each.run.decisions[-1]
    return plain(_one_line(f"[{last.node_id}] {last.intent}"[:_MOST_CHARACTERS]))


def _flags(summary: RunSummary) -> str:
    return ", ".join(dict.fromkeys(each.flag.value for each in summary.attention))


def _one_line(text: str) -> str:
    return " ".join(text.split())
