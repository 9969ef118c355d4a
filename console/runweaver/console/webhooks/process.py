"""The process that posts: a thread or more for each hook, until it is stopped."""

import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from runweaver.console.webhooks.config import load_hooks
from runweaver.console.webhooks.dead_letters import WebhookDeadLetters
from runweaver.console.webhooks.sender import HookSender
from runweaver.shared.connection import check_server, connect, redact, translated
from runweaver.shared.keys import Keys
from runweaver.shared.log import get_logger
from runweaver.shared.settings import WebhookSettings

_TRIM_EVERY_S: Final = 60.0
#: How long a receiver may take to answer what was posted before we were told to stop.
_LAST_ANSWERS_S: Final = 2.5

_log = get_logger(__name__)


class Webhooks:
    """Runs in a process of its own. Any number can run at once, on any number of machines: they share the work."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Read the file, connect, and make sure that the server is fit.

        Raises:
            MissingExtraError: the HTTP client is not installed.
            ServerError: the server is not; the text says what to do.
            SettingsError: the file or a URL makes no sense.
        """
        self._settings = settings
        self._stopping = threading.Event()
        hooks = load_hooks(settings.webhooks)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._senders = [
            HookSender(settings, hook, f"{name}-{number}", self._stopping)
            for hook in hooks
            for number in range(hook.parallel)
        ]
        self._hooks = [hook.name for hook in hooks]
        self._client: Redis = connect(settings.redis_url, name="webhooks")
        check_server(self._client, settings.redis_url)
        self._dead_letters = WebhookDeadLetters(self._client, Keys(settings.namespace))

    def stop(self) -> None:
        """Ask it to finish what it is posting, and to return. May be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped."""
        _log.info("webhooks started", hooks=self._hooks)
        threads = [threading.Thread(target=sender.run, name="hook", daemon=True) for sender in self._senders]
        for thread in threads:
            thread.start()
        while not self._stopping.is_set():
            self._trim()
            self._stopping.wait(_TRIM_EVERY_S)
        deadline = time.monotonic() + _LAST_ANSWERS_S
        for sender, thread in zip(self._senders, threads, strict=True):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                # Whoever takes it over posts it again, under the same id.
                sender.leave()
        _log.info("webhooks stopped")

    def _trim(self) -> None:
        try:
            self._dead_letters.trim(before=datetime.now(UTC) - timedelta(seconds=self._settings.dead_letter_ttl_s))
        except RedisError as error:
            reason = str(translated(error, redact(self._settings.redis_url)))
            _log.warning("cannot trim dead letters now", reason=reason)
