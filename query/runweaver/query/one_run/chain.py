"""What led to a decision: not all that came before it, but what has to do with it."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from runweaver.query.one_run.explanation import Link, Relation
from runweaver.query.one_run.telling import counted, quote, step_of
from runweaver.shared.decision import Decision
from runweaver.shared.failures import pursuit_of
from runweaver.shared.run import Run

_MOST_ATTEMPTS: Final = 3
_MOST_FEEDING: Final = 3
#: So many steps are followed back over edges.
_MOST_LEADING: Final = 2
_MOST_VALUES: Final = 30
_MOST_VALUES_NAMED: Final = 4
_DEEPEST: Final = 8

#: Without blanks, with a digit or a sign that words have not. What is shorter is found everywhere.
_REFERENCE = re.compile(r"(?=.*[\d@/:])\S{4,100}")


def chain_to(run: Run, point: Decision) -> list[Link]:
    """The earlier decisions that led to this one, in order of time.

    Attempts at the same thing, the nearest decisions whose results hold what this one uses, and the nearest ones in the
    nodes from which edges lead here; each once, under the first of these that fits.
    """
    place = next(place for place, decision in enumerate(run.decisions) if decision.id == point.id)
    earlier = run.decisions[:place]
    links: dict[str, Link] = {}
    for decision, relation, why in (
        *_attempts(earlier, point),
        *_feeding(earlier, point),
        *_leading(earlier, point, run.metrics.edges_traversed),
    ):
        links.setdefault(decision.id, _link(decision, relation, why))
    if not links and earlier:
        links[earlier[-1].id] = _link(earlier[-1], Relation.BEFORE, "it came just before")
    return [links[decision.id] for decision in earlier if decision.id in links]


def values_from_nowhere(run: Run, point: Decision) -> list[str]:
    """What this decision uses that stands nowhere before: in no result or reasoning, nor in the run's input."""
    place = next(place for place, decision in enumerate(run.decisions) if decision.id == point.id)
    values = _values_of(point, with_context=False)
    for text in _told_before(run, place):
        if not values:
            break
        values = [value for value in values if value not in text]
    return values


def _link(decision: Decision, relation: Relation, why: str) -> Link:
    return Link(**step_of(decision).model_dump(), relation=relation, why=why)


def _attempts(earlier: Sequence[Decision], point: Decision) -> Iterator[tuple[Decision, Relation, str]]:
    same = [decision for decision in earlier if pursuit_of(decision) == pursuit_of(point)]
    for decision in same[-_MOST_ATTEMPTS:]:
        more = len(same) - _MOST_ATTEMPTS
        before = f", {counted(more, 'more')} before it" if more > 0 and decision is same[-_MOST_ATTEMPTS] else ""
        yield decision, Relation.ATTEMPT, f"it was after the same thing{before}"


def _feeding(earlier: Sequence[Decision], point: Decision) -> Iterator[tuple[Decision, Relation, str]]:
    values, found = _values_of(point, with_context=True), 0
    for decision in reversed(earlier):
        if not values or found == _MOST_FEEDING:
            return
        text = _text_of(decision)
        held = [value for value in values if value in text]
        if held:
            found += 1
            values = [value for value in values if value not in held]
            named = ", ".join(held[:_MOST_VALUES_NAMED])
            more = len(held) - _MOST_VALUES_NAMED
            yield decision, Relation.FED, f"its result holds {named}" + (f" and {more} more" if more > 0 else "")


def _leading(
    earlier: Sequence[Decision], point: Decision, edges: Sequence[str]
) -> Iterator[tuple[Decision, Relation, str]]:
    known, node, left = set(edges), point.node_id, _MOST_LEADING
    for decision in reversed(earlier):
        if f"{decision.node_id}->{node}" in known:
            yield decision, Relation.LED_TO, f"[{quote(decision.node_id)}] leads to [{quote(node)}]"
            node, left = decision.node_id, left - 1
            if not left:
                return


def _values_of(decision: Decision, *, with_context: bool) -> list[str]:
    """Texts among what a decision uses that can be looked for: ids, codes, dates, addresses; no mere words."""
    chosen = decision.chosen_option
    used = [chosen.action_params if chosen is not None else {}, decision.input_context if with_context else {}]
    leaves = (leaf for leaf in _leaves(used, 0) if _REFERENCE.fullmatch(leaf))
    return list(islice(dict.fromkeys(leaves), _MOST_VALUES))


def _leaves(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _DEEPEST and isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner, depth + 1)
    elif depth < _DEEPEST and isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, depth + 1)


def _told_before(run: Run, place: int) -> Iterator[str]:
    """All that the agent can have read before its decision at this place."""
    yield run.goal_description
    yield _as_text(run.input_data)
    yield _as_text(run.decisions[place].input_context)
    for decision in reversed(run.decisions[:place]):
        yield _text_of(decision)
        yield _as_text(decision.input_context)
        yield decision.reasoning


def _text_of(decision: Decision) -> str:
    """What came of a decision, as text to look into."""
    outcome = decision.outcome
    if outcome is None:
        return ""
    changed = _as_text(outcome.state_changes) if outcome.state_changes else ""
    return f"{_as_text(outcome.result)} {outcome.summary} {outcome.error or ''} {changed}"


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
