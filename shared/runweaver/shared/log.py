"""Loggers for all parts: structlog in front, standard logging behind.

Inside an agent nothing may be printed to where the agent prints, so structlog's own default (standard output) is
never used: whoever embeds us sees ordinary `logging` records of the loggers `runweaver.…`, and decides.
"""

import logging

import structlog


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module. Events are plain words, facts are keyword arguments."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
    )
    return logger
