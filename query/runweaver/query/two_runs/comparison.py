"""What a comparison of two runs is made of."""

from enum import StrEnum

from pydantic import Field

from runweaver.query.one_run.telling import Step
from runweaver.query.two_runs.parameters import ChangedParameter
from runweaver.shared.fields import Schema
from runweaver.shared.run import RunStatus


class DivergenceKind(StrEnum):
    """How two runs differ at a place."""

    #: Each took steps that the other did not take there.
    PATH = "path"
    #: They were after the same thing, and chose differently.
    CHOICE = "choice"
    #: They chose the same, with other parameters.
    PARAMETERS = "parameters"
    #: They did the same, and it came out differently.
    RESULT = "result"


class Side(Schema):
    """One of the runs that are compared."""

    run_id: str
    goal_id: str
    status: RunStatus
    decisions: int
    failed_decisions: int
    pending_decisions: int
    critical_problems: int
    warnings: int
    tokens: int
    #: Milliseconds, summed over the outcomes.
    latency_ms: int
    #: From start to end, or so far as it has come.
    duration_ms: int


class Divergence(Schema):
    """A place where two runs differ."""

    kind: DivergenceKind
    #: What each did there: one step each, or, where the paths differ, the first few that only this run took.
    a: list[Step] = Field(default_factory=list)
    b: list[Step] = Field(default_factory=list)
    #: How many steps that were.
    a_count: int
    b_count: int
    #: Where the paths differ: what each did next, after the same thing; none at the end.
    a_next: Step | None = None
    b_next: Step | None = None
    #: Where both chose the same: the parameters that differ.
    changed: list[ChangedParameter] = Field(default_factory=list)


class Comparison(Schema):
    """Two runs side by side, aligned by node and intent. A step is evidence: it has the decision's id."""

    a: Side
    b: Side
    #: Steps that both took: of the same node and intent.
    aligned: int
    #: Of those, how many were the same choice with the same parameters.
    same: int
    #: Of those, how many differ in the wording of a text only. That is no divergence.
    reworded: int
    #: Steps that only one of them took.
    only_a: int
    only_b: int
    #: Where they part; none where they do not.
    first_divergence: Divergence | None = None
    #: The next ones, at most ten.
    later_divergences: list[Divergence] = Field(default_factory=list)
    #: How many there are in all.
    divergences: int = 0
