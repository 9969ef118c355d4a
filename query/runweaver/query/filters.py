"""What runs are looked for by."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import inf
from typing import Final, Self, TypedDict, TypeVar, Unpack, get_args

from runweaver.shared.attention import AttentionFlag
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.keys import Keys, findable_tags, has_index
from runweaver.shared.run import RunStatus, Severity
from runweaver.shared.summary import RunSummary

_SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)

_Choice = TypeVar("_Choice", bound=StrEnum)


class Filters(TypedDict, total=False):
    """What a run has to be to be found: all that is said here, and what is absent or none says nothing."""

    #: A goal id.
    goal: str | None
    #: `completed`, `failed`, `cancelled` or `stuck`.
    status: RunStatus | str | None
    #: A node that the run passed through.
    node: str | None
    #: One of its first 20 tags.
    tag: str | None
    #: A flag that it has: `retried`, `slow`, `costly`, `loop`, `long`, `missing` or `pending`.
    attention: AttentionFlag | str | None
    #: It has a problem that is `critical`, `warning` or `minor`.
    severity: Severity | str | None
    #: It used so many tokens, or more.
    min_tokens: int | None
    #: It took so many milliseconds, or more.
    min_duration_ms: int | None
    #: It ended at this time or later.
    since: datetime | None
    #: It ended before this time.
    until: datetime | None
    #: This text, as it stands and in any case, in its narrative, its goal's description, an intent, an error, a
    #: critical problem or a warning. Of intents and errors that differ only in numbers and ids, one is looked at, and
    #: of long ones the first 200 characters. It is no pattern: of a pattern that somebody else made up nobody knows how
    #: long it takes.
    grep: str | None


@dataclass(frozen=True)
class Wanted:
    """The same, checked, and ready to compare runs with."""

    goal: str | None = None
    status: RunStatus | None = None
    node: str | None = None
    tag: str | None = None
    attention: AttentionFlag | None = None
    severity: str | None = None
    min_tokens: int = 0
    min_duration_ms: int = 0
    since_ms: float = -inf
    until_ms: float = inf
    #: Without case.
    grep: str | None = None

    @classmethod
    def of(cls, **filters: Unpack[Filters]) -> Self:
        """Check what somebody looks for.

        Raises:
            InvalidArgumentError: there is no such status, flag or severity; a least number is below 0; or a text holds
                half a character.
        """
        since, until, grep = filters.get("since"), filters.get("until"), filters.get("grep")
        for name in ("goal", "node", "tag", "grep"):
            _check_text(name, filters.get(name))
        return cls(
            goal=filters.get("goal"),
            status=_one_of(RunStatus, "status", filters.get("status")),
            node=filters.get("node"),
            tag=filters.get("tag"),
            attention=_one_of(AttentionFlag, "attention", filters.get("attention")),
            severity=_severity(filters.get("severity")),
            min_tokens=_least("min_tokens", filters.get("min_tokens")),
            min_duration_ms=_least("min_duration_ms", filters.get("min_duration_ms")),
            since_ms=_milliseconds(since) if since is not None else -inf,
            until_ms=_milliseconds(until) if until is not None else inf,
            grep=grep.casefold() if grep is not None else None,
        )

    def matches(self, summary: RunSummary, texts: Iterable[str] = ()) -> bool:
        """Whether a run is what is looked for.

        Args:
            summary: what is known of it.
            texts: what else there is of it to look for a text in.
        """
        return (
            self.goal in (None, summary.goal_id)
            and self.status in (None, summary.status)
            and (self.node is None or self.node in summary.nodes)
            and (self.tag is None or self.tag in findable_tags(summary.tags))
            and (self.attention is None or any(each.flag is self.attention for each in summary.attention))
            and (self.severity is None or _has_problem(summary, self.severity))
            and (not self.min_tokens or summary.tokens >= self.min_tokens)
            and (not self.min_duration_ms or summary.duration_ms >= self.min_duration_ms)
            and self._is_within(summary.finished_at)
            and (self.grep is None or any(self.grep in text.casefold() for text in _texts(summary, texts)))
        )

    def _is_within(self, moment: datetime) -> bool:
        # Where nobody asked, nothing is computed: a page has many runs.
        if self.since_ms == -inf and self.until_ms == inf:
            return True
        return self.since_ms <= _milliseconds(moment) < self.until_ms

    def indexes(self, keys: Keys) -> list[str]:
        """The indexes each of which holds all runs that match."""
        found = []
        if self.goal is not None and self.status is not None:
            found.append(keys.index_goal_status(self.goal, self.status))
        elif self.goal is not None:
            found.append(keys.index_goal(self.goal))
        elif self.status is not None:
            found.append(keys.index_status(self.status))
        if self.node is not None:
            found.append(keys.index_node(self.node))
        if self.tag is not None and has_index(self.tag):
            found.append(keys.index_tag(self.tag))
        if self.attention is not None:
            found.append(keys.index_attention(self.attention))
        return found or [keys.index_all]


def _texts(summary: RunSummary, texts: Iterable[str]) -> Iterator[str]:
    yield summary.narrative
    yield summary.goal_description
    yield from summary.critical_problems
    yield from summary.warnings
    yield from texts


def _has_problem(summary: RunSummary, severity: str) -> bool:
    if severity == "critical":
        return bool(summary.critical_problems)
    if severity == "warning":
        return bool(summary.warnings)
    # Of minor ones a summary says only how many there are.
    return summary.problem_count > len(summary.critical_problems) + len(summary.warnings)


def _one_of(kind: type[_Choice], name: str, value: str | None) -> _Choice | None:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise InvalidArgumentError(f"{name}: {value!r:.100} is none of {', '.join(kind)}") from None


def _severity(value: str | None) -> str | None:
    if value not in (None, *_SEVERITIES):
        raise InvalidArgumentError(f"severity: {value!r:.100} is none of {', '.join(_SEVERITIES)}")
    return value


def _least(name: str, value: int | None) -> int:
    if value is not None and value < 0:
        raise InvalidArgumentError(f"{name}: {value} is below 0")
    return value or 0


def _check_text(name: str, value: object) -> None:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{name}: {value!r:.100} cannot be looked for: it holds half a character") from None


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000
