"""What differs between the parameters of two choices."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from runweaver.query.one_run.telling import quote
from runweaver.shared.fields import Schema

_MOST_CHANGES: Final = 8
_LONGEST_VALUE: Final = 80
_DEEPEST: Final = 6
#: A text of so many words is prose: two of them differ in their wording, which by itself is no other choice.
_WORDS_OF_PROSE: Final = 4

_WORD = re.compile(r"[^\W\d_]{2,}")


class ChangedParameter(Schema):
    """A parameter that is not the same on both sides."""

    #: Such as `flights[0].date`.
    path: str
    #: Its value on each side as JSON, cut where it is long; none where it is not there.
    a: str | None
    b: str | None


def changed_parameters(
    a: Any, b: Any, *, most: int = _MOST_CHANGES, longest: int = _LONGEST_VALUE
) -> list[ChangedParameter]:
    """What differs; texts of several words count as different, too.

    Args:
        a: the parameters on one side.
        b: those on the other.
        most: so many are told, the first.
        longest: values are told so far (characters).
    """
    return [
        ChangedParameter(path=path or "all of it", a=_shown(left, longest), b=_shown(right, longest))
        for path, left, right in islice(_differences(a, b, "", 0), most)
    ]


def differ_in_wording_only(a: Any, b: Any) -> bool:
    """Whether all that differs are texts of several words on both sides."""
    return all(_is_prose(left) and _is_prose(right) for _, left, right in _differences(a, b, "", 0))


def named(changes: list[ChangedParameter]) -> str:
    """The changes in words: `cabin ("economy" → "business"), flights[1] (added)`."""
    return ", ".join(f"{change.path} ({_change(change)})" for change in changes)


class _Absent:
    """Stands for a parameter that is not there."""


_ABSENT: Final = _Absent()


def _differences(a: Any, b: Any, path: str, depth: int) -> Iterator[tuple[str, Any, Any]]:
    if a == b and type(a) is type(b):
        return
    if depth < _DEEPEST and isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys(), key=str):
            below = f"{path}.{key}" if path else str(key)
            yield from _differences(a.get(key, _ABSENT), b.get(key, _ABSENT), below, depth + 1)
    elif depth < _DEEPEST and isinstance(a, list) and isinstance(b, list):
        yield from _differences_of_lists(a, b, path, depth)
    else:
        yield path, a, b


def _differences_of_lists(a: list[Any], b: list[Any], path: str, depth: int) -> Iterator[tuple[str, Any, Any]]:
    """What is alike at the beginning and at the end is no difference, also where one has more in between."""
    shorter = min(len(a), len(b))
    begin = next((index for index in range(shorter) if a[index] != b[index]), shorter)
    end = next((index for index in range(shorter - begin) if a[-1 - index] != b[-1 - index]), shorter - begin)
    for index in range(begin, max(len(a), len(b)) - end):
        left = a[index] if index < len(a) - end else _ABSENT
        right = b[index] if index < len(b) - end else _ABSENT
        yield from _differences(left, right, f"{path}[{index}]", depth + 1)


def _is_prose(value: Any) -> bool:
    return isinstance(value, str) and len(_WORD.findall(value[:1000])) >= _WORDS_OF_PROSE


def _shown(value: Any, longest: int) -> str | None:
    if value is _ABSENT:
        return None
    return quote(json.dumps(value, ensure_ascii=False, default=str), longest)


def _change(change: ChangedParameter) -> str:
    if change.a is None:
        return f"added: {change.b}"
    return f"{change.a} → {change.b}" if change.b is not None else f"without {change.a}"
