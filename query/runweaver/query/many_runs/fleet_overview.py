"""How a fleet of agents did over a period: the answer of `Fleet`."""

from pydantic import BaseModel

from runweaver.query.many_runs.findings import ChangeFinding, Direction, TrendPoint
from runweaver.query.many_runs.rate import Rate
from runweaver.shared.fields import UtcDatetime
from runweaver.shared.run import RunStatus


class FleetStep(BaseModel):
    """A part of the period."""

    since: UtcDatetime
    #: How many runs ended so. All of them are counted.
    statuses: dict[RunStatus, int]
    #: How many completed, of all but cancelled ones.
    success: Rate
    #: Of all its runs; an estimate where not all were looked at.
    tokens: int
    #: Milliseconds, of those that were looked at; none where there is none.
    duration_p50_ms: int | None

    @property
    def runs(self) -> int:
        return sum(self.statuses.values())


class GoalOverview(BaseModel):
    """A goal over the period. All of its runs are counted."""

    goal: str
    statuses: dict[RunStatus, int]
    success: Rate
    #: Of the time of the same length just before the period.
    before: Rate
    direction: Direction
    #: Parts of the period of the same length, the oldest first.
    points: list[TrendPoint]
    #: The run of it that failed or got stuck last, in the period.
    last_lost: str | None

    @property
    def runs(self) -> int:
        return sum(self.statuses.values())


class FleetOverview(BaseModel):
    """How all runs that ended in a period did."""

    #: From, including; to, excluding. Steps begin at round times, so the last one may not be over.
    since: UtcDatetime
    until: UtcDatetime
    step_s: int
    #: The oldest first; those without runs are there, too.
    steps: list[FleetStep]

    statuses: dict[RunStatus, int]
    success: Rate
    #: Of the time of the same length just before the period.
    runs_before: int
    before: Rate
    direction: Direction
    tokens: int
    #: Milliseconds; none where no run ended.
    duration_p50_ms: int | None
    #: For tokens and durations, no more than so many runs were looked at, the newest of each step.
    looked_at: int
    #: Runs that were kept because they failed, though they are in no sample: they are counted here, and make the
    #: success rate look worse than it is.
    sampled_out: int

    #: Those that got clearly worse first, then those that lost most runs.
    goals: list[GoalOverview]
    #: How many goals were met among the runs that were looked at.
    goals_found: int

    @property
    def runs(self) -> int:
        return sum(self.statuses.values())


class FleetChanges(BaseModel):
    """Errors that came or went since the time of the same length just before the period."""

    #: Of each of both times, the newest runs were looked at: so many.
    runs: int
    runs_before: int
    #: Those that came first.
    changes: list[ChangeFinding]
