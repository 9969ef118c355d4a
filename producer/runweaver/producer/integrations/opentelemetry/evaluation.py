"""What evaluations say about a decision."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.integrations.opentelemetry.attributes import Attributes, number, text

#: Labels that leave no doubt. Others, such as `relevant`, are told as they are.
_BAD: Final = frozenset({"fail", "failed", "no", "false", "bad", "incorrect", "unsafe"})
_GOOD: Final = frozenset({"pass", "passed", "yes", "true", "good", "correct", "safe"})


def evaluate(run: ActiveRun, decision_id: str, given: Sequence[tuple[Attributes, datetime | None]]) -> None:
    """Judge a decision as these evaluations do: its quality is the worst of their scores.

    Only what lies between 0 and 1 is a quality: which scale another score has, nobody says. A decision without a score
    of that kind, and without a label that says whether it passed, is not judged.
    """
    qualities = [quality for attributes, _ in given if (quality := _quality(attributes)) is not None]
    if not qualities:
        return
    run.evaluate(
        decision_id,
        outcome_quality=min(qualities),
        goal_aligned=not any(_label(attributes) in _BAD for attributes, _ in given),
        explanation="; ".join(_told(attributes) for attributes, _ in given),
        at=max((at for _, at in given if at is not None), default=None),
    )


def _quality(attributes: Attributes) -> float | None:
    score = number(attributes, "score")
    if score is not None and 0 <= score <= 1:
        return score
    return 0.0 if _label(attributes) in _BAD else 1.0 if _label(attributes) in _GOOD else None


def _label(attributes: Attributes) -> str:
    return text(attributes, "label").strip().lower()


def _told(attributes: Attributes) -> str:
    score = text(attributes, "label") or text(attributes, "score")
    head = " ".join(part for part in (text(attributes, "evaluation"), score) if part)
    return ": ".join(part for part in (head, text(attributes, "explanation")) if part)
