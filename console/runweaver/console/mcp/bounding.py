"""Keeps answers small: an LLM has to read them, and what agents report may be as long as they like."""

import json
from collections.abc import Iterable
from typing import Any, Final

from runweaver.shared.errors import InvalidArgumentError

#: No answer is longer than this, as JSON (characters).
MOST_CHARACTERS: Final = 20_000

#: How long a text and how many entries a list may have: the first of these that makes an answer small enough.
_STEPS: Final = (
    (MOST_CHARACTERS, MOST_CHARACTERS),
    (4_000, 200),
    (2_000, 100),
    (1_000, 50),
    (500, 25),
    (250, 12),
    (160, 6),
    (120, 3),
    (80, 1),
)
#: No object of ours has so many fields. What has more is a mapping that an agent filled.
_MOST_KEYS: Final = 50
_MARK: Final = " [cut, "
_DIGITS: Final = 4
_MOST_TOLD: Final = 8
_LONGEST_PATH: Final = 80


def as_json(document: Any) -> str:
    """As short as JSON can be."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)


def rounded(document: Any) -> Any:
    """The same with short numbers: what was computed is not that exact."""
    if isinstance(document, float):
        return round(document, _DIGITS)
    if isinstance(document, dict):
        return {key: rounded(value) for key, value in document.items()}
    return [rounded(value) for value in document] if isinstance(document, list) else document


def shorten(text: str, most: int) -> str:
    """The beginning of a text, where it is longer than that, with how long it is."""
    return text if len(text) <= most else f"{text[:most]}…{_MARK}{len(text):,} characters in all]"


def shorten_value(value: Any, most: int) -> Any:
    """A value as it is, where it is small; otherwise the beginning of its JSON, as a text."""
    if isinstance(value, str):
        return shorten(value, most)
    text = as_json(value)
    return value if len(text) <= most else shorten(text, most)


def is_shortened(document: Any) -> bool:
    """Whether anything in it was."""
    return _MARK in as_json(document)


def how_many_fit(documents: Iterable[Any], most: int) -> int:
    """How many of these, in their order, have room together; at least one."""
    used = count = 0
    for document in documents:
        used += len(as_json(document)) + 1
        if used > most and count:
            break
        count += 1
    return count


def fit(document: dict[str, Any], most: int = MOST_CHARACTERS, *, rows: str = "") -> tuple[dict[str, Any], list[str]]:
    """A document that is no longer than that: long texts lose their ends, long lists and mappings their last entries.

    Args:
        document: JSON, as Python has it.
        most: how many characters it may have as JSON, with what was cut.
        rows: the name of a list that keeps all its entries: where the next page begins is said elsewhere.

    Returns:
        It, and what was cut, in words.

    Raises:
        InvalidArgumentError: that is not possible.
    """
    for longest_text, longest_list in _STEPS:
        trimming = _Trimming(longest_text, longest_list, rows)
        trimmed = trimming.trim(document, "")
        cuts = trimming.told()
        if len(as_json({**trimmed, "cut": cuts} if cuts else trimmed)) <= most:
            return trimmed, cuts
    raise InvalidArgumentError(f"the answer would have more than {most:,} characters: ask for less at once")


class _Trimming:
    def __init__(self, longest_text: int, longest_list: int, rows: str) -> None:
        self._longest_text = longest_text
        self._rows = rows
        self._longest_list = longest_list
        self.cuts: list[str] = []

    def trim(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            if len(value) > self._longest_text:
                self.cuts.append(f"{_named(path)}: the first {self._longest_text:,} of {len(value):,} characters")
            return shorten(value, self._longest_text)
        if isinstance(value, list):
            most = len(value) if path == self._rows else self._longest_list
            if len(value) > most:
                self.cuts.append(f"{_named(path)}: the first {most:,} of {len(value):,} entries")
            return [self.trim(each, f"{path}[{place}]") for place, each in enumerate(value[:most])]
        if isinstance(value, dict):
            return self._mapping(value, path)
        return value

    def _mapping(self, mapping: dict[str, Any], path: str) -> dict[str, Any]:
        most = max(self._longest_list, _MOST_KEYS)
        if len(mapping) > most:
            self.cuts.append(f"{_named(path)}: the first {most:,} of {len(mapping):,} keys")
        return {
            shorten(key, self._longest_text): self.trim(each, f"{path}.{key}" if path else key)
            for key, each in list(mapping.items())[:most]
        }

    def told(self) -> list[str]:
        more = len(self.cuts) - _MOST_TOLD
        return self.cuts[:_MOST_TOLD] + ([f"and {more:,} more"] if more > 0 else [])


def _named(path: str) -> str:
    return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
