"""What one run adds to what is known of its goal: small, and made once, when the run is summarised.

The figures of many runs are added up when somebody asks. So a run that is summarised again replaces its own, and
nothing is counted twice; and what is asked for (a goal, a period, a tag) need not be known beforehand.

They are facts, as the agent reported them; which of them belong together is for the reader to say. Bounded, whatever
the run: of what is very many, the first are kept, and the rest is counted.
"""

import math
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple, Self

import zstandard
from pydantic import BaseModel, Field, ValidationError

from runweaver.shared.attention import AttentionFlag
from runweaver.shared.decision import Decision
from runweaver.shared.errors import CorruptFiguresError
from runweaver.shared.failures import Failure, FailureKind, FailurePoint, failure_point, failures
from runweaver.shared.fields import MAX_COUNT
from runweaver.shared.gist import gist
from runweaver.shared.keys import findable_tags
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.summary import RunSummary

MAX_CHOICES: Final = 200
MAX_FAILURES: Final = 50
MAX_FIXES: Final = 20
MAX_TEXT: Final = 200

#: Latencies are counted in steps of 5 %, each as the step in the middle of which it lies: off by 2.5 % at most.
LATENCY_STEP: Final = 1.05

#: All of them are bounded: together they come to less than this.
_MOST_BYTES: Final = 1024 * 1024

#: How many texts are remembered: they repeat.
_REMEMBERED: Final = 8_192

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_LOG_STEP: Final = math.log(LATENCY_STEP)

#: Within what every reader of JSON holds exactly, and a sum of many can still be divided.
_Number = Annotated[int, Field(ge=0, le=MAX_COUNT)]
#: The longest latency falls into the last one.
_Step = Annotated[int, Field(ge=0, le=753)]
#: A place among the choices; -1 for none of them.
_Place = Annotated[int, Field(ge=-1, lt=MAX_CHOICES)]
#: Milliseconds since 1970, in the years 1 to 9999.
_Moment = Annotated[int, Field(ge=-62_135_596_800_000, le=253_402_300_799_999)]


class Choice(NamedTuple):
    """One way of doing one thing, and how it went each time that the run took it."""

    node: str
    intent: str
    #: The id of the option; empty where nothing was chosen.
    option: str
    description: str
    succeeded: _Number
    failed: _Number
    pending: _Number
    tokens: _Number
    #: Steps (see `latency_step`), and how many outcomes fell into each. Those that took no time said none.
    latencies: list[tuple[_Step, _Number]]


class FailedChoice(NamedTuple):
    """An error that a choice met."""

    #: The place of the choice among the run's choices; -1 for one of those that were too many.
    choice: _Place
    error: str
    times: _Number
    #: How many of these were made up for later.
    recovered: _Number


class Breakdown(NamedTuple):
    """Where the run went wrong for good."""

    kind: FailureKind
    #: As in `FailedChoice`.
    choice: _Place
    #: The error, or the problem's description; empty where none was told.
    error: str


class RunFigures(BaseModel):
    """What one run adds to what is known of its goal."""

    run_id: str
    goal_id: str
    status: RunStatus
    #: Milliseconds since 1970.
    finished_at_ms: _Moment
    duration_ms: _Number
    tokens: _Number
    decisions: _Number
    tags: list[str] = Field(default_factory=list)
    attention: list[AttentionFlag] = Field(default_factory=list)
    #: In order of first use.
    choices: list[Choice] = Field(default_factory=list)
    #: Decisions that are in none of the choices, because there were too many.
    other_decisions: _Number = 0
    failures: list[FailedChoice] = Field(default_factory=list)
    #: What reported problems suggest, each thing once.
    fixes: list[str] = Field(default_factory=list)
    breakdown: Breakdown | None = None

    @property
    def is_partial(self) -> bool:
        """Whether only its summary is known, which says how many decisions there were and not what they were."""
        return bool(self.decisions) and not self.choices

    @property
    def texts(self) -> list[str]:
        """What the run wanted, and the errors that it met; each once, those that are alike as the first of them."""
        return list(dict.fromkeys([*(choice.intent for choice in self.choices), *(f.error for f in self.failures)]))

    @classmethod
    def from_run(cls, run: Run, summary: RunSummary) -> "RunFigures":
        """The figures of a run that is summarised so. Pure."""
        choices, place_of, other = _choices(run)
        failed = list(failures(run))
        point = failure_point(run, failed)
        return cls.model_construct(
            **_facts(summary),
            choices=choices,
            other_decisions=other,
            failures=_failures(failed, place_of),
            fixes=_fixes(run),
            breakdown=_breakdown(point, place_of) if point is not None else None,
        )

    @classmethod
    def from_summary(cls, summary: RunSummary) -> "RunFigures":
        """What a summary alone tells: it was written by a release that made no figures."""
        return cls.model_construct(**_facts(summary))

    def pack(self) -> bytes:
        """The bytes to keep in Redis: JSON in a zstandard frame. There are as many of them as there are summaries."""
        return _zstandard.compressor.compress(self.model_dump_json().encode())

    @classmethod
    def read(cls, run_id: str, packed: bytes) -> Self:
        """Read what is stored as the figures of this run.

        Raises:
            CorruptFiguresError: `pack` did not write it.
        """
        try:
            return cls.model_validate_json(_unpacked(packed))
        except ValidationError as error:
            reason = ".".join(map(str, error.errors()[0]["loc"])) or error.errors()[0]["msg"]
        except zstandard.ZstdError as error:
            reason = str(error)
        raise CorruptFiguresError(f"what is stored as the figures of {run_id} is none: {reason:.200}")


def latency_step(latency_ms: int) -> int:
    """In which step a latency is counted, 1 ms in the first one."""
    return round(math.log(latency_ms) / _LOG_STEP)


def latency_of(step: int) -> int:
    """The latency in the middle of a step, in milliseconds."""
    return round(LATENCY_STEP**step)


class _Zstandard(threading.local):
    """One of each for a thread: they cannot be shared, and to make one takes three times what they do with it."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor()
        self.decompressor = zstandard.ZstdDecompressor()


_zstandard = _Zstandard()


def _unpacked(packed: bytes) -> bytes:
    # Asked before unpacking, which takes the memory first.
    if not 0 <= zstandard.frame_content_size(packed) <= _MOST_BYTES:
        raise zstandard.ZstdError("it unpacks to more than figures come to")
    return _zstandard.decompressor.decompress(packed, allow_extra_data=False)


def _facts(summary: RunSummary) -> dict[str, Any]:
    return {
        "run_id": summary.run_id,
        "goal_id": summary.goal_id,
        "status": summary.status,
        # Exactly: a float would round the last moments of the year 9999 up.
        "finished_at_ms": (summary.finished_at - _EPOCH) // _MILLISECOND,
        "duration_ms": summary.duration_ms,
        "tokens": min(MAX_COUNT, summary.tokens),
        "decisions": summary.decision_count,
        "tags": [tag[:MAX_TEXT] for tag in findable_tags(summary.tags)],
        "attention": [each.flag for each in summary.attention],
    }


#: What makes two decisions the same choice.
_Key = tuple[str, str, str]


def _key(decision: Decision) -> _Key:
    return decision.node_id, gist(decision.intent), gist(decision.chosen_option_id or "")


def _choices(run: Run) -> tuple[list[Choice], dict[str, int], int]:
    """The choices, in which of them each decision is, and how many decisions are in none."""
    taken: dict[_Key, list[Decision]] = {}
    place_of: dict[str, int] = {}
    places: dict[_Key, int] = {}
    for decision in run.decisions:
        key = _key(decision)
        if key not in taken:
            if len(taken) == MAX_CHOICES:
                continue
            places[key] = len(taken)
            taken[key] = []
        taken[key].append(decision)
        place_of[decision.id] = places[key]
    return [_choice(alike) for alike in taken.values()], place_of, len(run.decisions) - len(place_of)


def _choice(alike: list[Decision]) -> Choice:
    first = alike[0]
    chosen = first.chosen_option
    outcomes = [decision.outcome for decision in alike if decision.outcome is not None]
    succeeded = sum(outcome.success for outcome in outcomes)
    steps = Counter(latency_step(outcome.latency_ms) for outcome in outcomes if outcome.latency_ms)
    return Choice(
        node=_cut(first.node_id),
        intent=_cut(first.intent),
        option=_cut(first.chosen_option_id),
        description=_cut(chosen.description if chosen is not None else ""),
        succeeded=succeeded,
        failed=len(outcomes) - succeeded,
        pending=len(alike) - len(outcomes),
        tokens=min(MAX_COUNT, sum(outcome.tokens_used for outcome in outcomes)),
        latencies=sorted(steps.items()),
    )


def _failures(failed: Iterable[Failure], place_of: dict[str, int]) -> list[FailedChoice]:
    """Errors that are alike, counted together for each choice; the most frequent where they are very many."""
    counts: dict[tuple[int, str], list[int]] = {}
    errors: dict[tuple[int, str], str] = {}
    for failure in failed:
        error = _error_of(failure.decision)
        key = place_of.get(failure.decision.id, -1), gist(error)
        errors.setdefault(key, error)
        count = counts.setdefault(key, [0, 0])
        count[0] += 1
        count[1] += failure.recovery is not None
    most = sorted(counts.items(), key=lambda item: item[1][0], reverse=True)[:MAX_FAILURES]
    return [FailedChoice(key[0], _cut(errors[key]), total, recovered) for key, (total, recovered) in most]


def _fixes(run: Run) -> list[str]:
    told = (problem.suggested_fix for problem in run.problems)
    return list(dict.fromkeys(_cut(fix) for fix in told if fix))[:MAX_FIXES]


def _breakdown(point: FailurePoint, place_of: dict[str, int]) -> Breakdown:
    decision = point.decision
    error = _error_of(decision) if decision is not None else ""
    if not error or point.kind is FailureKind.PROBLEM:
        error = next((problem.description for problem in point.problems), error)
    return Breakdown(point.kind, place_of.get(decision.id, -1) if decision is not None else -1, _cut(error))


def _error_of(decision: Decision) -> str:
    outcome = decision.outcome
    return (outcome.error or outcome.summary) if outcome is not None else ""


@lru_cache(maxsize=_REMEMBERED)
def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _cut(text: str | None) -> str:
    return _one_line(text[: 4 * MAX_TEXT]) if text else ""
