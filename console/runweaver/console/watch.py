"""`runweaver watch`: runs that go on, and those that have just finished, live."""

import logging
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from runweaver.console.terminal import print_json_line
from runweaver.console.watch_tables import finished_line, finished_table, running_table
from runweaver.query import Look, OpenRuns, Subscription, Summaries
from runweaver.query.selection import Selection
from runweaver.shared.errors import MissedSummariesError, ServerError
from runweaver.shared.log import get_logger
from runweaver.shared.summary import RunSummary

_LOOK_EVERY_S: Final = 1.0
#: Lines of the screen that are not rows of a table.
_FRAME: Final = 7
_FEWEST_ROWS: Final = 3

_log = get_logger(__name__)


def run_watch(
    out: Console, *, goal: str | None, status: str | None, attention: str | None, as_json: bool, once: bool
) -> None:
    """Show it until SIGINT or SIGTERM.

    Raises:
        InvalidArgumentError: there is no such status or flag.
        ServerError: the server does not answer at the beginning; later, that is shown.
    """
    # A reader can be interrupted anywhere.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = Selection.of(goals=[goal], statuses=[status], attention=[attention])
    summaries = Summaries()
    with (
        suppress(KeyboardInterrupt, BrokenPipeError),
        summaries.subscribe(goal=goal, status=status, attention=attention) as subscription,
    ):
        if as_json or not (once or out.is_terminal):
            _print_lines(out, subscription, as_json=as_json)
        rows = _FEWEST_ROWS if not out.is_terminal else max(_FEWEST_ROWS, (out.height - _FRAME) // 2)
        found = [each for each in summaries.list(goal=goal, status=status).items if wanted.matches(each)]
        screen = _Screen(goal, rows, reversed(found))
        screen.look()
        if once:
            out.print(screen.render(subscription, width=out.width))
        else:
            _show(out, screen, subscription)


def _print_lines(out: Console, subscription: Subscription, *, as_json: bool) -> None:
    while True:
        try:
            for summary in subscription:
                if as_json:
                    print_json_line(summary.model_dump_json())
                else:
                    out.print(finished_line(summary), overflow="ignore", no_wrap=True, crop=False)
                sys.stdout.flush()
        except MissedSummariesError as error:
            _log.warning("some summaries are not shown", reason=str(error))


def _show(out: Console, screen: "_Screen", subscription: Subscription) -> None:
    # Lines of a log would break the screen; what is wrong stands on it.
    logging.getLogger("runweaver").setLevel(logging.CRITICAL)
    with Live(console=out, auto_refresh=False) as live:
        while True:
            live.update(screen.render(subscription, width=out.width), refresh=True)
            try:
                screen.add(subscription.read(_LOOK_EVERY_S))
            except MissedSummariesError:
                screen.has_missed = True
            screen.look()


class _Screen:
    """What is on the screen."""

    def __init__(self, goal: str | None, rows: int, finished: Iterable[RunSummary]) -> None:
        self._goal = goal
        self._rows = rows
        self._open = OpenRuns()
        self._look: Look | None = None
        self._look_at = 0.0
        self._trouble: ServerError | None = None
        #: By run, the one that finished last at the end.
        self._finished: OrderedDict[str, RunSummary] = OrderedDict()
        self.has_missed = False
        self.add(finished)

    def add(self, finished: Iterable[RunSummary]) -> None:
        for summary in finished:
            self._finished[summary.run_id] = summary
            self._finished.move_to_end(summary.run_id)
            if len(self._finished) > self._rows:
                self._finished.popitem(last=False)

    def look(self) -> None:
        """Look at the open runs, unless that was done a moment ago."""
        if time.monotonic() < self._look_at:
            return
        try:
            self._look, self._trouble = self._open.look(goal=self._goal), None
        except ServerError as error:
            self._trouble = error
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    def render(self, subscription: Subscription, *, width: int) -> Group:
        parts: list[RenderableType] = []
        if self._look is not None:
            parts += [running_table(self._look, rows=self._rows, width=width), Text()]
        parts.append(finished_table(list(reversed(self._finished.values())), width=width))
        if self.has_missed:
            parts.append(Text("Some went by unseen: `runweaver runs` lists them.", style="yellow"))
        trouble = subscription.trouble or self._trouble
        if trouble is not None:
            parts.append(Text(str(trouble), style="red"))
        return Group(*parts)
