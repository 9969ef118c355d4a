"""How numbers are said to people."""

from typing import Final

_SECOND_MS: Final = 1_000
_MINUTE_S: Final = 60
_HOUR_MIN: Final = 60


def spell_duration(milliseconds: int) -> str:
    """A duration as people say it: `840 ms`, `12.3 s`, `4 min 10 s`, `2 h 5 min`."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds} ms"
    seconds = milliseconds / _SECOND_MS
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), _MINUTE_S)
    hours, minutes = divmod(minutes, _HOUR_MIN)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {seconds} s"
