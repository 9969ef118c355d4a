"""Posts what is announced to one hook: takes, filters, posts, tries again, gives up, acknowledges."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from runweaver.console.webhooks.announcements import BLOCK_S, Announcements, Taken
from runweaver.console.webhooks.config import Hook
from runweaver.console.webhooks.dead_letters import WebhookDeadLetters
from runweaver.console.webhooks.event import Event
from runweaver.console.webhooks.post import Poster, retry_pause_s
from runweaver.query.subscription import Announcement
from runweaver.shared.cluster import get_all
from runweaver.shared.connection import connect, redact, translated
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.settings import WebhookSettings

#: So many events wait for another try at most. While there are as many, no more are taken: they wait on the server.
MOST_IN_HAND: Final = 32

#: So many events are remembered, not to post what is announced again.
_REMEMBERED: Final = 1_000
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0

_log = get_logger(__name__)


@dataclass
class _Delivery:
    entry_id: str
    event: Event
    failures: int
    due_at: float = field(default_factory=time.monotonic)
    #: Why it was given up; it is a dead letter as soon as the server has taken that.
    given_up: str = ""


class HookSender:
    """Posts to one hook, in a thread of its own. Events that wait for another try do not hold up the others."""

    def __init__(self, settings: WebhookSettings, hook: Hook, name: str, stopping: threading.Event) -> None:
        """Make one.

        Raises:
            MissingExtraError: the HTTP client is not installed.
        """
        self._settings = settings
        self._hook = hook
        self._stopping = stopping
        self._keys = Keys(settings.namespace)
        self._client: Redis = connect(settings.redis_url, name="webhooks", blocks_for_s=BLOCK_S, retries=0)
        self._announcements = Announcements(
            self._client, self._keys, hook.name, name, claim_after_s=settings.claim_after_s
        )
        self._dead_letters = WebhookDeadLetters(self._client, self._keys)
        self._poster = Poster(hook)
        #: Taken, and not looked at yet.
        self._taken: list[Taken] = []
        self._in_hand: dict[str, _Delivery] = {}
        #: Done with, and not acknowledged yet.
        self._done: set[str] = set()
        self._posted: OrderedDict[str, None] = OrderedDict()
        self._keep_at = 0.0
        #: The receiver wants to be left alone until then.
        self._paused_until = 0.0

    def run(self) -> None:
        """Work until told to stop; then leave what is unfinished to others."""
        retry_s = _FIRST_RETRY_S
        with self._poster:
            while not self._stopping.is_set():
                try:
                    self._step()
                    retry_s = _FIRST_RETRY_S
                except RedisError as error:
                    reason = str(translated(error, redact(self._settings.redis_url)))
                    _log.warning("the server does not do it now, trying again", reason=reason, retry_s=retry_s)
                    self._stopping.wait(retry_s)
                    retry_s = min(retry_s * 2, _LAST_RETRY_S)
                except Exception:  # noqa: BLE001 - a thread that ends silently would be worse
                    _log.exception("something unforeseen went wrong, trying again", hook=self._hook.name)
                    self._stopping.wait(_LAST_RETRY_S)
        self.leave()

    def leave(self) -> None:
        """Acknowledge what is done, and leave the rest to others. Also from another thread, where `run` hangs."""
        try:
            self._acknowledge()
            self._announcements.leave([*self._in_hand, *(taken.id for taken in self._taken)])
        except RedisError as error:
            reason = str(translated(error, redact(self._settings.redis_url)))
            _log.warning("cannot sign off, what is pending will be claimed by others", reason=reason)

    def _step(self) -> None:
        self._acknowledge()
        self._look()
        self._keep()
        now = time.monotonic()
        next_one = min(self._in_hand.values(), key=lambda each: each.due_at, default=None)
        due_at = now + BLOCK_S if next_one is None else max(next_one.due_at, self._paused_until)
        if next_one is not None and due_at <= now:
            self._deliver(next_one)
            return
        wait_s = min(BLOCK_S, due_at - now)
        room = MOST_IN_HAND - len(self._in_hand)
        if room > 0 and now >= self._paused_until:
            self._taken = self._announcements.read(room, wait_s)
        else:
            self._stopping.wait(wait_s)

    def _look(self) -> None:
        """Look at what was taken: post what is wanted, be done with the rest."""
        if not self._taken:
            return
        announced = [(taken, Announcement.read(taken.id, taken.fields)) for taken in self._taken]
        named = [each for _, each in announced if each is not None]
        raws = get_all(self._client, [self._keys.summary(each.run_id) for each in named])
        stored = dict(zip((each.place for each in named), raws, strict=True))
        known = {*self._posted, *(each.event.webhook_id for each in self._in_hand.values())}
        for taken, each in announced:
            event = self._event(each, stored[taken.id]) if each is not None else None
            if taken.id in self._in_hand:
                continue
            if event is None or event.webhook_id in known:
                self._done.add(taken.id)
            else:
                known.add(event.webhook_id)
                self._in_hand[taken.id] = _Delivery(taken.id, event, taken.failures)
        self._taken = []

    def _event(self, announcement: Announcement, raw: bytes | None) -> Event | None:
        summary = announcement.find(raw)
        if summary is None or not self._hook.wanted.matches(summary):
            return None
        return Event.of(summary, namespace=self._settings.namespace, hook=self._hook.name, entry_id=announcement.place)

    def _keep(self) -> None:
        now = time.monotonic()
        if now >= self._keep_at:
            self._announcements.keep([*self._in_hand])
            self._keep_at = now + self._settings.claim_after_s / 4

    def _deliver(self, delivery: _Delivery) -> None:
        if not delivery.given_up:
            self._post(delivery)
        if delivery.given_up:
            self._dead_letters.add(
                self._hook.name,
                delivery.event,
                attempts=delivery.failures,
                reason=delivery.given_up,
                kept=self._settings.dead_letters_kept,
            )
            self._finish(delivery)
        elif delivery.entry_id in self._in_hand:
            self._announcements.note_failures(delivery.entry_id, delivery.failures)

    def _post(self, delivery: _Delivery) -> None:
        facts = {"hook": self._hook.name, "to": self._hook.where, "run_id": delivery.event.run_id}
        outcome = self._poster.post(delivery.event)
        if not outcome.reason:
            _log.debug("posted", **facts)
            self._remember(delivery.event)
            self._finish(delivery)
            return
        delivery.failures += 1
        if outcome.is_final or delivery.failures >= self._hook.attempts:
            delivery.given_up = outcome.reason
            _log.error(
                "given up, see webhooks dead-letters", **facts, reason=outcome.reason, attempts=delivery.failures
            )
            return
        now = time.monotonic()
        pause_s = max(outcome.pause_s, retry_pause_s(self._hook, delivery.failures))
        delivery.due_at = now + pause_s
        self._paused_until = max(self._paused_until, now + outcome.pause_s)
        _log.warning("not posted, trying again", **facts, reason=outcome.reason, retry_s=round(pause_s, 1))

    def _finish(self, delivery: _Delivery) -> None:
        del self._in_hand[delivery.entry_id]
        self._done.add(delivery.entry_id)
        self._acknowledge()

    def _remember(self, event: Event) -> None:
        self._posted[event.webhook_id] = None
        if len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)

    def _acknowledge(self) -> None:
        if self._done:
            done: Iterable[str] = tuple(self._done)
            self._announcements.acknowledge(done)
            self._done.difference_update(done)
