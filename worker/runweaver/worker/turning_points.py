"""Where a run turned: each thing that failed, what was tried instead, and whether that worked."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from runweaver.shared.decision import Decision, action_of
from runweaver.shared.evidence import Evidence
from runweaver.shared.run import Run
from runweaver.shared.wording import quote, spell_choice, spell_count, spell_place

_MOST_TOLD: Final = 3
_MOST_ATTEMPTS_NAMED: Final = 3


def turning_points(run: Run) -> Iterator[list[Evidence]]:
    """A line for each of the first things that failed, in order of their first failure, and one for the others.

    A thing is what was wanted at a node. Two sentences make a line: the failure, and what came of it.
    """
    things = dict.fromkeys((decision.node_id, decision.intent) for decision in run.decisions if decision.has_failed)
    if not things:
        return
    # From the first failure on: what was done before was no reaction to it.
    pursuits: dict[tuple[str, str], list[Decision]] = {thing: [] for thing in things}
    for decision in run.decisions:
        attempts = pursuits.get((decision.node_id, decision.intent))
        if attempts is not None and (attempts or decision.has_failed):
            attempts.append(decision)
    successors = dict(zip((d.id for d in run.decisions), islice(run.decisions, 1, None), strict=False))
    failed = list(pursuits.values())
    for number, attempts in enumerate(failed[:_MOST_TOLD]):
        yield [_failure("Then" if number else "First failure", attempts[0]), _aftermath(attempts, successors)]
    if others := [attempts[0] for attempts in failed[_MOST_TOLD:]]:
        yield [Evidence.of_decisions(f"{spell_count(len(others), 'more thing')} failed after that.", others)]


def _failure(lead: str, failure: Decision) -> Evidence:
    reason = failure.outcome.error or failure.outcome.summary if failure.outcome else ""
    told = f"{spell_place(failure)}, with {spell_choice(failure)}" + (f": {quote(reason)}" if reason else "")
    return Evidence.of_decisions(f"{lead}: {told}.", [failure])


def _aftermath(attempts: Sequence[Decision], successors: dict[str, Decision]) -> Evidence:
    """What came after the first of these attempts at one thing, which failed."""
    if len(attempts) > 1:
        return _retries(attempts)
    successor = successors.get(attempts[0].id)
    if successor is None:
        return Evidence.of_decisions("Nothing was tried after that.", attempts)
    told = f"It was not tried again; next was {spell_place(successor)}, {_result(successor)}."
    return Evidence.of_decisions(told, [attempts[0], successor])


def _retries(attempts: Sequence[Decision]) -> Evidence:
    tried: dict[tuple[str, ...], Decision] = {}
    for retry in attempts[1:]:
        tried.setdefault(action_of(retry), retry)
    named = list(tried.values())[:_MOST_ATTEMPTS_NAMED]
    more = f" and {len(tried) - len(named)} more" if len(tried) > len(named) else ""
    told = f"Tried again with {', '.join(map(spell_choice, named))}{more}"
    deciding = [attempts[0], *named]
    worked = next((index for index, attempt in enumerate(attempts) if attempt.was_successful), None)
    if worked is not None:
        told += f": attempt {worked + 1} worked, with {spell_choice(attempts[worked])}."
        deciding.append(attempts[worked])
    elif pending := [attempt for attempt in attempts if attempt.outcome is None]:
        told += ": the result is not known."
        deciding.append(pending[0])
    else:
        told += f": {spell_count(len(attempts), 'attempt')}, none worked."
    return Evidence.of_decisions(told, attempts, deciding=deciding)


def _result(decision: Decision) -> str:
    if decision.outcome is None:
        return "which is pending"
    return "which succeeded" if decision.outcome.success else "which failed too"
