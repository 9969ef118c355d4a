"""Posts a dead letter again, at once: the summary as it is now."""

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from redis import Redis

from runweaver.console.webhooks.config import Hook
from runweaver.console.webhooks.dead_letters import WebhookDeadLetter
from runweaver.console.webhooks.event import Event
from runweaver.console.webhooks.post import Poster
from runweaver.shared.errors import CorruptSummaryError
from runweaver.shared.keys import Keys
from runweaver.shared.summary import RunSummary


class WebhookReplay:
    """A function of a dead letter. As a context manager it closes its connections."""

    def __init__(self, client: Redis, keys: Keys, hooks: Iterable[Hook]) -> None:
        """Make one.

        Raises:
            MissingExtraError: the HTTP client is not installed.
        """
        self._client = client
        self._keys = keys
        self._posters = {hook.name: Poster(hook) for hook in hooks}
        self._connections = ExitStack()

    def __call__(self, letter: WebhookDeadLetter) -> str:
        """Post it once.

        Returns:
            Why it was not taken; nothing where it was.
        """
        poster = self._posters.get(letter.hook)
        if poster is None:
            return f"there is no hook {letter.hook!r:.100} in the file"
        raw = self._client.get(self._keys.summary(letter.run_id))
        if raw is None:
            return "its summary is kept no more"
        try:
            summary = RunSummary.read(letter.run_id, raw)
        except CorruptSummaryError as error:
            return str(error)
        event = Event.of(summary, namespace=self._keys.namespace, hook=letter.hook, entry_id=letter.id)
        return poster.post(event).reason

    def __enter__(self) -> Self:
        for poster in self._posters.values():
            self._connections.enter_context(poster)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()
