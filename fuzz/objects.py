"""Python objects that an agent may hand over, the odd ones before all."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, Final, NoReturn
from uuid import UUID

from pydantic import BaseModel

from fuzz.source import Source


class Unspeakable:
    """Raises whatever is asked of it."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __bool__(self) -> bool:
        raise RuntimeError("neither")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("nothing in turn")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("incomparable")

    def __hash__(self) -> int:
        return 0


class Unreadable(Mapping[str, Any]):
    """A mapping that raises when it is read."""

    def __getitem__(self, key: str) -> NoReturn:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        yield "a"
        raise RuntimeError("no more")

    def __len__(self) -> int:
        return 3


class Secretive:
    """Raises something else than an attribute is missing."""

    def __getattr__(self, name: str) -> NoReturn:
        raise KeyError(name)


class Wordless:
    """Its `repr` is no text."""

    def __repr__(self) -> str:
        return 5  # type: ignore[return-value]


class Colour(Enum):
    """Its value is odd."""

    RED = (1, b"\xff")


class Model(BaseModel):
    """With a field of any kind."""

    inner: Any = None


@dataclasses.dataclass
class Record:
    """The same as a dataclass."""

    inner: Any = None


def _broken_off() -> Iterator[int]:
    yield 1
    raise RuntimeError("broken off")


def _circle() -> Any:
    circle: list[Any] = [1]
    circle.append({"self": circle})
    return circle


def _deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


_ODD: Final[tuple[Callable[[], Any], ...]] = (
    *(Unspeakable, Unreadable, Secretive, Wordless, lambda: Colour.RED, Model, Record, _broken_off, _circle, object),
    *(
        lambda: 10**400,
        lambda: -(10**4299),
        lambda: 10**5000,
        lambda: float("nan"),
        lambda: float("inf"),
        lambda: 1e308,
    ),
    *(lambda: b"\xff\x00", lambda: bytearray(b"\xff"), lambda: memoryview(b"\xff"), lambda: "a\ud800b", lambda: "\x00"),
    *(lambda: {1, "a", None}, lambda: frozenset({(1, 2)}), lambda: range(3), lambda: 1j, lambda: Decimal("NaN")),
    *(
        lambda: Decimal("1e999999"),
        lambda: date.min,
        lambda: datetime.max.replace(tzinfo=UTC),
        lambda: datetime.min.replace(tzinfo=UTC),
    ),
    *(lambda: timedelta.max, lambda: UUID(int=0), lambda: PurePosixPath("\udcff"), lambda: type, lambda: len),
    *(lambda: "x" * 70_000, lambda: ["x" * 40_000] * 2, lambda: {"\ud800": 1}, lambda: {1: 1, "1": 2}),
    *(lambda: {(1, b"\xff"): 1}, lambda: {b"\xff": 1}, lambda: {Colour.RED: 1}, lambda: {Unspeakable(): 1}),
    *(lambda: _deep(150), lambda: _deep(199), lambda: _deep(5000), lambda: NotImplemented, lambda: ...),
    *(lambda: RuntimeError("\udcff"), lambda: {"__class__": 1, "model_fields": 2}, lambda: {"timestamp": "now"}),
)

#: How many odd objects there are, for those who want to see each.
ODD_OBJECTS: Final = len(_ODD)


def odd_object(source: Source, depth: int = 2) -> Any:
    """Something odd, something plain, or some of that inside of something."""
    kind = source.below(8)
    if kind < 3 or not depth:  # noqa: PLR2004 - about half of them
        return source.pick(_ODD)()
    if kind == 3:  # noqa: PLR2004 - as above
        return source.value()
    inner = odd_object(source, depth - 1)
    holders: tuple[Callable[[], Any], ...] = (
        *(lambda: [inner], lambda: (inner, 1), lambda: {"a": inner}, lambda: Model(inner=inner), lambda: Record(inner)),
        *(
            lambda: iter([inner]),
            lambda: {"success": True, "timestamp": inner},
            lambda: [{"id": "a", "action_params": inner}],
        ),
        lambda: {source.text(): inner},
    )
    return source.pick(holders)()
