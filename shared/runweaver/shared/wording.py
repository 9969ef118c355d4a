"""How numbers, decisions and what agents wrote are said to people."""

from typing import Final

from runweaver.shared.decision import Decision

_SECOND_MS: Final = 1_000
_MINUTE_S: Final = 60
_HOUR_MIN: Final = 60
_LONGEST_QUOTE: Final = 120


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


def spell_count(count: int, what: str) -> str:
    """So many of something: `1 decision`, `12,000 decisions`."""
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"


def spell_place(decision: Decision) -> str:
    """Where it was decided, and what for: `[node] intent`."""
    return f"[{decision.node_id}] {quote(decision.intent)}"


def spell_choice(decision: Decision) -> str:
    """What was chosen, in quotation marks; `unknown action` where that is none of the options."""
    chosen = decision.chosen_option
    return f"“{quote(chosen.description)}”" if chosen is not None else "unknown action"


def quote(text: str) -> str:
    """What an agent wrote, as one line of at most 120 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"
