"""Adds up the figures of many runs.

Pure, and in which order they come makes no difference. What belongs together is decided here: what has the same gist.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from runweaver.query.many_runs.rate import Rate
from runweaver.query.many_runs.tallies import (
    LOST,
    BreakdownKey,
    ChoiceKey,
    ChoiceTally,
    Ended,
    ErrorKey,
    ErrorTally,
    Examples,
    LostTally,
    NodeTally,
    Uses,
)
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.figures import Choice, FailedChoice, RunFigures, latency_step
from runweaver.shared.gist import gist
from runweaver.shared.run import RunStatus


class Era:
    """Runs of one time, as far as it matters for telling what changed."""

    def __init__(self, runs: Iterable[RunFigures] = ()) -> None:
        #: Those of which is known what they met.
        self.runs = 0
        self.ended = Ended()
        self.errors: defaultdict[ErrorKey, Examples] = defaultdict(Examples)
        for figures in runs:
            self.add(figures)

    def add(self, figures: RunFigures) -> None:
        """Count a run."""
        self.ended.add(figures)
        if figures.is_partial:
            return  # what it met is not known
        self.runs += 1
        if figures.failures:
            keys = [_choice_key(choice) for choice in figures.choices]
            for key in {_error_key(failure, keys) for failure in figures.failures}:
                self.errors[key].add(figures)


class Aggregate:
    """What many runs come to."""

    def __init__(self, runs: Iterable[RunFigures] = ()) -> None:
        self.statuses: Counter[RunStatus] = Counter()
        self.attention: Counter[AttentionFlag] = Counter()
        self.tokens = 0
        self.decisions = 0
        #: How many runs took how long, in the steps of `latency_step`.
        self.durations: Counter[int] = Counter()
        #: When each run ended (ms), and whether it completed; those that count.
        self.ends: list[tuple[int, bool]] = []
        self.goals: defaultdict[str, Ended] = defaultdict(Ended)
        self.nodes: defaultdict[str, NodeTally] = defaultdict(NodeTally)
        self.choices: dict[ChoiceKey, ChoiceTally] = {}
        self.errors: defaultdict[ErrorKey, ErrorTally] = defaultdict(ErrorTally)
        self.breakdowns: defaultdict[BreakdownKey, LostTally] = defaultdict(LostTally)
        #: Lost runs for which nothing shows why.
        self.unexplained = LostTally()
        #: Lost runs by what their problems suggest.
        self.fixes: defaultdict[str, Examples] = defaultdict(Examples)
        #: By goal, runs that did not break off at what failed for good. What one that did has not done tells nothing:
        #: it did not come so far.
        self.unbroken: defaultdict[str, Ended] = defaultdict(Ended)
        #: Of these, by goal, then by choice.
        self.uses: defaultdict[str, defaultdict[ChoiceKey, Uses]] = defaultdict(lambda: defaultdict(Uses))
        for figures in runs:
            self.add(figures)

    @property
    def runs(self) -> int:
        """How many runs."""
        return self.statuses.total()

    @property
    def success(self) -> Rate:
        """How many completed, of those that count."""
        return Rate(count=sum(completed for _, completed in self.ends), total=len(self.ends))

    def told(self, key: ChoiceKey) -> str:
        """The intent of a choice as an agent told it, or its gist where nothing else is known."""
        tally = self.choices.get(key)
        return tally.choice.intent if tally is not None else key.intent

    def add(self, figures: RunFigures) -> None:
        """Count a run. Each is added once."""
        self.statuses[figures.status] += 1
        self.attention.update(set(figures.attention))
        self.tokens += figures.tokens
        self.decisions += figures.decisions
        if figures.duration_ms:
            self.durations[latency_step(figures.duration_ms)] += 1
        if figures.status is RunStatus.COMPLETED or figures.status in LOST:
            self.ends.append((figures.finished_at_ms, figures.status is RunStatus.COMPLETED))
        self.goals[figures.goal_id].add(figures)
        if figures.is_partial:
            return
        keys = [_choice_key(choice) for choice in figures.choices]
        self._add_nodes(figures)
        self._add_choices(figures, keys)
        if not _broke_off(figures, keys):
            self._add_uses(figures, keys)
        self._add_errors(figures, keys)
        if figures.status in LOST:
            self._add_loss(figures, keys)

    def _add_nodes(self, figures: RunFigures) -> None:
        for node in {choice.node for choice in figures.choices}:
            self.nodes[node].runs += 1
        for choice in figures.choices:
            self.nodes[choice.node].add(choice)

    def _add_choices(self, figures: RunFigures, keys: list[ChoiceKey]) -> None:
        begun: set[tuple[str, str]] = set()
        for key, choice in zip(keys, figures.choices, strict=True):
            tally = self.choices.get(key)
            if tally is None:
                tally = self.choices[key] = ChoiceTally(choice)
            elif choice < tally.choice:
                tally.choice = choice
            tally.succeeded += choice.succeeded
            tally.failed += choice.failed
            if (thing := key[:2]) not in begun:
                begun.add(thing)
                tally.first.add(figures)
        # Two choices of a run may have one gist once they are cut.
        for key in set(keys):
            self.choices[key].runs.add(figures)

    def _add_uses(self, figures: RunFigures, keys: list[ChoiceKey]) -> None:
        is_completed, is_lost = figures.status is RunStatus.COMPLETED, figures.status in LOST
        self.unbroken[figures.goal_id].add(figures)
        used = self.uses[figures.goal_id]
        for key, choice in zip(keys, figures.choices, strict=True):
            times = choice.succeeded + choice.failed + choice.pending
            used[key].completed_times += times * is_completed
            used[key].lost_times += times * is_lost
        for key in set(keys):
            used[key].completed_runs += is_completed
            used[key].lost_runs += is_lost
            tally = self.choices[key]
            tally.unbroken.add(figures)
            if is_lost:
                tally.lost.add(figures)

    def _add_errors(self, figures: RunFigures, keys: list[ChoiceKey]) -> None:
        met: set[ErrorKey] = set()
        for failure in figures.failures:
            key = _error_key(failure, keys)
            tally = self.errors[key]
            tally.count += failure.times
            tally.recovered += failure.recovered
            if key not in met:
                met.add(key)
                tally.goals[figures.goal_id] += 1
                tally.runs.add(figures)
                tally.examples.add(figures)

    def _add_loss(self, figures: RunFigures, keys: list[ChoiceKey]) -> None:
        for fix in set(map(gist, figures.fixes)):
            self.fixes[fix].add(figures)
        found = figures.breakdown
        tally = self.unexplained
        if found is not None:
            choice = _at(keys, found.choice)
            tally = self.breakdowns[BreakdownKey(found.kind, *choice, gist(found.error))]
        tally.goals[figures.goal_id] += 1
        tally.examples.add(figures)


def _choice_key(choice: Choice) -> ChoiceKey:
    return ChoiceKey(choice.node, gist(choice.intent), gist(choice.option))


def _broke_off(figures: RunFigures, keys: list[ChoiceKey]) -> bool:
    """Whether a lost run began nothing new after it had gone wrong for good."""
    found = figures.breakdown
    if figures.status not in LOST or found is None or not 0 <= found.choice < len(keys):
        return False
    return keys[found.choice][:2] == keys[-1][:2]


def _error_key(failure: FailedChoice, keys: list[ChoiceKey]) -> ErrorKey:
    choice = _at(keys, failure.choice)
    return ErrorKey(choice.node, choice.option, gist(failure.error))


def _at(keys: list[ChoiceKey], place: int) -> ChoiceKey:
    return keys[place] if 0 <= place < len(keys) else ChoiceKey("", "", "")
