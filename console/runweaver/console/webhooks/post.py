"""Posts an event, and tells what came of it."""

import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from runweaver.console.webhooks.config import Hook
from runweaver.console.webhooks.event import Event
from runweaver.console.webhooks.signature import sign
from runweaver.shared.errors import MissingExtraError

if TYPE_CHECKING:
    import httpx

#: Answers that say: not now. Others from 400 to 499 would be the same another time.
_NOT_NOW: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_PAUSING: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
#: So much of an answer is read, to use the connection again; what is longer is cut off with it.
_MOST_ANSWER_BYTES: Final = 64 * 1024
#: No receiver makes us wait longer than that.
_LONGEST_PAUSE_S: Final = 3600.0


@dataclass(frozen=True)
class Outcome:
    """What came of posting."""

    #: Why it failed; empty where it did not.
    reason: str = ""
    #: Whether it would fail another time, too.
    is_final: bool = False
    #: How long the receiver wants to be left alone (seconds).
    pause_s: float = 0.0


class Poster:
    """Posts to one hook. For one thread; as a context manager it closes its connections."""

    def __init__(self, hook: Hook) -> None:
        """Make one.

        Raises:
            MissingExtraError: the HTTP client is not installed.
        """
        try:
            import httpx  # noqa: PLC0415 - an extra
        except ModuleNotFoundError:
            raise MissingExtraError("webhooks need an HTTP client: pip install 'runweaver[webhooks]'") from None
        # They log URLs, which may hold secrets.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._hook = hook
        self._error = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)
        self._client: httpx.Client = httpx.Client(
            timeout=hook.timeout_s, follow_redirects=False, headers={"user-agent": f"runweaver/{version('runweaver')}"}
        )

    def post(self, event: Event) -> Outcome:
        """Try once. Certificates are verified, redirects are not followed."""
        timestamp = int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": event.webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(
                self._hook.key, webhook_id=event.webhook_id, timestamp=timestamp, body=event.body
            ),
        }
        try:
            with self._client.stream("POST", self._hook.url, content=event.body, headers=headers) as response:
                status, pause = response.status_code, response.headers.get("retry-after", "")
                self._read_a_little(response)
        except self._error as error:
            # Its text may hold what the receiver said, and the URL; its kind says enough.
            return Outcome(f"no answer ({type(error).__name__})")
        return judge(status, pause, datetime.now(UTC))

    def _read_a_little(self, response: "httpx.Response") -> None:
        deadline, size = time.monotonic() + self._hook.timeout_s, 0
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > _MOST_ANSWER_BYTES or time.monotonic() > deadline:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def judge(status: int, retry_after: str, now: datetime) -> Outcome:
    """What an answer means. 2xx: it was taken. 408, 425, 429 and 5xx: not now. All others: never."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome()
    is_final = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _NOT_NOW
    return Outcome(f"answered {status}", is_final, _seconds(retry_after, now) if status in _PAUSING else 0.0)


def retry_pause_s(hook: Hook, failures: int) -> float:
    """How long to wait after so many failures: twice as long each time, and by chance up to a half less."""
    longest = min(hook.last_retry_s, hook.first_retry_s * 2.0 ** (failures - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing is to be kept secret by it


def _seconds(retry_after: str, now: datetime) -> float:
    """`Retry-After`: seconds, or a date."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_PAUSE_S)
    try:
        at: Any = parsedate_to_datetime(text)
        left_s: float = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, left_s), _LONGEST_PAUSE_S)
