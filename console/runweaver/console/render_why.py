"""How an explanation looks on a terminal: the verdict first, and behind each sentence the ids that it rests on."""

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runweaver.console.render import plain
from runweaver.query.one_run.explanation import Cause, CauseSource, Explanation, Suggestion
from runweaver.query.one_run.telling import Result, Step, quote
from runweaver.shared.evidence import Evidence

#: So many ids are shown behind a sentence; `--json` has more.
_MOST_IDS: Final = 3
#: So much of a choice is shown also where a terminal is too narrow for it (characters).
_SHORTEST_CHOICE: Final = 24

MARKS: Final = {Result.SUCCEEDED: "✓", Result.FAILED: "✗", Result.PENDING: "…"}
MARK_STYLES: Final = {Result.SUCCEEDED: "green", Result.FAILED: "red", Result.PENDING: "yellow"}


def explanation_view(explanation: Explanation, *, width: int) -> Group:
    """What to print, for a terminal of so many characters."""
    parts: list[RenderableType] = [plain(explanation.verdict.sentence, "bold") + _ids(explanation.verdict)]
    if explanation.chain and explanation.point is not None:
        parts.append(Text("\nWhat led there", style="bold"))
        for link in explanation.chain:
            parts += [step_text(link, lead="  ", width=width), plain(f"    {link.why}", "dim")]
        parts.append(step_text(explanation.point, lead="  ", width=width))
    for title, sentences in (
        ("Root cause, as far as the run shows", _with_source(explanation.causes)),
        ("Also worth knowing", [(evidence, "") for evidence in explanation.observations]),
        ("Suggestions", _with_source(explanation.suggestions)),
    ):
        if sentences:
            parts += [Text(f"\n{title}", style="bold"), _bullets(sentences)]
    return Group(*parts)


def step_text(step: Step, *, lead: str, width: int) -> Text:
    """A decision on one line of so many characters, with its id."""
    mark = Text(f"{MARKS[step.result]} ", style=MARK_STYLES[step.result])
    return one_line(
        Text(lead) + mark, f"[{step.node}] {step.intent}", step.chosen, f"  {step.decision_id}", width=width
    )


def one_line(lead: Text, intent: str, chosen: str | None, trail: str, *, width: int) -> Text:
    """What was wanted and what was chosen, the latter cut so that all of it fits on one line."""
    line = lead + plain(f"{intent} → ")
    room = width - line.cell_len - cell_len(trail)
    return line + plain(quote(chosen or "unknown action", max(room, _SHORTEST_CHOICE))) + plain(trail, "dim")


def _bullets(sentences: Sequence[tuple[Evidence, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for evidence, source in sentences:
        table.add_row("  ·", plain(source, "cyan") + plain(evidence.sentence) + _ids(evidence))
    return table


def _with_source(evidence: Sequence[Cause | Suggestion]) -> list[tuple[Evidence, str]]:
    # What is unknown says so by itself.
    return [(each, "" if each.source is CauseSource.UNKNOWN else f"{each.source}: ") for each in evidence]


def _ids(evidence: Evidence) -> Text:
    ids = [*evidence.decision_ids, *evidence.problem_ids]
    if not ids:
        return Text()
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    return plain(f"  {' '.join(ids[:_MOST_IDS])}{more}", "dim")
