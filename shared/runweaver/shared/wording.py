"""How numbers are said to people."""

from typing import Final

_SECOND_MS: Final = 1_000
_MINUTE_S: Final = 60
_HOUR_MIN: Final = 60


def spell_duration(milliseconds: int) -> str:
    """A duration as people say it: `840 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    # Whole numbers: a float does not hold every one.
    tenths = round(milliseconds, -2) // 100
    if tenths < _MINUTE_S * 10:
        return f"{tenths / 10:.1f} s"
    minutes, seconds = divmod(round(milliseconds, -3) // _SECOND_MS, _MINUTE_S)
    hours, minutes = divmod(minutes, _HOUR_MIN)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {seconds} s"
