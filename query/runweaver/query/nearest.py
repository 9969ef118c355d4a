"""The run that is most like another one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runweaver.query.runs import Runs
from runweaver.query.summaries import Summaries
from runweaver.shared.errors import ArchiveExpiredError, CorruptDataError, InvalidMessageError
from runweaver.shared.run import Run, RunStatus

#: So many of the newest successful runs of a goal are looked at.
MOST_CANDIDATES: Final = 50


@dataclass(frozen=True)
class RunProfile:
    """What a run did, without the order."""

    run_id: str
    finished_at: datetime
    #: How often each node, intent and chosen option came.
    steps: Mapping[tuple[str, str, str | None], int]

    @classmethod
    def of(cls, run: Run) -> "RunProfile":
        """The profile of a run."""
        steps = Counter((d.node_id, d.intent, d.chosen_option_id) for d in run.decisions)
        return cls(run.id, run.finished_at, steps)


def nearest(profile: RunProfile, candidates: Iterable[RunProfile]) -> RunProfile | None:
    """The candidate that is most like this one, and not the run itself; of equally near ones the newest."""
    others = (candidate for candidate in candidates if candidate.run_id != profile.run_id)
    return max(others, key=lambda each: (similarity(profile, each), each.finished_at, each.run_id), default=None)


def similarity(a: RunProfile, b: RunProfile) -> float:
    """How much two runs have in common, 0 to 1.

    The steps that both took over the steps that either took: the mean of that for steps with their choice, and for
    steps by node and intent alone.
    """
    return (_overlap(Counter(a.steps), Counter(b.steps)) + _overlap(_without_choice(a), _without_choice(b))) / 2


def nearest_success(run: Run, summaries: Summaries, runs: Runs) -> Run | None:
    """The most similar completed run of the same goal, of the newest fifty; none where there is none to read.

    Raises:
        ServerError: the server does not answer.
    """
    found = summaries.list(goal=run.goal_id, status=RunStatus.COMPLETED, limit=MOST_CANDIDATES + 1).items
    profiles = (_profile(runs, summary.run_id) for summary in found if summary.run_id != run.id)
    chosen = nearest(RunProfile.of(run), (profile for profile in profiles if profile is not None))
    return runs.get(chosen.run_id) if chosen is not None else None


def _profile(runs: Runs, run_id: str) -> RunProfile | None:
    """Runs are read one after another, and of each only the profile is kept: they may be large."""
    try:
        run = runs.get(run_id)
    except (ArchiveExpiredError, CorruptDataError, InvalidMessageError):
        return None  # there may be others
    return RunProfile.of(run) if run is not None and run.status is RunStatus.COMPLETED else None


def _without_choice(profile: RunProfile) -> "Counter[object]":
    steps: Counter[object] = Counter()
    for (node, intent, _), count in profile.steps.items():
        steps[node, intent] += count
    return steps


def _overlap(a: "Counter[object]", b: "Counter[object]") -> float:
    either = (a | b).total()
    return (a & b).total() / either if either else 1.0
