"""Loggers for all parts: structlog in front, standard logging behind.

Inside an agent nothing may be printed to where the agent prints, so structlog's own default (standard output) is
never used: whoever embeds us sees ordinary `logging` records of the loggers `runweaver.…`, and decides. A record's
text holds everything; its attributes `event` and `facts` hold the same in parts, for those who log JSON.

Our own processes bind with `structlog.contextvars` which worker, batch, job and run they are at. It is left to what
writes the records to add that (`runweaver.console.logs`), so that nothing an agent has bound gets into ours.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module. Events are plain words, facts are keyword arguments."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[structlog.stdlib.filter_by_level, _to_record],
    )
    return logger


def _to_record(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> tuple[tuple[str], MutableMapping[str, Any]]:
    event = str(event_dict.pop("event"))
    exc_info = event_dict.pop("exc_info", None)
    text = " ".join([event, *(f"{name}={value!r}" for name, value in event_dict.items())])
    # A percent sign in the text means itself: without arguments, logging does not format.
    return (text,), {"exc_info": exc_info, "extra": {"event": event, "facts": dict(event_dict)}}
