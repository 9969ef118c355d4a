"""The field types that the schemas share: identifiers, moments and counts."""

import re
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

#: What run ids, goal ids and producer names are made of. They become parts of Redis keys, so no braces, no blanks.
IDENTIFIER_PATTERN: Final = r"^[A-Za-z0-9._:@/+-]{1,200}$"

#: `seq` and `sent` stay below this: ten million messages from one producer in one run.
MAX_SEQUENCE: Final = 10_000_000

#: What every reader of JSON holds exactly. A sum of many of them still can be divided and written.
MAX_COUNT: Final = 2**53 - 1

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:@/+-]{1,200}")


def is_identifier(text: str) -> bool:
    """Whether `text` can be a run id, a goal id or a producer name."""
    return _IDENTIFIER.fullmatch(text) is not None


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


Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]

#: An aware datetime in UTC. A time without an offset is refused: whose midnight it means cannot be known.
UtcDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]

#: A whole number of things or milliseconds, never negative; a fraction is rounded.
Count = Annotated[int, Field(ge=0, le=MAX_COUNT), BeforeValidator(_round_fraction)]

Sequence = Annotated[int, Field(ge=0, lt=MAX_SEQUENCE)]

#: Between 0 and 1.
Share = Annotated[float, Field(ge=0, le=1)]


class Schema(BaseModel):
    """The base of everything that agents may extend: unknown fields are kept."""

    model_config = ConfigDict(extra="allow", ser_json_bytes="base64")
