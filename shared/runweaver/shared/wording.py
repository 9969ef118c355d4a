"""How numbers are said to people."""

from typing import Final

_SECOND_MS: Final = 1_000
_MINUTE_S: Final = 60
_HOUR_MIN: Final = 60


def spell_duration(milliseconds: int) -> str:
    """A duration as people say it: `840 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    if milliseconds < _MINUTE_S * _SECOND_MS - 50:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    # Whole numbers from here on: a float does not hold every one.
    minutes, seconds = divmod(round(milliseconds, -3) // _SECOND_MS, _MINUTE_S)
    hours, minutes = divmod(minutes, _HOUR_MIN)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {seconds} s"
