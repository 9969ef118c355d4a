"""How much waited over time, as far as this process has looked: the server knows only how much waits now."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from runweaver.query import FleetOverview, PipelineStatus
from runweaver.shared.errors import ServerError
from runweaver.shared.fields import UtcDatetime, utc_now

#: How often it looks, in seconds; and for how long it remembers: a week, as far back as the page goes.
EVERY_S: Final = 30.0
_MOST_KEPT: Final = round(7 * 24 * 60 * 60 / EVERY_S)


class Waited(BaseModel):
    """How much waited at one moment."""

    at: UtcDatetime
    #: Messages on the streams, about: most of them no worker has merged yet.
    messages: int
    open_runs: int


class Waiting:
    """Looks again and again at what waits, in a thread of its own. For any thread."""

    def __init__(self, look: Callable[[], PipelineStatus], *, every_s: float = EVERY_S) -> None:
        """Nobody looks before `start`.

        Args:
            look: reads the pipeline's status; may raise `ServerError`.
            every_s: how long to wait between two looks.
        """
        self._look = look
        self._every_s = every_s
        self._kept: deque[Waited] = deque(maxlen=_MOST_KEPT)
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="waiting", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def since(self, moment: datetime) -> list[Waited]:
        """All that was seen since then, the oldest first. Where the server did not answer, there is nothing."""
        return [each for each in list(self._kept) if each.at >= moment]

    def in_steps(self, overview: FleetOverview) -> list[Waited]:
        """The most that waited in each step of an overview in which somebody looked."""
        most: dict[int, Waited] = {}
        for seen in self.since(overview.since):
            place = int((seen.at - overview.since).total_seconds() // overview.step_s)
            if place >= len(overview.steps):
                continue
            known = most.setdefault(place, seen.model_copy(update={"at": overview.steps[place].since}))
            known.messages = max(known.messages, seen.messages)
            known.open_runs = max(known.open_runs, seen.open_runs)
        return list(most.values())

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                status = self._look()
            except ServerError:
                pass  # what is wrong with the server, the pages say
            else:
                self._kept.append(Waited(at=utc_now(), messages=status.about_messages, open_runs=status.open_runs))
            self._closed.wait(self._every_s)
