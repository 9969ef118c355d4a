"""The field types that the schemas share: identifiers, moments and counts."""

import re
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, StringConstraints
from pydantic_core import CoreSchema
from pydantic_core.core_schema import (
    datetime_schema,
    int_schema,
    no_info_after_validator_function,
    no_info_before_validator_function,
    union_schema,
)

#: What run ids, goal ids and producer names are made of. They become parts of Redis keys, so no braces, no blanks.
IDENTIFIER_PATTERN: Final = r"^[A-Za-z0-9._:@/+-]{1,200}$"

#: `seq` and `sent` stay below this: ten million messages from one producer in one run.
MAX_SEQUENCE: Final = 10_000_000

#: What every reader of JSON holds exactly. A sum of many of them still can be divided and written.
MAX_COUNT: Final = 2**53 - 1

_MOST_IDENTIFIER: Final = 200

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:@/+-]{1,200}")
_NOT_IN_IDENTIFIER = re.compile(r"[^A-Za-z0-9._:@/+-]+")


def is_identifier(text: str) -> bool:
    """Whether `text` can be a run id, a goal id or a producer name."""
    return _IDENTIFIER.fullmatch(text) is not None


def as_identifier(text: str, default: str) -> str:
    """A run id or goal id made of a name that may have any characters: `Trip planner!` becomes `Trip-planner`."""
    return _NOT_IN_IDENTIFIER.sub("-", text).strip("-")[:_MOST_IDENTIFIER] or default


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time lies outside of the years 1 to 9999") from None


def _round_fraction(number: object) -> object:
    # Clocks and token estimates come as floats; the schema counts whole milliseconds and tokens.
    return round(number) if isinstance(number, float) and isfinite(number) else number


def _either(usual: CoreSchema, rare: CoreSchema, expected: str) -> GetPydanticSchema:
    """What most values are, checked without a call of Python; and whatever else is allowed, made into that."""
    schema = union_schema(
        [usual, rare],
        mode="left_to_right",
        # One error, not one of each.
        custom_error_type="unexpected_value",
        custom_error_message=f"Input should be {expected}",
    )
    return GetPydanticSchema(lambda _type, _handler: schema)


Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]

#: An aware datetime in UTC. A time without an offset is refused: whose midnight it means cannot be known.
UtcDatetime = Annotated[
    datetime,
    _either(
        datetime_schema(tz_constraint=0),
        no_info_after_validator_function(_to_utc, datetime_schema(tz_constraint="aware")),
        "a time in the years 1 to 9999 with its timezone, such as 2026-01-31T23:59:59Z",
    ),
]

#: A whole number of things or milliseconds, never negative; a fraction is rounded.
Count = Annotated[
    int,
    _either(
        int_schema(ge=0, le=MAX_COUNT, strict=True),
        no_info_before_validator_function(_round_fraction, int_schema(ge=0, le=MAX_COUNT)),
        f"a number from 0 to {MAX_COUNT}",
    ),
]

Sequence = Annotated[int, Field(ge=0, lt=MAX_SEQUENCE)]

#: What https://www.w3.org/TR/trace-context/ calls `trace-id` and `parent-id`: not all of their digits are zero.
TraceId = Annotated[str, StringConstraints(pattern="^[0-9a-f]*[1-9a-f][0-9a-f]*$", min_length=32, max_length=32)]
SpanId = Annotated[str, StringConstraints(pattern="^[0-9a-f]*[1-9a-f][0-9a-f]*$", min_length=16, max_length=16)]

#: Between 0 and 1.
Share = Annotated[float, Field(ge=0, le=1)]


class Schema(BaseModel):
    """The base of everything that agents may extend: unknown fields are kept."""

    model_config = ConfigDict(extra="allow", ser_json_bytes="base64")
