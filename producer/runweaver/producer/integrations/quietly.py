"""A hook in somebody else's framework keeps its errors to itself: whatever happens in it, the agent goes on."""

import functools
import time
from collections.abc import Callable
from typing import Final, ParamSpec

from runweaver.shared.log import get_logger

_log = get_logger(__name__)

#: So often the same hook's errors are logged: what fails, fails with each step.
_LOG_EVERY_S: Final = 60.0

_Arguments = ParamSpec("_Arguments")


def quietly(hook: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """The same hook, which raises nothing."""
    logged_at: float | None = None

    @functools.wraps(hook)
    def quiet(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        nonlocal logged_at
        try:
            hook(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is
            now = time.monotonic()
            if logged_at is None or now - logged_at >= _LOG_EVERY_S:
                logged_at = now
                # Its text may hold what the agent was asked.
                _log.warning("a step could not be told", hook=hook.__qualname__, error=type(error).__name__)

    return quiet
