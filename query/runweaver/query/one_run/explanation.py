"""What an explanation of a run is made of."""

from enum import StrEnum

from pydantic import Field

from runweaver.query.one_run.telling import Step
from runweaver.shared.evidence import Evidence
from runweaver.shared.failures import FailureKind
from runweaver.shared.fields import Schema
from runweaver.shared.run import RunStatus


class CauseSource(StrEnum):
    """Where a root cause comes from, the most trustworthy first."""

    #: Somebody reported a problem, and said what it was due to.
    PROBLEM = "problem"
    #: The outcome's error.
    ERROR = "error"
    #: Somebody judged the decision afterwards.
    EVALUATION = "evaluation"
    #: Another option was listed, and not taken.
    ALTERNATIVE = "alternative"
    #: Nothing in the run shows it.
    UNKNOWN = "unknown"


class Cause(Evidence):
    """Why it went wrong, as far as the run shows."""

    source: CauseSource


class Relation(StrEnum):
    """How an earlier decision has to do with the point of failure."""

    #: It was after the same thing.
    ATTEMPT = "attempt"
    #: Something that the later one uses stands in its result.
    FED = "fed"
    #: An edge leads from its node to that of the later one.
    LED_TO = "led_to"
    #: It came just before: nothing else is known.
    BEFORE = "before"


class Link(Step):
    """An earlier decision in the chain that leads to the point of failure."""

    relation: Relation
    #: In words, such as what its result holds.
    why: str


class SuggestionSource(StrEnum):
    """What a suggestion follows from, the most trustworthy first."""

    #: Somebody reported a problem, with a fix.
    PROBLEM = "problem"
    #: Somebody judged another option to be better.
    EVALUATION = "evaluation"
    #: An option was listed and not taken.
    ALTERNATIVE = "alternative"
    #: The same failure came again and again.
    LOOP = "loop"
    #: Decisions have no outcome.
    PENDING = "pending"
    #: Not all of the run is there.
    MISSING = "missing"
    #: The run by itself does not tell: another one may.
    COMPARISON = "comparison"


class Suggestion(Evidence):
    """What to change or to look at, and what in the run says so."""

    source: SuggestionSource


class Explanation(Schema):
    """Why a run ended as it did, as far as its data shows. Each sentence has the ids that it rests on."""

    run_id: str
    goal_id: str
    status: RunStatus
    #: One sentence: what became of the run, and where.
    verdict: Evidence
    #: What kind of thing went wrong for good; none where nothing did.
    kind: FailureKind | None = None
    #: The decision where it went wrong, if it was one.
    point: Step | None = None
    #: Earlier decisions that led there, in order of time, the nearest few.
    chain: list[Link] = Field(default_factory=list)
    #: The most trustworthy first. Empty where nothing went wrong; one of source `unknown` where nothing shows it.
    causes: list[Cause] = Field(default_factory=list)
    #: What else is worth knowing: what failed and was made up for, what repeats, what is missing.
    observations: list[Evidence] = Field(default_factory=list)
    suggestions: list[Suggestion] = Field(default_factory=list)

    @property
    def is_unknown(self) -> bool:
        """Whether something went wrong, and nothing in the run shows why."""
        return any(cause.source is CauseSource.UNKNOWN for cause in self.causes)
