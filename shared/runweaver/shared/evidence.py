"""What a statement about a run rests on."""

from collections.abc import Iterable, Sequence
from operator import not_
from typing import Final, Self

from pydantic import Field

from runweaver.shared.decision import Decision
from runweaver.shared.fields import Schema

#: A statement names no more decisions than this, and no more problems.
MOST_NAMED: Final = 20


class Evidence(Schema):
    """A sentence about a run, and where in the run it can be checked.

    As JSON it has only what is there: a summary has many of them, and there are many summaries.
    """

    sentence: str
    #: The decisions that it speaks of, in order of time, at most 20: where there are more, those on which it depends
    #: (the attempt that worked, say) and the first of the others.
    decision_ids: list[str] = Field(default_factory=list, exclude_if=not_)
    #: The problems that it speaks of, in order of time; where there are more than 20, the first of them.
    problem_ids: list[str] = Field(default_factory=list, exclude_if=not_)
    #: The node that it speaks of, where it speaks of one.
    node: str | None = Field(default=None, exclude_if=not_)
    #: It rests on the run as a whole: its status, its counts, its times, what has arrived of it.
    whole_run: bool = Field(default=False, exclude_if=not_)

    @classmethod
    def of_run(cls, sentence: str) -> Self:
        """A sentence on the run as a whole."""
        return cls(sentence=sentence, whole_run=True)

    @classmethod
    def of_decisions(cls, sentence: str, decisions: Sequence[Decision], *, deciding: Iterable[Decision] = ()) -> Self:
        """A sentence on some decisions of a run.

        Args:
            sentence: what is said of them.
            decisions: in order of time, however many.
            deciding: those of them that have to be named, at most 20.
        """
        named = name(decisions, deciding)
        nodes = {decision.node_id for decision in named}
        return cls(
            sentence=sentence,
            decision_ids=[decision.id for decision in named],
            node=nodes.pop() if len(nodes) == 1 else None,
        )


def name(decisions: Sequence[Decision], deciding: Iterable[Decision] = ()) -> list[Decision]:
    """At most 20 of these decisions, in their order: the deciding ones, and the first of the others."""
    if len(decisions) <= MOST_NAMED:
        return list(decisions)
    ids = {decision.id for decision in deciding}
    for decision in decisions:
        if len(ids) >= MOST_NAMED:
            break
        ids.add(decision.id)
    return [decision for decision in decisions if decision.id in ids]
