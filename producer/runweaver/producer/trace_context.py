"""Which distributed trace a run belongs to: what links a summary to it.

OpenTelemetry is not needed, and not imported: where an agent uses it, it is there already.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from runweaver.producer.message_kind import safe_repr
from runweaver.shared.errors import InvalidArgumentError

#: What https://www.w3.org/TR/trace-context/ allows. A later version may have more behind its flags.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)

#: A version that has nothing behind its flags.
_FIRST_VERSION: Final = "00"

TraceContext = str | Mapping[str, Any]


def trace_fields(given: TraceContext | None) -> dict[str, str]:
    """The fields of `run_started` that name its trace; none where there is no trace.

    Args:
        given: a `traceparent`, or a carrier that may hold one. None: the span that this thread or task is in.

    Raises:
        InvalidArgumentError: it is neither, or a text that is no `traceparent`.
    """
    if given is None:
        return _current_span()
    if isinstance(given, Mapping):
        # A carrier may come from far away, with what others put there: as the standard has it, what is wrong counts as
        # absent.
        traceparent = given.get("traceparent")
        return (_parsed(traceparent) or {}) if isinstance(traceparent, str) else {}
    fields = _parsed(given) if isinstance(given, str) else None
    if fields is None:
        raise InvalidArgumentError(
            f"trace_context: {safe_repr(given):.100} is neither a traceparent "
            "(00-<32 hex digits>-<16 hex digits>-<2 hex digits>) nor a mapping that may have one"
        )
    return fields


def _parsed(traceparent: str) -> dict[str, str] | None:
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match[1] == _FIRST_VERSION and match[4]):
        return None
    return {"trace_id": match[2], "span_id": match[3]}


def _current_span() -> dict[str, str]:
    """The span that OpenTelemetry says is going on, where this process has OpenTelemetry at all."""
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return {}
    try:
        context = opentelemetry.get_current_span().get_span_context()
        # Where there is none, its ids are zero.
        return _parsed(f"{_FIRST_VERSION}-{context.trace_id:032x}-{context.span_id:016x}-00") or {}
    except Exception:  # noqa: BLE001 - whatever an agent has in this place, its run begins
        return {}
