"""What a model wrote, as the plain text that it should be; and what it must not say."""

import re
import unicodedata
from typing import Final

from runweaver.shared.run import RunStatus

#: Characters that a reader does not see, or that turn the order of those that he sees: controls, formats, surrogates,
#: and what no font has.
_UNSEEN: Final = ("Cc", "Cf", "Cs", "Co", "Cn")
#: An element of HTML, a comment; a link or an image of Markdown.
_MARKUP: Final = re.compile(r"<[a-zA-Z/!]|\]\(")
_LINK: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|www\.|(?:data|javascript|mailto|tel):)[^\s\"'<>()\\]*", re.IGNORECASE
)

#: What a sentence speaks of that speaks of the run as a whole.
_WHOLE: Final = r"\b(?:run|task|goal|mission|everything|all)\b"
_ENDED_WELL: Final = (
    r"\b(?:succe\w+|complet\w+|accomplish\w*|achiev\w+|fulfill?ed|resolved"
    r"|without\s+(?:any\s+)?(?:problem|error|issue|failure)s?"
    r"|(?:is|was|are|were|went)\s+(?:fine|well|ok|okay|good))\b"
)
_ENDED_BADLY: Final = r"\b(?:fail\w*|stuck|hung|crash\w*|abort\w*|cancel\w*)\b"


def plain_text(text: str) -> str | None:
    """One line without characters that are not seen; none where it holds markup."""
    line = " ".join(text.split())
    line = "".join(character for character in line if unicodedata.category(character) not in _UNSEEN)
    return None if _MARKUP.search(line) else line.strip()


def links_in(text: str) -> set[str]:
    """All addresses in a text, without the punctuation after them."""
    return {link.rstrip(".,;:!?]}*_`") for link in _LINK.findall(text)}


def contradicts(text: str, status: RunStatus) -> bool:
    """Whether this says of the run as a whole that it ended in another way than it did.

    By its words, and rather too often: what became of the run is said in the first line, by us. Other words for it may
    escape this.
    """
    wrong = _ENDED_BADLY if status is RunStatus.COMPLETED else _ENDED_WELL
    near = rf"(?:{_WHOLE}[^.;]*{wrong})|(?:{wrong}[^.;]*{_WHOLE})"
    return re.search(near, text, re.IGNORECASE) is not None
