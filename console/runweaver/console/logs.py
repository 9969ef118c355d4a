"""Where the log of our own processes goes: standard error, readable on a terminal, JSON elsewhere.

What a thread has bound with `structlog.contextvars` (which worker, which batch, which run) goes with every record that
it makes, also with those of RQ and the redis driver, which know nothing of it.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

LogFormat = Literal["auto", "text", "json"]


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Send all records of this process, also those of libraries, through one handler."""
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        # Left to itself it would show the variables of a traceback, and with them what agents reported.
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if as_text
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler()
    # Also for loggers with a level of their own, as RQ's have.
    handler.setLevel(level.upper())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _facts_of_record,
                _context,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(() if as_text else (structlog.processors.format_exc_info,)),
                renderer,
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _facts_of_record(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Our own records carry their facts apart from their text, see `runweaver.shared.log`."""
    record = event_dict["_record"]
    facts = getattr(record, "facts", None)
    if facts is not None:
        event_dict.update(event=record.event, **facts)
    return event_dict


def _context(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What the thread has bound, behind what the record says by itself."""
    for name, value in structlog.contextvars.get_contextvars().items():
        event_dict.setdefault(name, value)
    return event_dict
