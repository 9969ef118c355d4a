"""Which summaries somebody wants to hear of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self, TypeVar

from runweaver.shared.attention import AttentionFlag
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.run import RunStatus
from runweaver.shared.summary import RunSummary

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True)
class Selection:
    """Summaries that match all of these; an empty set matches every summary."""

    goals: frozenset[str] = field(default_factory=frozenset)
    statuses: frozenset[RunStatus] = field(default_factory=frozenset)
    #: At least one of these flags.
    attention: frozenset[AttentionFlag] = field(default_factory=frozenset)

    @classmethod
    def of(
        cls,
        *,
        goals: Iterable[str | None] = (),
        statuses: Iterable[str | None] = (),
        attention: Iterable[str | None] = (),
    ) -> Self:
        """Read them from words; those that are none are left out.

        Raises:
            InvalidArgumentError: there is no such flag, or no such status of a run that was summarised.
        """
        ended = [status for status in RunStatus if status is not RunStatus.RUNNING]
        return cls(
            frozenset(goal for goal in goals if goal is not None),
            frozenset(_words("status", statuses, ended)),
            frozenset(_words("attention", attention, AttentionFlag)),
        )

    def matches(self, summary: RunSummary) -> bool:
        return (
            (not self.goals or summary.goal_id in self.goals)
            and (not self.statuses or summary.status in self.statuses)
            and (not self.attention or any(each.flag in self.attention for each in summary.attention))
        )


def _words(name: str, given: Iterable[str | None], known: Iterable[_Word]) -> Iterable[_Word]:
    words = {word.value: word for word in known}
    for each in given:
        if each is None:
            continue
        if each not in words:
            raise InvalidArgumentError(f"{name}: {each!r:.100} is none of {', '.join(words)}")
        yield words[each]
