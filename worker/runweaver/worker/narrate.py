"""Tells what happened in a run, in plain sentences, each with what it rests on.

Deterministic: the same run gives the same words. The first line says what became of the run, as the seed's schema
does; what follows is there only where there is something to tell.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Final, Protocol

from runweaver.shared.decision import Decision, action_of
from runweaver.shared.evidence import MOST_NAMED, Evidence
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.wording import spell_choice, spell_count, spell_duration, spell_place
from runweaver.worker.story import Story
from runweaver.worker.turning_points import turning_points

_OPENINGS: Final = {
    RunStatus.RUNNING: "Run is still going on.",
    RunStatus.COMPLETED: "Run completed successfully.",
    RunStatus.FAILED: "Run failed.",
    RunStatus.STUCK: "Run got stuck.",
    RunStatus.CANCELLED: "Run was cancelled.",
}

#: Who tells a run, as its summary says: the narrator that comes along, and the agent itself.
PLAIN: Final = "runweaver"
AGENT: Final = "agent"

_MOST_FAILURES_NAMED: Final = 3
_REPEATS_WORTH_TELLING: Final = 3
_DECISIONS_WORTH_A_BREAKDOWN: Final = 4


class Narrator(Protocol):
    """Writes the story of a run. Another one can be plugged in with `RUNWEAVER_NARRATOR`."""

    def narrate(self, run: Run) -> str | Story:
        """The narrative, or a story that says what it rests on.

        The same run should give the same words: a run may be summarised again.
        """
        ...


class PlainNarrator:
    """The narrator that comes with Runweaver."""

    def narrate(self, run: Run) -> Story:
        """What happened, in a few lines; no sentence without evidence."""
        lines = [list(headline(run))]
        lines += turning_points(run)
        lines += [[sentence] for tell in (_where_it_went, _repeats, _open_ends) for sentence in tell(run)]
        return Story.of_lines(lines, narrator=PLAIN)


def story_of(run: Run, narrator: Narrator | None = None, *, name: str = "") -> Story:
    """What is told of a run: what its agent told, and otherwise what the narrator does.

    Args:
        run: its own narrative comes first. Nobody knows what that rests on.
        narrator: absent: the one that comes with Runweaver.
        name: of the narrator, for stories that do not say who tells them; absent: that of its class.

    Raises:
        TypeError: the narrator told neither a text nor a story.
    """
    if run.narrative:
        return Story(run.narrative, narrator=AGENT)
    teller = narrator or PlainNarrator()
    told = teller.narrate(run)
    if isinstance(told, str):
        told = Story(told)
    if not isinstance(told, Story):
        raise TypeError(f"a narrator tells a str or a Story, and this one told a {type(told).__name__}")
    return told if told.narrator else replace(told, narrator=name or _path_of(teller))


def headline(run: Run) -> Iterator[Evidence]:
    """What became of the run, in the words of the seed's schema: the first line of its narrative."""
    metrics = run.metrics
    yield Evidence.of_run(_OPENINGS[run.status])
    yield Evidence.of_run(
        f"Made {metrics.total_decisions} decisions: "
        f"{metrics.successful_decisions} succeeded, {metrics.failed_decisions} failed."
    )
    for severity, title in (("critical", "Critical issues"), ("warning", "Warnings")):
        if problems := [problem for problem in run.problems if problem.severity == severity]:
            yield Evidence(
                sentence=f"{title}: {', '.join(problem.description for problem in problems)}",
                problem_ids=[problem.id for problem in problems[:MOST_NAMED]],
            )
    if failed := [decision for decision in run.decisions if decision.has_failed][:_MOST_FAILURES_NAMED]:
        yield Evidence.of_decisions(f"Failed on: {', '.join(decision.intent for decision in failed)}", failed)


def _where_it_went(run: Run) -> Iterator[Evidence]:
    """Which node and which decision took the time and the tokens."""
    if run.metrics.total_decisions < _DECISIONS_WORTH_A_BREAKDOWN:
        return
    for title, show, amount in (
        ("Time", spell_duration, lambda decision: decision.outcome.latency_ms if decision.outcome else 0),
        ("Tokens", _number, lambda decision: decision.outcome.tokens_used if decision.outcome else 0),
    ):
        yield from _breakdown(run, title, show, amount)


def _breakdown(
    run: Run, title: str, show: Callable[[int], str], amount: Callable[[Decision], int]
) -> Iterator[Evidence]:
    amounts = [amount(decision) for decision in run.decisions]
    total = sum(amounts)
    if not total:
        return
    by_node: dict[str, int] = defaultdict(int)
    for decision, spent in zip(run.decisions, amounts, strict=True):
        by_node[decision.node_id] += spent
    line = f"{title}: {show(total)}"
    node, most = max(by_node.items(), key=itemgetter(1))
    if len(by_node) > 1:
        line += f", {most / total:.0%} of it in [{node}]"
    greatest = max(amounts)
    decision = run.decisions[amounts.index(greatest)]
    yield Evidence(
        sentence=f"{line}; most for one decision: {show(greatest)} for {spell_place(decision)}.",
        decision_ids=[decision.id],
        # Otherwise it speaks of two.
        node=node if node == decision.node_id else None,
        whole_run=True,
    )


def _repeats(run: Run) -> Iterator[Evidence]:
    """The same choice over and over."""
    often = Counter((decision.node_id, decision.intent) for decision in run.decisions)
    alike: dict[tuple[str, ...], list[Decision]] = defaultdict(list)
    for decision in run.decisions:
        # What was done is looked at only where it can matter: most decisions of most runs are like no other.
        if often[decision.node_id, decision.intent] >= _REPEATS_WORTH_TELLING:
            alike[decision.node_id, decision.intent, *action_of(decision)].append(decision)
    most = max(alike.values(), key=len, default=[])
    if len(most) >= _REPEATS_WORTH_TELLING:
        failures = sum(decision.has_failed for decision in most)
        failed = f", {failures} failed" if failures else ""
        told = f"Repeated: {spell_place(most[0])} with {spell_choice(most[0])}, {len(most)} times{failed}."
        yield Evidence.of_decisions(told, most)


def _open_ends(run: Run) -> Iterator[Evidence]:
    """What is not known."""
    if pending := [decision for decision in run.decisions if decision.outcome is None]:
        more = f" and {len(pending) - _MOST_FAILURES_NAMED} more" if len(pending) > _MOST_FAILURES_NAMED else ""
        places = ", ".join(map(spell_place, pending[:_MOST_FAILURES_NAMED]))
        yield Evidence.of_decisions(f"Still pending: {places}{more}.", pending)
    if run.status is RunStatus.STUCK:
        yield Evidence.of_run(f"Nothing was heard of it after {run.last_activity_at:%Y-%m-%d %H:%M:%S} UTC.")
    if run.completeness.missing:
        missing = spell_count(run.completeness.missing, "message")
        yield Evidence.of_run(f"This is not all: {missing} of this run did not arrive.")
    if run.completeness.shed:
        shed = spell_count(run.completeness.shed, "message")
        yield Evidence.of_run(f"{shed} came without payload: there was no room for it.")
    if run.unmatched_outcomes:
        unmatched = spell_count(len(run.unmatched_outcomes), "outcome")
        yield Evidence.of_run(f"{unmatched} came for decisions that nobody reported.")


def _path_of(narrator: Narrator) -> str:
    return f"{type(narrator).__module__}:{type(narrator).__qualname__}"


def _number(count: int) -> str:
    return f"{count:,}"
