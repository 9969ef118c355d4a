"""What an exception is told as."""

import traceback
from typing import Final

#: An exception may carry a whole page that a server sent. Its beginning says what it is.
_MOST_CHARACTERS: Final = 10_000


def described(error: BaseException) -> str:
    """Its kind and its text."""
    try:
        text = str(error)[:_MOST_CHARACTERS]
    except Exception:  # noqa: BLE001 - what it says of itself is code of the agent, too
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def origin(error: BaseException) -> str | None:
    """Where it was raised, if it was."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"raised in {frames[-1].name} ({frames[-1].filename}:{frames[-1].lineno})" if frames else None
