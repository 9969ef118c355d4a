"""Tells everybody who looks at a page that a run has ended: one reads the announcements, and hands them to all."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Self

from pydantic import BaseModel

from runweaver.query import Subscription, Summaries
from runweaver.shared.errors import InvalidArgumentError, MissedSummariesError, ServerError
from runweaver.shared.fields import UtcDatetime
from runweaver.shared.log import get_logger
from runweaver.shared.run import RunStatus
from runweaver.shared.summary import RunSummary

#: After so long without an event, something is sent nevertheless: else what stands between would hang up.
HEARTBEAT_S: Final = 15.0
#: Whoever is behind by more events than this is sent away. Browsers come back by themselves, and say how far they were.
MOST_WAITING: Final = 500
#: Somebody who comes back hears of no more runs than about this; of more, only that there were some.
_MOST_CAUGHT_UP: Final = 500

#: How long to wait for the first answer of the server, and before asking again where it does not answer.
_PATIENCE_S: Final = 1.0
_RETRY_MS: Final = 2_000

_log = get_logger(__name__)


class Finished(BaseModel):
    """A run was summarised: it has ended, or messages came after its end."""

    run_id: str
    goal_id: str
    status: RunStatus
    finished_at: UtcDatetime
    revision: int

    @classmethod
    def of(cls, summary: RunSummary) -> Self:
        return cls(
            run_id=summary.run_id,
            goal_id=summary.goal_id,
            status=summary.status,
            finished_at=summary.finished_at,
            revision=summary.revision,
        )


@dataclass(frozen=True)
class _Event:
    """As browsers know it, see https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    kind: str
    data: str = "{}"
    #: From where to go on after it; empty: from where the one before it says.
    place: str = ""

    def __bytes__(self) -> bytes:
        place = f"id: {self.place}\n" if self.place else ""
        return f"event: {self.kind}\n{place}data: {self.data}\n\n".encode()


@dataclass(eq=False)
class _Listener:
    """One who listens."""

    loop: asyncio.AbstractEventLoop
    #: None is the end.
    events: asyncio.Queue[_Event | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def tell(self, event: _Event | None) -> None:
        """From any thread."""
        try:
            self.loop.call_soon_threadsafe(self._put, event)
        except RuntimeError:
            _log.debug("nobody listens in a loop that was closed")

    def _put(self, event: _Event | None) -> None:
        if self.events.full():
            while not self.events.empty():
                self.events.get_nowait()
            event = None
        self.events.put_nowait(event)


class Events:
    """What is announced of one namespace, for any number of listeners. Reads from when the first one comes."""

    def __init__(self, summaries: Summaries) -> None:
        self._summaries = summaries
        self._listeners: set[_Listener] = set()
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None
        self._is_reading = threading.Event()
        self._closed = threading.Event()
        #: How far it has read; none before the server has answered.
        self._place: str | None = None

    async def listen(self, after: str | None = None) -> AsyncIterator[bytes]:
        """The events from now on, or after a place, as server-sent events: until the end, or until somebody is slow.

        An event `finished` has the JSON of a `Finished`; `missed` says that there were more of them than are told; and
        `listening` comes first, with the place. Around the place where somebody goes on, an event may come twice.

        Args:
            after: the id of the last event that was heard; what is none counts as absent.
        """
        await self._begin()
        listener = _Listener(asyncio.get_running_loop())
        self._listeners.add(listener)
        try:
            yield b"retry: %d\n" % _RETRY_MS + bytes(_Event("listening", place="" if after else self._place or ""))
            if after:
                for event in await asyncio.to_thread(self._missed_after, after):
                    yield bytes(event)
            while not self._closed.is_set():
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        told = await listener.events.get()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if told is None:
                    return
                yield bytes(told)
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Send everybody away, for good. May be called from another thread, and from a signal handler."""
        self._closed.set()
        if self._subscription is not None:
            self._subscription.close()
        # No lock: a signal handler may have interrupted who holds it.
        self._tell(None)

    async def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="events", daemon=True)
            self._thread.start()
        if not self._is_reading.is_set():
            await asyncio.to_thread(self._is_reading.wait, _PATIENCE_S)

    def _read(self) -> None:
        while not self._closed.is_set():
            try:
                with self._summaries.subscribe(after=self._place) as subscription:
                    self._subscription = subscription
                    self._place = subscription.place
                    self._is_reading.set()
                    self._follow(subscription)
            except ServerError as error:
                _log.warning("cannot listen now, trying again", reason=str(error))
                self._closed.wait(_PATIENCE_S)

    def _follow(self, subscription: Subscription) -> None:
        while not self._closed.is_set():
            try:
                summary = next(subscription, None)
            except MissedSummariesError:
                self._tell(_Event("missed"))
                continue
            if summary is not None:
                self._place = subscription.place
                self._tell(_Event("finished", Finished.of(summary).model_dump_json(), self._place))

    def _tell(self, event: _Event | None) -> None:
        for listener in list(self._listeners):
            listener.tell(event)

    def _missed_after(self, place: str) -> list[_Event]:
        """What has come since this place."""
        events: list[_Event] = []
        until = self._place
        try:
            with self._summaries.subscribe(after=place) as subscription:
                # What comes after that is in the listener's queue already.
                while subscription.place != until and (summaries := subscription.read(_PATIENCE_S)):
                    texts = [Finished.of(summary).model_dump_json() for summary in summaries]
                    # Only what comes last of what was read together has a place.
                    places = [*[""] * (len(texts) - 1), subscription.place]
                    events += [_Event("finished", *each) for each in zip(texts, places, strict=True)]
                    if len(events) > _MOST_CAUGHT_UP:
                        return [_Event("missed", place=self._place or "")]
                    if until is not None and _order(subscription.place) >= _order(until):
                        break
        except (InvalidArgumentError, MissedSummariesError, ServerError):
            return [_Event("missed", place=self._place or "")]
        return events


def _order(place: str) -> tuple[int, ...]:
    return tuple(map(int, place.split("-")))
