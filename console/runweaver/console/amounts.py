"""How bytes, seconds and counts of the pipeline are said to people."""

from typing import Final

_KIB: Final = 1024
_MINUTE_S: Final = 60
_HOUR_S: Final = 60 * _MINUTE_S
_DAY_S: Final = 24 * _HOUR_S
#: From so many of a unit on, the next larger one says enough.
_TWO: Final = 2


def spell_bytes(count: int) -> str:
    """`840 B`, `1.5 MiB`, `23.5 GiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < _KIB:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    return f"{amount:,.1f} GiB"


def spell_seconds(seconds: float) -> str:
    """In whole seconds, minutes, hours or days, whatever says enough: `90 s`, `5 min`, `47 h`, `3 days`."""
    for unit_s, unit in ((_DAY_S, "days"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= _TWO * unit_s:
            return f"{seconds // unit_s:,.0f} {unit}"
    return f"{seconds:.0f} s"


def spell_many(count: int, one: str, many: str) -> str:
    """So many of something whose plural is not just an s more."""
    return f"1 {one}" if count == 1 else f"{count:,} {many}"
