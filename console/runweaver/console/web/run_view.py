"""What the page of a run shows, made of the run and its summary. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runweaver.shared.decision import Decision, Option
from runweaver.shared.run import Problem, Run
from runweaver.shared.summary import RunSummary

#: So many decisions stand in one piece of the list.
A_PIECE: Final = 200
#: Of a value, so many characters are shown. All of it is one click away, as JSON.
_MOST_CHARACTERS: Final = 20_000
_MOST_PROSE: Final = 2_000
_MOST_LINES: Final = 30
#: What turns the direction of the words after it, ours among them, as escapes.
_TURNING: Final = {
    each: f"\\u{each:04x}" for each in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


@dataclass(frozen=True)
class Sentence:
    """A sentence of the narrative."""

    text: str
    #: The decisions and problems that it rests on.
    decision_ids: Sequence[str] = ()
    problem_ids: Sequence[str] = ()


@dataclass
class NodeFigures:
    """What happened in a node."""

    name: str
    decisions: int = 0
    failed: int = 0
    pending: int = 0
    tokens: float = 0
    latency_ms: float = 0


@dataclass(frozen=True)
class Row:
    """A decision in the list."""

    number: int
    decision: Decision

    @property
    def result(self) -> str:
        """`completed`, `failed` or `pending`."""
        return result_of(self.decision)

    @property
    def chosen(self) -> str:
        """What was chosen, in words."""
        option = self.decision.chosen_option
        return option.description or option.id if option is not None else "nothing"


@dataclass(frozen=True)
class Piece:
    """Some decisions of the run."""

    rows: Sequence[Row]
    #: How many there are that are asked for.
    total: int
    #: Where the next piece begins, if there is one.
    next_start: int | None


@dataclass(frozen=True)
class Opened:
    """The decision that is looked at, with those around it."""

    number: int
    decision: Decision
    options: Sequence[tuple[Option, bool]]
    problems: Sequence[Problem] = ()
    previous_id: str | None = None
    next_id: str | None = None

    @property
    def result(self) -> str:
        """`completed`, `failed` or `pending`."""
        return result_of(self.decision)


def result_of(decision: Decision) -> str:
    """What came of a decision, as a status is called."""
    if decision.outcome is None:
        return "pending"
    return "completed" if decision.outcome.success else "failed"


def sentences(summary: RunSummary) -> list[Sentence]:
    """The narrative, sentence by sentence where it is known what each rests on."""
    if not summary.evidence:
        return [Sentence(line) for line in summary.narrative.splitlines() if line.strip()]
    return [Sentence(each.sentence, each.decision_ids, each.problem_ids) for each in summary.evidence]


def numbers(run: Run) -> dict[str, int]:
    """The place of each decision in the run, from 1, by its id."""
    return {decision.id: number for number, decision in enumerate(run.decisions, 1)}


def nodes(run: Run) -> list[NodeFigures]:
    """What happened in each node, in order of first use."""
    found: dict[str, NodeFigures] = {}
    for decision in run.decisions:
        figures = found.setdefault(decision.node_id, NodeFigures(decision.node_id))
        figures.decisions += 1
        if decision.outcome is None:
            figures.pending += 1
            continue
        figures.failed += not decision.outcome.success
        figures.tokens += decision.outcome.tokens_used
        figures.latency_ms += decision.outcome.latency_ms
    return list(found.values())


def piece(run: Run, start: int, *, only_failed: bool) -> Piece:
    """Some of the decisions, from a place on."""
    rows = [Row(number, decision) for number, decision in enumerate(run.decisions, 1)]
    wanted = [row for row in rows if row.decision.has_failed] if only_failed else rows
    end = start + A_PIECE
    return Piece(wanted[start:end], len(wanted), end if end < len(wanted) else None)


def opened(run: Run, decision_id: str) -> Opened | None:
    """A decision to look at; none where the run has none of that id."""
    place = next((place for place, each in enumerate(run.decisions) if each.id == decision_id), None)
    if place is None:
        return None
    decision = run.decisions[place]
    return Opened(
        number=place + 1,
        decision=decision,
        options=[(option, option.id == decision.chosen_option_id) for option in decision.options],
        problems=[problem for problem in run.problems if problem.decision_id == decision_id],
        previous_id=run.decisions[place - 1].id if place else None,
        next_id=run.decisions[place + 1].id if place + 1 < len(run.decisions) else None,
    )


def pretty(value: Any) -> str:
    """A value as JSON that can be read; a long one is cut, and says so."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return _cut(text, _MOST_CHARACTERS)


def prose(text: str) -> str:
    """What somebody wrote, to stand among other things: a page of it at most, and in the direction of the page."""
    lines = text[:_MOST_PROSE].split("\n", _MOST_LINES)
    return _cut(text, len("\n".join(lines[:_MOST_LINES]))).translate(_TURNING)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…\n({len(text) - most:,} more characters: see the JSON)"


def bars(run: Run) -> Iterator[tuple[int, int, int, str, str, str]]:
    """For each decision: its node's place, when it began (ms after the run), how long, its result, id and intent."""
    places: dict[str, int] = {}
    for decision in run.decisions:
        began = decision.timestamp
        length_ms = 0.0
        if decision.outcome is not None:
            waited_ms = (decision.outcome.timestamp - began).total_seconds() * 1000
            length_ms = max(decision.outcome.latency_ms, waited_ms)
        yield (
            places.setdefault(decision.node_id, len(places)),
            round((began - run.started_at).total_seconds() * 1000),
            round(max(0.0, length_ms)),
            result_of(decision),
            decision.id,
            decision.intent[:120],
        )
