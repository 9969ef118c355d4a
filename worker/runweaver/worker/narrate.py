"""Tells what happened in a run, in plain sentences.

Deterministic: the same run gives the same words. The first line says what became of the run, as the seed's schema
does; what follows is there only where there is something to tell.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final, Protocol

from runweaver.shared.decision import Decision
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.wording import spell_duration

_OPENINGS: Final = {
    RunStatus.RUNNING: "Run is still going on.",
    RunStatus.COMPLETED: "Run completed successfully.",
    RunStatus.FAILED: "Run failed.",
    RunStatus.STUCK: "Run got stuck.",
    RunStatus.CANCELLED: "Run was cancelled.",
}

_MOST_FAILURES_NAMED: Final = 3
_MOST_TURNING_POINTS: Final = 3
_MOST_ATTEMPTS_NAMED: Final = 3
_REPEATS_WORTH_TELLING: Final = 3
_DECISIONS_WORTH_A_BREAKDOWN: Final = 4
_LONGEST_QUOTE: Final = 120


class Narrator(Protocol):
    """Writes the story of a run. Another one can be plugged in with `RUNWEAVER_NARRATOR`."""

    def narrate(self, run: Run) -> str:
        """The narrative. The same run should give the same words: a run may be summarised again."""
        ...


class PlainNarrator:
    """The narrator that comes with Runweaver."""

    def narrate(self, run: Run) -> str:
        lines = [_headline(run)]
        lines += _turning_points(run)
        lines += _where_it_went(run)
        lines += _repeats(run)
        lines += _open_ends(run)
        return "\n".join(lines)


def _headline(run: Run) -> str:
    """What became of the run, in the words of the seed's schema."""
    metrics = run.metrics
    parts = [
        _OPENINGS[run.status],
        (
            f"Made {metrics.total_decisions} decisions: "
            f"{metrics.successful_decisions} succeeded, {metrics.failed_decisions} failed."
        ),
    ]
    for severity, title in (("critical", "Critical issues"), ("warning", "Warnings")):
        descriptions = [problem.description for problem in run.problems if problem.severity == severity]
        if descriptions:
            parts.append(f"{title}: {', '.join(descriptions)}")
    failed = [decision.intent for decision in run.decisions if decision.has_failed]
    if failed:
        parts.append(f"Failed on: {', '.join(failed[:_MOST_FAILURES_NAMED])}")
    return " ".join(parts)


def _turning_points(run: Run) -> Iterator[str]:
    """Each thing that failed, in order: what was tried instead, and whether it worked in the end."""
    things = {(decision.node_id, decision.intent) for decision in run.decisions if decision.has_failed}
    if not things:
        return
    pursuits: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in run.decisions:
        if (thing := (decision.node_id, decision.intent)) in things:
            pursuits[thing].append(decision)
    failed = list(pursuits.values())
    successors = dict(zip((d.id for d in run.decisions), islice(run.decisions, 1, None), strict=False))
    for number, attempts in enumerate(failed[:_MOST_TURNING_POINTS]):
        lead = "First failure" if number == 0 else "Then"
        first = next(index for index, attempt in enumerate(attempts) if attempt.has_failed)
        yield f"{lead}: {_told(attempts[first])}. {_aftermath(attempts[first:], successors)}"
    if len(failed) > _MOST_TURNING_POINTS:
        yield f"{_times(len(failed) - _MOST_TURNING_POINTS, 'more thing')} failed after that."


def _told(failure: Decision) -> str:
    reason = failure.outcome.error or failure.outcome.summary if failure.outcome else ""
    return f"{_place(failure)}, with {_choice(failure)}" + (f": {_quote(reason)}" if reason else "")


def _aftermath(attempts: Sequence[Decision], successors: dict[str, Decision]) -> str:
    """What came after the first of these attempts at one thing, which failed."""
    retries = attempts[1:]
    if not retries:
        successor = successors.get(attempts[0].id)
        if successor is None:
            return "Nothing was tried after that."
        return f"It was not tried again; next was {_place(successor)}, {_result(successor)}."
    tried = list({_action(retry): _choice(retry) for retry in retries}.values())
    more = f" and {len(tried) - _MOST_ATTEMPTS_NAMED} more" if len(tried) > _MOST_ATTEMPTS_NAMED else ""
    named = ", ".join(tried[:_MOST_ATTEMPTS_NAMED]) + more
    worked = next((index for index, attempt in enumerate(retries, 2) if attempt.was_successful), None)
    if worked is not None:
        return f"Tried again with {named}: attempt {worked} worked, with {_choice(attempts[worked - 1])}."
    if any(attempt.outcome is None for attempt in retries):
        return f"Tried again with {named}: the result is not known."
    return f"Tried again with {named}: {_times(len(attempts), 'attempt')}, none worked."


def _where_it_went(run: Run) -> Iterator[str]:
    """Which node and which decision took the time and the tokens."""
    if run.metrics.total_decisions < _DECISIONS_WORTH_A_BREAKDOWN:
        return
    for title, show, amount in (
        ("Time", spell_duration, lambda decision: decision.outcome.latency_ms if decision.outcome else 0),
        ("Tokens", _number, lambda decision: decision.outcome.tokens_used if decision.outcome else 0),
    ):
        yield from _breakdown(run, title, show, amount)


def _breakdown(run: Run, title: str, show: Callable[[int], str], amount: Callable[[Decision], int]) -> Iterator[str]:
    amounts = [amount(decision) for decision in run.decisions]
    total = sum(amounts)
    if not total:
        return
    by_node: dict[str, int] = defaultdict(int)
    for decision, spent in zip(run.decisions, amounts, strict=True):
        by_node[decision.node_id] += spent
    line = f"{title}: {show(total)}"
    if len(by_node) > 1:
        node, most = max(by_node.items(), key=itemgetter(1))
        line += f", {most / total:.0%} of it in [{node}]"
    greatest = max(amounts)
    yield f"{line}; most for one decision: {show(greatest)} for {_place(run.decisions[amounts.index(greatest)])}."


def _repeats(run: Run) -> Iterator[str]:
    """The same choice over and over."""
    often = Counter((decision.node_id, decision.intent) for decision in run.decisions)
    alike: dict[tuple[str, ...], list[Decision]] = defaultdict(list)
    for decision in run.decisions:
        # What was done is looked at only where it can matter: most decisions of most runs are like no other.
        if often[decision.node_id, decision.intent] >= _REPEATS_WORTH_TELLING:
            alike[decision.node_id, decision.intent, *_action(decision)].append(decision)
    most = max(alike.values(), key=len, default=[])
    if len(most) >= _REPEATS_WORTH_TELLING:
        failures = sum(decision.has_failed for decision in most)
        failed = f", {failures} failed" if failures else ""
        yield f"Repeated: {_place(most[0])} with {_choice(most[0])}, {len(most)} times{failed}."


def _open_ends(run: Run) -> Iterator[str]:
    """What is not known."""
    pending = [decision for decision in run.decisions if decision.outcome is None]
    if pending:
        more = f" and {len(pending) - _MOST_FAILURES_NAMED} more" if len(pending) > _MOST_FAILURES_NAMED else ""
        yield f"Still pending: {', '.join(map(_place, pending[:_MOST_FAILURES_NAMED]))}{more}."
    if run.status is RunStatus.STUCK:
        yield f"Nothing was heard of it after {run.last_activity_at:%Y-%m-%d %H:%M:%S} UTC."
    if run.completeness.missing:
        yield f"This is not all: {_times(run.completeness.missing, 'message')} of this run did not arrive."
    if run.completeness.shed:
        yield f"{_times(run.completeness.shed, 'message')} came without payload: there was no room for it."
    if run.unmatched_outcomes:
        yield f"{_times(len(run.unmatched_outcomes), 'outcome')} came for decisions that nobody reported."


def _place(decision: Decision) -> str:
    return f"[{decision.node_id}] {_quote(decision.intent)}"


def _action(decision: Decision) -> tuple[str, ...]:
    """What was done, exactly: what is shown of it may be shortened, and look the same."""
    chosen = decision.chosen_option
    return (chosen.id, chosen.description, repr(chosen.action_params)) if chosen is not None else ()


def _choice(decision: Decision) -> str:
    chosen = decision.chosen_option
    return f"“{_quote(chosen.description)}”" if chosen is not None else "unknown action"


def _result(decision: Decision) -> str:
    if decision.outcome is None:
        return "which is pending"
    return "which succeeded" if decision.outcome.success else "which failed too"


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"


def _number(count: int) -> str:
    return f"{count:,}"
