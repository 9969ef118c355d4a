"""How many tokens a text is taken for, before anybody has counted them."""

from typing import Final

#: Of UTF-8. Models take about four bytes of English for a token, fewer of JSON, and three of most other scripts.
_BYTES: Final = 3


def estimate_tokens(text: str) -> int:
    """About how many tokens a model makes of this text: rather more than fewer."""
    return -(-size_of(text) // _BYTES)


def bytes_for(tokens: int) -> int:
    """How long a text may be, as UTF-8, to be taken for no more tokens than these."""
    return tokens * _BYTES


def size_of(text: str) -> int:
    """Bytes of UTF-8. What cannot be written in it counts as the question mark that takes its place."""
    return len(text.encode("utf-8", "replace"))
