"""Adds up the figures of many runs.

Pure, and in which order they come makes no difference. What belongs together is decided here: what has the same gist.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from runweaver.query.many_runs.rate import Rate
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.failures import FailureKind
from runweaver.shared.figures import Choice, FailedChoice, RunFigures, latency_step
from runweaver.shared.gist import gist
from runweaver.shared.run import RunStatus

#: How many runs are kept as examples: the newest.
MAX_EXAMPLES: Final = 5

#: Runs that did not do what they should. Cancelled ones say nothing about the agent: somebody wanted them to end.
_LOST: Final = frozenset({RunStatus.FAILED, RunStatus.STUCK})


class ChoiceKey(NamedTuple):
    """What makes choices of several runs the same: gists."""

    node: str
    intent: str
    option: str


class ErrorKey(NamedTuple):
    """What makes errors of several runs the same: gists."""

    node: str
    option: str
    error: str


class BreakdownKey(NamedTuple):
    """What makes several runs go wrong in the same way: gists."""

    kind: FailureKind
    node: str
    intent: str
    option: str
    error: str

    @property
    def choice(self) -> ChoiceKey:
        """What was chosen where they went wrong."""
        return ChoiceKey(self.node, self.intent, self.option)


@dataclass
class Ended:
    """How runs ended."""

    completed: int = 0
    lost: int = 0

    def add(self, figures: RunFigures) -> None:
        """Count a run."""
        self.completed += figures.status is RunStatus.COMPLETED
        self.lost += figures.status in _LOST

    @property
    def rate(self) -> Rate:
        """How many completed, of those that count."""
        return Rate(count=self.completed, total=self.completed + self.lost)


@dataclass
class Examples:
    """How many runs, the newest of them, and when the first and the last of them ended."""

    runs: int = 0
    first_ms: int = 2**63
    last_ms: int = 0
    _newest: list[tuple[int, str]] = field(default_factory=list)

    def add(self, figures: RunFigures) -> None:
        """Count a run."""
        ended_at_ms = figures.finished_at_ms
        self.runs += 1
        self.first_ms = min(self.first_ms, ended_at_ms)
        self.last_ms = max(self.last_ms, ended_at_ms)
        place = (ended_at_ms, figures.run_id)
        if len(self._newest) < MAX_EXAMPLES or place > self._newest[-1]:
            self._newest = sorted([*self._newest, place], reverse=True)[:MAX_EXAMPLES]

    @property
    def run_ids(self) -> list[str]:
        """The newest runs, the very newest first."""
        return [run_id for _, run_id in self._newest]


@dataclass
class NodeTally:
    """What happened in a node."""

    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    pending: int = 0
    tokens: int = 0
    #: How many outcomes took how long, in the steps of `latency_step`.
    latencies: Counter[int] = field(default_factory=Counter)

    def add(self, choice: Choice) -> None:
        """Count a choice of a run."""
        self.succeeded += choice.succeeded
        self.failed += choice.failed
        self.pending += choice.pending
        self.tokens += choice.tokens
        for step, count in choice.latencies:
            self.latencies[step] += count


@dataclass
class ChoiceTally:
    """How one way of doing one thing went."""

    #: As the least of the runs has it: any would do, but it must not depend on their order.
    choice: Choice
    succeeded: int = 0
    failed: int = 0
    #: Runs that took this way at all, and those that took it before any other.
    runs: Ended = field(default_factory=Ended)
    first: Ended = field(default_factory=Ended)
    #: Those that took it and did not break off, see `Aggregate.unbroken`; and of these, the lost ones.
    unbroken: Ended = field(default_factory=Ended)
    lost: Examples = field(default_factory=Examples)


@dataclass
class ErrorTally:
    """How often an error came, and what came of it."""

    count: int = 0
    recovered: int = 0
    goals: Counter[str] = field(default_factory=Counter)
    #: Runs that met it, and how they ended.
    runs: Ended = field(default_factory=Ended)
    examples: Examples = field(default_factory=Examples)


@dataclass
class LostTally:
    """Runs that were lost in the same way."""

    goals: Counter[str] = field(default_factory=Counter)
    examples: Examples = field(default_factory=Examples)


@dataclass
class Uses:
    """How often runs took a way, apart for those that completed and those that were lost."""

    completed_runs: int = 0
    completed_times: int = 0
    lost_runs: int = 0
    lost_times: int = 0


class Era:
    """Runs of one time, as far as it matters for telling what changed."""

    def __init__(self, runs: Iterable[RunFigures] = ()) -> None:
        self.runs = 0
        self.ended = Ended()
        self.errors: defaultdict[ErrorKey, Examples] = defaultdict(Examples)
        for figures in runs:
            self.add(figures)

    def add(self, figures: RunFigures) -> None:
        """Count a run."""
        self.runs += 1
        self.ended.add(figures)
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
        if figures.status is RunStatus.COMPLETED or figures.status in _LOST:
            self.ends.append((figures.finished_at_ms, figures.status is RunStatus.COMPLETED))
        self.goals[figures.goal_id].add(figures)
        keys = [_choice_key(choice) for choice in figures.choices]
        self._add_nodes(figures)
        self._add_choices(figures, keys)
        if not _broke_off(figures, keys):
            self._add_uses(figures, keys)
        self._add_errors(figures, keys)
        if figures.status in _LOST:
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
        is_completed, is_lost = figures.status is RunStatus.COMPLETED, figures.status in _LOST
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
        for fix in {gist(problem.suggested_fix) for problem in figures.problems if problem.suggested_fix}:
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
    if figures.status not in _LOST or found is None or not 0 <= found.choice < len(keys):
        return False
    return keys[found.choice][:2] == keys[-1][:2]


def _error_key(failure: FailedChoice, keys: list[ChoiceKey]) -> ErrorKey:
    choice = _at(keys, failure.choice)
    return ErrorKey(choice.node, choice.option, gist(failure.error))


def _at(keys: list[ChoiceKey], place: int) -> ChoiceKey:
    return keys[place] if 0 <= place < len(keys) else ChoiceKey("", "", "")
