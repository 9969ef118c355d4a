"""What is counted over many runs, and by what."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from runweaver.query.many_runs.rate import Rate
from runweaver.shared.failures import FailureKind
from runweaver.shared.figures import Choice, RunFigures
from runweaver.shared.run import RunStatus

#: How many runs are kept as examples: the newest.
MAX_EXAMPLES: Final = 5

#: Runs that did not do what they should. Cancelled ones say nothing about the agent: somebody wanted them to end.
LOST: Final = frozenset({RunStatus.FAILED, RunStatus.STUCK})


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
        self.lost += figures.status in LOST

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
