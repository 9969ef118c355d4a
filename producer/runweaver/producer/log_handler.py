"""What a run's code logs as an error becomes a problem of the run."""

import logging
import weakref
from typing import TYPE_CHECKING, Final

from runweaver.producer.current import current_decision, current_run
from runweaver.producer.failures import described, origin

if TYPE_CHECKING:
    from runweaver.producer.active_run import ActiveRun
    from runweaver.shared.run import Severity

#: A run may log in a loop. After so many, its problems say no more.
MOST_PROBLEMS: Final = 100

_MOST_CHARACTERS: Final = 2_000
#: What Runweaver logs about itself is about no run's work.
_OURSELVES: Final = "runweaver"


class ProblemHandler(logging.Handler):
    """Reports log records as problems of the current run, and of the decision that is being carried out.

        logging.getLogger().addHandler(ProblemHandler())

    `CRITICAL` is a critical problem, `ERROR` a warning, and what is below a minor one, where the level lets it
    through. A run has at most 100 of them. What is logged where no run is going on is passed over.
    """

    def __init__(self, level: int | str = logging.ERROR) -> None:
        """Take records from a level on.

        Args:
            level: as for any handler.
        """
        super().__init__(level)
        self._counts: weakref.WeakKeyDictionary[ActiveRun, int] = weakref.WeakKeyDictionary()

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record. What goes wrong here goes the way of all handlers, and never to the code that logs."""
        run = current_run()
        if run is None or record.name.split(".", 1)[0] == _OURSELVES:
            return
        try:
            self._report(run, record)
        except Exception:  # noqa: BLE001 - as the base class has it
            self.handleError(record)

    def _report(self, run: "ActiveRun", record: logging.LogRecord) -> None:
        count = self._counts[run] = self._counts.get(run, 0) + 1
        if count > MOST_PROBLEMS:
            return
        description = record.getMessage()[:_MOST_CHARACTERS] or record.levelname
        if count == MOST_PROBLEMS:
            description = f"{description} (what is logged after this is not told)"
        made = current_decision()
        run.report_problem(
            _severity(record.levelno),
            description,
            root_cause=_cause(record),
            decision_id=made.id if made is not None else None,
        )


def _severity(level: int) -> "Severity":
    if level >= logging.CRITICAL:
        return "critical"
    return "warning" if level >= logging.ERROR else "minor"


def _cause(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        where = origin(error)
        return f"{described(error)}, {where}" if where else described(error)
    return f"logged by {record.name} ({record.pathname}:{record.lineno})"
