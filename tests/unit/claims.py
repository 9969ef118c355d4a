"""What the sentences of a narrative claim, checked against the run: read from the text and the ids that it names.

Nothing here is taken from the narrator, but for how it spells durations and shortens quotes.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runweaver.shared.decision import Decision
from runweaver.shared.evidence import Evidence
from runweaver.shared.run import Problem, Run, RunStatus
from runweaver.shared.wording import quote, spell_choice, spell_duration, spell_place

MOST: Final = 20


@dataclass(frozen=True)
class Claim:
    """A sentence, the run, and those of its decisions and problems that the sentence names."""

    sentence: str
    run: Run
    decisions: list[Decision]
    problems: list[Problem]

    @classmethod
    def of(cls, evidence: Evidence, run: Run) -> "Claim":
        """Look up what is named. An id that is not in the run is a KeyError."""
        decisions = {decision.id: decision for decision in run.decisions}
        problems = {problem.id: problem for problem in run.problems}
        return cls(
            evidence.sentence,
            run,
            [decisions[decision_id] for decision_id in evidence.decision_ids],
            [problems[problem_id] for problem_id in evidence.problem_ids],
        )

    def check(self) -> str:
        """Hold the sentence against what it names, and say which kind it was.

        Raises:
            AssertionError: it is contradicted, or of no kind that is known here.
        """
        for kind, check in _CHECKS.items():
            if re.match(kind, self.sentence):
                check(self)
                return kind
        raise AssertionError(f"nothing is known of such sentences: {self.sentence}")

    @property
    def only(self) -> Decision:
        """The one decision that it names."""
        (decision,) = self.decisions
        return decision

    def numbers(self, pattern: str) -> list[int]:
        """The numbers in it where this pattern has groups; 0 where a group is absent."""
        found = re.fullmatch(pattern, self.sentence, re.DOTALL)
        assert found is not None, self.sentence
        return [int((group or "0").replace(",", "")) for group in found.groups()]


def _thing(decision: Decision) -> tuple[str, str]:
    return decision.node_id, decision.intent


def _has_failed(decision: Decision) -> bool:
    return decision.outcome is not None and not decision.outcome.success


def _has_worked(decision: Decision) -> bool:
    return decision.outcome is not None and decision.outcome.success


def _first_failures(run: Run) -> list[Decision]:
    """The first failure of each thing that failed, in order of time."""
    firsts: list[Decision] = []
    for decision in run.decisions:
        if _has_failed(decision) and _thing(decision) not in map(_thing, firsts):
            firsts.append(decision)
    return firsts


def _attempts(claim: Claim) -> list[Decision]:
    """All attempts at a thing, from the first one that the sentence names on."""
    first = claim.decisions[0]
    since = claim.run.decisions[claim.run.decisions.index(first) :]
    return [decision for decision in since if _thing(decision) == _thing(first)]


def _opening(claim: Claim) -> None:
    openings = {
        "Run is still going on.": RunStatus.RUNNING,
        "Run completed successfully.": RunStatus.COMPLETED,
        "Run failed.": RunStatus.FAILED,
        "Run got stuck.": RunStatus.STUCK,
        "Run was cancelled.": RunStatus.CANCELLED,
    }
    assert openings[claim.sentence] == claim.run.status


def _counts(claim: Claim) -> None:
    decisions = claim.run.decisions
    counts = [len(decisions), sum(map(_has_worked, decisions)), sum(map(_has_failed, decisions))]
    assert counts == claim.numbers(r"Made (\d+) decisions: (\d+) succeeded, (\d+) failed\.")


def _problems(claim: Claim) -> None:
    title, severity = ("Warnings", "warning") if claim.sentence[0] == "W" else ("Critical issues", "critical")
    meant = [problem for problem in claim.run.problems if problem.severity == severity]
    assert meant[:MOST] == claim.problems
    assert f"{title}: {', '.join(problem.description for problem in meant)}" == claim.sentence


def _failed_on(claim: Claim) -> None:
    assert [each for each in claim.run.decisions if _has_failed(each)][:3] == claim.decisions
    assert f"Failed on: {', '.join(each.intent for each in claim.decisions)}" == claim.sentence


def _first_failure(claim: Claim) -> None:
    assert next(each for each in claim.run.decisions if _has_failed(each)) == claim.only
    _failure(claim)


def _later_failure(claim: Claim) -> None:
    assert claim.only in _first_failures(claim.run)[1:3]
    _failure(claim)


def _failure(claim: Claim) -> None:
    outcome = claim.only.outcome
    assert outcome is not None
    assert f": {spell_place(claim.only)}, with {spell_choice(claim.only)}" in claim.sentence
    assert quote(outcome.error or outcome.summary) in claim.sentence


def _more_failures(claim: Claim) -> None:
    others = _first_failures(claim.run)[3:]
    assert [len(others)] == claim.numbers(r"(\d+) more things? failed after that\.")
    assert others[:MOST] == claim.decisions


def _nothing_after(claim: Claim) -> None:
    assert _has_failed(claim.only)
    assert claim.run.decisions[-1] == claim.only


def _not_again(claim: Claim) -> None:
    failure, successor = claim.decisions
    assert _has_failed(failure)
    assert [failure] == _attempts(claim)
    assert claim.run.decisions[claim.run.decisions.index(failure) + 1] == successor
    assert f"next was {spell_place(successor)}, which " in claim.sentence
    word = "failed too" if _has_failed(successor) else "succeeded" if _has_worked(successor) else "is pending"
    assert claim.sentence.endswith(f"which {word}.")


def _again(claim: Claim) -> None:
    attempts = _attempts(claim)
    assert _has_failed(attempts[0])
    assert min(len(attempts), MOST) == len(claim.decisions)
    assert set(map(_thing, claim.decisions)) == {_thing(attempts[0])}
    tried, _, end = claim.sentence.removeprefix("Tried again with ").rpartition(": ")
    for choice in re.findall("“[^”]*”|unknown action", tried):
        assert choice in map(spell_choice, claim.decisions[1:])
    more = int((re.search(r" and (\d+) more$", tried) or ["", "0"])[1])
    # In these runs, what is shown of an option tells it from all others.
    assert len({spell_choice(attempt) for attempt in attempts[1:]}) == tried.count(", ") + 1 + more
    if worked := re.fullmatch(r"attempt (\d+) worked, with (.*)\.", end):
        number = int(worked[1])
        assert [False] * (number - 1) + [True] == [_has_worked(attempt) for attempt in attempts[:number]]
        assert attempts[number - 1] in claim.decisions
        assert spell_choice(attempts[number - 1]) == worked[2]
        return
    assert not any(map(_has_worked, attempts))
    if end == "the result is not known.":
        assert any(attempt.outcome is None for attempt in claim.decisions)
    else:
        assert f"{len(attempts)} attempts, none worked." == end
        assert all(map(_has_failed, attempts))


def _time(claim: Claim) -> None:
    _spent(claim, spell_duration, lambda each: each.outcome.latency_ms if each.outcome else 0)


def _tokens(claim: Claim) -> None:
    _spent(claim, "{:,}".format, lambda each: each.outcome.tokens_used if each.outcome else 0)


def _spent(claim: Claim, spell: Callable[[int], str], amount: Callable[[Decision], int]) -> None:
    amounts = [amount(decision) for decision in claim.run.decisions]
    assert max(amounts) == amount(claim.only)
    assert re.match(rf"\w+: {re.escape(spell(sum(amounts)))}[,;]", claim.sentence)
    assert f"most for one decision: {spell(max(amounts))} for {spell_place(claim.only)}." in claim.sentence
    by_node: Counter[str] = Counter()
    for decision in claim.run.decisions:
        by_node[decision.node_id] += amount(decision)
    share = re.search(r", (\d+)% of it in \[(.*?)\];", claim.sentence)
    assert (share is not None) == (len(by_node) > 1)
    if share is not None:
        assert max(by_node.values()) == by_node[share[2]]
        assert f"{by_node[share[2]] / sum(amounts):.0%}" == f"{share[1]}%"


def _repeated(claim: Claim) -> None:
    groups = Counter((*_thing(decision), spell_choice(decision)) for decision in claim.run.decisions)
    kinds = {(*_thing(decision), spell_choice(decision)) for decision in claim.decisions}
    (kind,) = kinds
    alike = [each for each in claim.run.decisions if (*_thing(each), spell_choice(each)) == kind]
    assert max(groups.values()) == len(alike)
    assert alike[:MOST] == claim.decisions
    counts = claim.numbers(r"Repeated: .*, (\d+) times(?:, (\d+) failed)?\.")
    assert [len(alike), sum(map(_has_failed, alike))] == counts
    assert claim.sentence.startswith(f"Repeated: {spell_place(alike[0])} with {spell_choice(alike[0])}, ")


def _still_pending(claim: Claim) -> None:
    pending = [decision for decision in claim.run.decisions if decision.outcome is None]
    assert pending[:MOST] == claim.decisions
    more = f" and {len(pending) - 3} more" if len(pending) > 3 else ""
    assert f"Still pending: {', '.join(map(spell_place, pending[:3]))}{more}." == claim.sentence


def _silent(claim: Claim) -> None:
    assert claim.run.status is RunStatus.STUCK
    assert f"after {claim.run.last_activity_at:%Y-%m-%d %H:%M:%S} UTC." in claim.sentence


def _missing(claim: Claim) -> None:
    assert [claim.run.completeness.missing] == claim.numbers(r"This is not all: ([\d,]+) messages? of this run.*")


def _shed(claim: Claim) -> None:
    assert [claim.run.completeness.shed] == claim.numbers(r"([\d,]+) messages? came without payload.*")


def _unmatched(claim: Claim) -> None:
    assert [len(claim.run.unmatched_outcomes)] == claim.numbers(r"([\d,]+) outcomes? came for decisions.*")


#: How each kind of sentence begins, and what has to be so where one is told.
_CHECKS: Final[dict[str, Callable[[Claim], None]]] = {
    "Run ": _opening,
    "Made ": _counts,
    "Critical issues: |Warnings: ": _problems,
    "Failed on: ": _failed_on,
    "First failure: ": _first_failure,
    "Then: ": _later_failure,
    r"\d+ more things? failed": _more_failures,
    "Nothing was tried after that": _nothing_after,
    "It was not tried again": _not_again,
    "Tried again with ": _again,
    "Time: ": _time,
    "Tokens: ": _tokens,
    "Repeated: ": _repeated,
    "Still pending: ": _still_pending,
    "Nothing was heard of it": _silent,
    "This is not all": _missing,
    r"[\d,]+ messages? came without payload": _shed,
    r"[\d,]+ outcomes? came for decisions": _unmatched,
}
KINDS: Final = frozenset(_CHECKS)
