"""Makes structured input from the bytes of a fuzzer: a small change of the bytes is a small change of what is made."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

_Choice = TypeVar("_Choice")

_NUMBERS: Final = (
    *("9" * 400, "9" * 4300, "9007199254740991", "9007199254740992", "18446744073709551616", "1e300", "0", "1"),
    *("9" * 4301, "-" + "9" * 400, "-1", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "-0", "-0.0", "1.5", "0.1e1"),
    *("253402300800", "-62135596801", "1e11"),
)
_TEXTS: Final = (
    *(
        '"\\u001b[31m"',
        '"\\u0000"',
        '"\\u009b"',
        '"\\u2028"',
        '"a\\nb\\rc"',
        '"' + "x" * 5000 + '"',
        '""',
        '"[/]"',
        '"{}"',
    ),
    *(
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"a\tb"',
        '"a#1"',
        '"' + "a" * 201 + '"',
        '"1e5"',
        '"\U0001f468\u200d\U0001f469"',
    ),
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59.999999-14:00"', '"0001-01-01T00:00:00Z"'),
    *('"9999-12-31T23:59:59.999999Z"', '"2026-01-01"', '"2026-01-01T00:00:00+00:00:01"', '"1767226200"'),
)
_HOLDERS: Final = (
    *("[" * depth + "]" * depth for depth in (196, 197, 198, 199, 195, 194, 200, 150, 5000)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (197, 196, 198, 195)),
    *("{}", "[]", '{"":[]}', '[[],{"a":null}]', "null", "true"),
)
#: JSON that is at the edge of what readers take: written as it stands here, where its number is drawn.
_EDGES: Final = _NUMBERS + _TEXTS + _HOLDERS
_EDGE_MARK: Final = "\x00edge"
_TWIN_MARK: Final = "\x00twin"


class Source:
    """Spends bytes on choices. When they are used up, it chooses the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._data)

    def take(self, count: int) -> bytes:
        """The next bytes, or as many as are left."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))

    def below(self, bound: int) -> int:
        """A number from 0 to one less than this (at most 65,535)."""
        return int.from_bytes(self.take(1 if bound <= 256 else 2)) % bound  # noqa: PLR2004 - a byte

    def flag(self) -> bool:
        """Yes or no."""
        return bool(self.below(2))

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of these."""
        return choices[self.below(len(choices))]

    def some(self, make: Callable[[], _Choice], most: int) -> list[_Choice]:
        """A few of what is made."""
        return [make() for _ in range(self.below(most + 1)) if not self.is_spent]

    def text(self) -> str:
        """Any text, also what no UTF-8 can hold."""
        raw = self.take(self.below(40))
        return raw.decode(errors=self.pick(("surrogateescape", "replace", "ignore")))

    def value(self, depth: int = 3) -> Any:
        """What JSON can hold."""
        makers: list[Callable[[], Any]] = [
            lambda: None,
            self.flag,
            self.text,
            lambda: int.from_bytes(self.take(self.below(12)), signed=True),
            lambda: self.pick((0.5, -1.0, 1e308, float("inf"), float("nan"))),
        ]
        if depth:
            makers += [
                lambda: self.some(lambda: self.value(depth - 1), 4),
                lambda: dict(self.some(lambda: (self.text(), self.value(depth - 1)), 4)),
            ]
        return self.pick(makers)()

    def mutated(self, document: Any) -> bytes:
        """This document as JSON, after some of its values were replaced, taken out, told twice or spelled oddly."""
        document = json.loads(json.dumps(document))
        for _ in range(self.below(5)):
            self._mutate(document)
        text = json.dumps(document, ensure_ascii=self.flag(), indent=self.pick((None, None, 1)))
        text = text.replace(json.dumps(_TWIN_MARK)[1:-1], "")
        for number, edge in enumerate(_EDGES):
            text = text.replace(json.dumps(f"{_EDGE_MARK}{number};"), edge)
        return self._damaged(text.encode(errors="surrogatepass"))

    def _mutate(self, document: Any) -> None:
        places = list(_places(document))
        if not places:
            return
        holder, place = self.pick(places)
        change = self.below(9)
        if change == 0:
            del holder[place]
        elif change == 1 and isinstance(holder, dict):
            holder[f"{place}{_TWIN_MARK}"] = self.value(1)
        elif change == 2 and isinstance(holder, dict):  # noqa: PLR2004 - one of the changes
            holder[self.text()] = self.value(1)
        elif change == 3:  # noqa: PLR2004 - one of the changes
            holder[place] = self.value()
        else:
            holder[place] = f"{_EDGE_MARK}{_EDGES.index(self.pick(self._alike(holder[place])))};"

    def _alike(self, value: Any) -> Sequence[str]:
        """What is at the edge for a value of this kind, and now and then for any."""
        if not self.below(4):
            return _EDGES
        if isinstance(value, bool) or value is None:
            return _HOLDERS
        return _NUMBERS if isinstance(value, int | float) else _TEXTS if isinstance(value, str) else _HOLDERS

    def _damaged(self, raw: bytes) -> bytes:
        """The same, with now and then a few bytes of something else in between."""
        if self.below(6) != 1:
            return raw
        at = self.below(len(raw) + 1) if raw else 0
        return raw[:at] + self.take(self.below(4)) + raw[at + self.below(3) :]


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every object and list in a document, with every name or index in it."""
    if isinstance(document, dict | list):
        for place in list(document) if isinstance(document, dict) else range(len(document)):
            yield document, place
            yield from _places(document[place])
