"""Which runs are most like another one, by what they did, without the order. Pure."""

from collections import Counter
from collections.abc import Iterable
from heapq import nlargest
from typing import TypeAlias, TypeVar

from runweaver.shared.figures import Choice, RunFigures
from runweaver.shared.gist import gist
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary

_Key = TypeVar("_Key")

#: Node, intent and option: gists.
Step: TypeAlias = tuple[str, str, str]


def figures_of(run: Run) -> RunFigures:
    """The figures of a run, as a finalizer would keep them: it may go on."""
    return RunFigures.from_run(run, RunSummary.from_run(run))


def nearest(figures: RunFigures, candidates: Iterable[RunFigures], *, limit: int) -> list[str]:
    """The ids of the candidates that are most like this run, the nearest first; of equally near ones the newest.

    The run itself is none.
    """
    steps = _steps(figures)
    # Of each, only how near it is stays in memory.
    found = (
        (similarity(steps, _steps(each)), each.finished_at_ms, each.run_id)
        for each in candidates
        if each.run_id != figures.run_id
    )
    return [run_id for _, _, run_id in nlargest(limit, found)]


def similarity(a: Counter[Step], b: Counter[Step]) -> float:
    """How much two runs have in common, 0 to 1.

    The steps that both took over the steps that either took: the mean of that for steps with their choice, and for
    steps by node and intent alone.
    """
    return (_overlap(a, b) + _overlap(_without_choice(a), _without_choice(b))) / 2


def _steps(figures: RunFigures) -> Counter[Step]:
    """How often each came."""
    steps: Counter[Step] = Counter()
    for choice in figures.choices:
        steps[choice.node, gist(choice.intent), gist(choice.option)] += _times(choice)
    return steps


def _times(choice: Choice) -> int:
    return choice.succeeded + choice.failed + choice.pending


def _without_choice(steps: Counter[Step]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (node, intent, _), count in steps.items():
        found[node, intent] += count
    return found


def _overlap(a: Counter[_Key], b: Counter[_Key]) -> float:
    either = (a | b).total()
    return (a & b).total() / either if either else 1.0
