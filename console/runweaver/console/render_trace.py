"""How the timeline of a run looks on a terminal: a tree by node, made line by line."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

from rich.text import Text

from runweaver.console.render import plain
from runweaver.console.render_why import one_line
from runweaver.query.one_run.telling import quote
from runweaver.query.one_run.trace import DecisionDetails, EntryKind, TraceEntry
from runweaver.shared.decision import Option
from runweaver.shared.wording import spell_duration

_LONGEST_ERROR: Final = 100
_LONGEST_DETAIL: Final = 1_000
_MARKS: Final = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "pending": ("…", "yellow"),
    "critical": ("‼", "bold red"),
    "warning": ("!", "yellow"),
    "minor": ("·", "dim"),
}


def trace_lines(entries: Iterable[TraceEntry], *, width: int) -> Iterator[Text]:
    """The lines of a timeline, of so many characters. They come while it is read: a run may be long."""
    for node, group in groupby(_under_nodes(entries), key=itemgetter(0)):
        yield plain(f"[{node}]" if node is not None else "before the first decision", "bold")
        for entry, is_last in _with_last(entry for _, entry in group):
            yield from _entry_lines(entry, is_last=is_last, width=width)


def _under_nodes(entries: Iterable[TraceEntry]) -> Iterator[tuple[str | None, TraceEntry]]:
    """Each entry with the node that the run was in. A problem does not lead to another one."""
    node = None
    for entry in entries:
        if entry.kind is EntryKind.DECISION:
            node = entry.node
        yield node, entry


def _with_last(entries: Iterator[TraceEntry]) -> Iterator[tuple[TraceEntry, bool]]:
    held = next(entries)
    for entry in entries:
        yield held, False
        held = entry
    yield held, True


def _entry_lines(entry: TraceEntry, *, is_last: bool, width: int) -> Iterator[Text]:
    mark, style = _MARKS[entry.mark]
    branch = Text("└─ " if is_last else "├─ ", style="dim")
    line = branch + Text(f"{_offset(entry.offset_ms)} ", style="dim") + Text(f"{mark} ", style=style)
    if entry.kind is EntryKind.PROBLEM:
        yield line + plain(f"{entry.mark} problem: {quote(entry.text)}", style) + plain(f"  {entry.id}", "dim")
        return
    yield one_line(line, quote(entry.text), entry.chosen, f"  {_spent(entry)}{entry.id}", width=width)
    trunk = Text("     " if is_last else "│    ", style="dim")
    # With the details comes the whole of it.
    if entry.error and entry.details is None:
        yield trunk + plain(quote(entry.error, _LONGEST_ERROR), "red")
    if entry.details is not None:
        for text, its_style in _detail_lines(entry.details, entry.error):
            yield trunk + plain(text, its_style)


def _detail_lines(details: DecisionDetails, error: str | None) -> Iterator[tuple[str, str]]:
    if details.reasoning:
        yield f"because: {quote(details.reasoning, _LONGEST_DETAIL)}", "dim"
    for constraint in details.constraints:
        yield f"constraint: {quote(constraint)}", "dim"
    for option in details.options:
        is_chosen = option.id == details.chosen_option_id
        yield f"{'●' if is_chosen else '○'} {_option(option)}", "" if is_chosen else "dim"
    if error:
        yield f"error: {error}", "red"
    elif details.result:
        yield f"result: {details.result}", "dim"


def _option(option: Option) -> str:
    parts = [f"{quote(option.id)}: {quote(option.description, _LONGEST_DETAIL)}"]
    if option.confidence != Option.model_fields["confidence"].default:
        parts.append(f"confidence {option.confidence:.2g}")
    parts += [f"+ {quote(pro)}" for pro in option.pros]
    parts += [f"− {quote(con)}" for con in option.cons]
    return "  ".join(parts)


def _spent(entry: TraceEntry) -> str:
    took = f"{spell_duration(entry.took_ms)} · " if entry.took_ms is not None else ""
    tokens = f"{entry.tokens:,} tokens · " if entry.tokens else ""
    return took + tokens


def _offset(milliseconds: int) -> str:
    """`+1:02:03.4`, as wide for all of a usual run."""
    sign = "-" if milliseconds < 0 else "+"
    minutes, rest = divmod(abs(milliseconds) // 100, 600)
    hours, minutes = divmod(minutes, 60)
    seconds, tenth = divmod(rest, 10)
    clock = f"{minutes:02}:{seconds:02}.{tenth}"
    return f"{sign}{hours}:{clock}" if hours else f"{sign}{clock}"
