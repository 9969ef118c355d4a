"""What differs between two runs: aligned by node and intent, not by position.

Pure and symmetric: with the runs exchanged, the comparison is the same, exchanged.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from runweaver.query.one_run.telling import step_of
from runweaver.query.two_runs.align import align
from runweaver.query.two_runs.comparison import Comparison, Divergence, DivergenceKind, Side
from runweaver.query.two_runs.parameters import changed_parameters
from runweaver.query.two_runs.steps import is_reworded, key_of, kind_of
from runweaver.shared.decision import Decision
from runweaver.shared.failures import choice_of
from runweaver.shared.run import Run

_MOST_LATER: Final = 10
_MOST_STEPS: Final = 5


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs, of the same goal or not, also while they go on.

    Takes time in proportion to the number of decisions where the runs are long, see `align`.
    """
    pairs = align([key_of(decision) for decision in a.decisions], [key_of(decision) for decision in b.decisions])
    paired = [(a.decisions[i], b.decisions[j]) for i, j in pairs]
    same = sum(choice_of(left)[1:] == choice_of(right)[1:] for left, right in paired)
    reworded = sum(is_reworded(left, right) for left, right in paired)
    divergences = _divergences(a.decisions, b.decisions, pairs)
    shown = list(islice(divergences, 1 + _MOST_LATER))
    return Comparison(
        a=_side(a),
        b=_side(b),
        aligned=len(pairs),
        same=same,
        reworded=reworded,
        only_a=len(a.decisions) - len(pairs),
        only_b=len(b.decisions) - len(pairs),
        first_divergence=shown[0] if shown else None,
        later_divergences=shown[1:],
        divergences=len(shown) + sum(1 for _ in divergences),
    )


def _divergences(
    a: Sequence[Decision], b: Sequence[Decision], pairs: Sequence[tuple[int, int]]
) -> Iterator[Divergence]:
    row = column = 0
    for next_row, next_column in [*pairs, (len(a), len(b))]:
        if next_row > row or next_column > column:
            following = a[next_row : next_row + 1], b[next_column : next_column + 1]
            yield _path(a[row:next_row], b[column:next_column], *following)
        if next_row < len(a) and next_column < len(b):
            yield from _of_pair(a[next_row], b[next_column])
        row, column = next_row + 1, next_column + 1


def _path(
    a: Sequence[Decision], b: Sequence[Decision], a_next: Sequence[Decision], b_next: Sequence[Decision]
) -> Divergence:
    return Divergence(
        kind=DivergenceKind.PATH,
        a=[step_of(decision) for decision in a[:_MOST_STEPS]],
        b=[step_of(decision) for decision in b[:_MOST_STEPS]],
        a_count=len(a),
        b_count=len(b),
        a_next=next(map(step_of, a_next), None),
        b_next=next(map(step_of, b_next), None),
    )


def _of_pair(a: Decision, b: Decision) -> Iterator[Divergence]:
    kind = kind_of(a, b)
    if kind is None:
        return
    left, right = a.chosen_option, b.chosen_option
    changed = []
    if kind is not DivergenceKind.CHOICE and left is not None and right is not None:
        changed = changed_parameters(left.action_params, right.action_params)
    yield Divergence(kind=kind, a=[step_of(a)], b=[step_of(b)], a_count=1, b_count=1, changed=changed)


def _side(run: Run) -> Side:
    severities = [problem.severity for problem in run.problems]
    return Side(
        run_id=run.id,
        goal_id=run.goal_id,
        status=run.status,
        decisions=run.metrics.total_decisions,
        failed_decisions=run.metrics.failed_decisions,
        pending_decisions=run.metrics.pending_decisions,
        critical_problems=severities.count("critical"),
        warnings=severities.count("warning"),
        tokens=run.metrics.total_tokens,
        latency_ms=run.metrics.total_latency_ms,
        duration_ms=max(0, int((run.finished_at - run.started_at).total_seconds() * 1000)),
    )
