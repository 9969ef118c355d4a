"""What about a run should catch a Builder's eye."""

from enum import StrEnum

from pydantic import Field

from runweaver.shared.fields import Schema


class AttentionFlag(StrEnum):
    """Why to look at a run."""

    #: One thing was tried again more often than that.
    RETRIED = "retried"
    #: One outcome took longer than that (ms).
    SLOW = "slow"
    #: It used more tokens than that.
    COSTLY = "costly"
    #: The same choice failed so many times in a row.
    LOOP = "loop"
    #: It took more decisions than that.
    LONG = "long"
    #: More messages than that did not arrive.
    MISSING = "missing"
    #: More decisions than that had no outcome at the end.
    PENDING = "pending"


class Attention(Schema):
    """A reason to look at a run."""

    flag: AttentionFlag
    #: A sentence, with what was found.
    reason: str
    #: What was found, and the most that goes unnoticed; in the flag's unit.
    value: int
    threshold: int
    #: Where to look; where they are very many, the first of them.
    decision_ids: list[str] = Field(default_factory=list)
