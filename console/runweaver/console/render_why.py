"""How an explanation looks on a terminal: the verdict first, and behind each sentence the ids that it rests on."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from runweaver.console.render import plain
from runweaver.query.explanation import Explanation
from runweaver.query.telling import Result, Step
from runweaver.shared.evidence import Evidence

#: So many ids are shown behind a sentence; `--json` has more.
_MOST_IDS: Final = 3

MARKS: Final = {Result.SUCCEEDED: "✓", Result.FAILED: "✗", Result.PENDING: "…"}
MARK_STYLES: Final = {Result.SUCCEEDED: "green", Result.FAILED: "red", Result.PENDING: "yellow"}


def explanation_lines(explanation: Explanation) -> Iterator[Text]:
    """What to print, line by line."""
    yield plain(explanation.verdict.sentence, "bold") + _ids(explanation.verdict)
    if explanation.chain and explanation.point is not None:
        yield Text("\nWhat led there", style="bold")
        for link in explanation.chain:
            yield Text("  ") + step_text(link)
            yield plain(f"      {link.why}", "dim")
        yield Text("  ") + step_text(explanation.point)
    for title, sentences in (
        ("Root cause, as far as the run shows", _with_source(explanation.causes)),
        ("Also worth knowing", [(evidence, "") for evidence in explanation.observations]),
        ("Suggestions", _with_source(explanation.suggestions)),
    ):
        if sentences:
            yield Text(f"\n{title}", style="bold")
            for evidence, source in sentences:
                yield Text("  · ") + plain(source, "cyan") + plain(evidence.sentence) + _ids(evidence)


def step_text(step: Step) -> Text:
    """A decision on one line, with its id."""
    chosen = step.chosen if step.chosen is not None else "unknown action"
    mark = Text(f"{MARKS[step.result]} ", style=MARK_STYLES[step.result])
    return mark + plain(f"[{step.node}] {step.intent} → {chosen}") + plain(f"  {step.decision_id}", "dim")


def _with_source(evidence: Sequence[Evidence]) -> list[tuple[Evidence, str]]:
    return [(each, f"{getattr(each, 'source', '')}: ") for each in evidence]


def _ids(evidence: Evidence) -> Text:
    ids = [*evidence.decision_ids, *evidence.problem_ids]
    if not ids:
        return Text()
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    return plain(f"  {' '.join(ids[:_MOST_IDS])}{more}", "dim")
