"""The gist of a text: what it has in common with others that differ only in ids, numbers, paths and times.

An error names what it met: `user mia_li_3668 not found`, `timed out after 30.2 s`, `/tmp/a81f/x.csv: no such file`.
Two of them are the same error where their gists are the same.
"""

import re
from functools import lru_cache
from typing import Final

#: A longer gist is cut.
MAX_GIST: Final = 200

#: Nothing beyond this is looked at.
_LONGEST_LOOKED_AT: Final = 2_000

#: How many texts are remembered. Intents and errors repeat, within a run and over runs.
_REMEMBERED: Final = 8_192

_TRACEBACK: Final = "Traceback (most recent call last)"

#: What is particular about a text, the more specific first. No part of it can be matched in more ways than its length.
_PARTICULARS: Final = re.compile(
    r"""
      # A status says which error it is.
      (?P<kept> \b (?: HTTP (?:/\d(?:\.\d)?)? | [Ss]tatus (?:[ _-]?[Cc]ode)? | [Cc]ode | [Ee]rrno | exit )
                [ ]? [:=(\[]? [ ]? \d{1,3} \b )
    | (?P<url> \b (?P<server> [a-z][a-z0-9+.-]{1,15} :// [\w.-]{1,100} ) (?P<rest> [^\s'"<>)\]},]* ) )
    | (?P<email> (?<! [\w.+-] ) [\w.+-]{1,64} @ [\w-]{1,63} (?: \. [\w-]{1,63} ){1,5} )
    | (?P<time> (?<! \d ) \d{4}-\d\d-\d\d
                (?: [T ] \d\d:\d\d (?: :\d\d (?: [.,]\d{1,9} )? )? (?: Z | [+-]\d\d:?\d\d )? )? (?! \d )
              | (?<! \d ) \d{1,2}:\d\d (?: :\d\d (?: [.,]\d{1,9} )? )? (?: [ ]? [AaPp][Mm] )? (?! \d ) )
    | (?P<address> (?<! [\w.] ) \d{1,3} (?: \.\d{1,3} ){3} (?: :\d{1,5} )? (?! \w ) )
    | (?P<path> (?<! [\w<>/.~] ) (?: ~ | \.{1,2} )? (?: / [\w.@%+=-]+ ){2,} /? )
    | (?P<number> (?<! \w ) \d+ (?: [.,]\d+ )* (?= [a-zA-Z%]{0,3} (?! \w ) ) )
    | (?P<word> (?<! \w ) (?= \w* \d ) \w+ (?: - (?= \w* \d ) \w+ )* )
    """,
    re.VERBOSE | re.ASCII,
)

_DIGITS: Final = re.compile(r"[0-9]+")
#: Where a word goes from letters to digits, or back.
_TURNS: Final = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")

_FEWEST_DIGITS_OF_NAMED_ID: Final = 3
_FEWEST_TURNS_OF_ID: Final = 2
_SHORTEST_ID: Final = 5


@lru_cache(maxsize=_REMEMBERED)
def gist(text: str) -> str:
    """What this text shares with others of its kind. The gist of a gist is itself.

    Ids become `<id>`, numbers `<n>`, paths `<path>`, times `<time>`, addresses of mail `<email>` and of machines
    `<address>`; of a URL its server stays, and of an HTTP or exit status all of it. Of a traceback, its last line is
    looked at.
    """
    line = " ".join(_telling_part(text).split())
    found = _PARTICULARS.sub(_stand_in, line)
    return found if len(found) <= MAX_GIST else found[: MAX_GIST - 1].rstrip() + "…"


def _telling_part(text: str) -> str:
    if text.startswith(_TRACEBACK):
        # The exception stands at its end.
        return text[-_LONGEST_LOOKED_AT:].rstrip().rpartition("\n")[2]
    return text[:_LONGEST_LOOKED_AT]


def _stand_in(match: re.Match[str]) -> str:
    kind, found = str(match.lastgroup), match[0]
    if kind == "kept":
        return found
    if kind == "url":
        return f"{match['server']}/…" if match["rest"] not in ("", "/") else match["server"]
    if kind == "number":
        return "<n>"
    if kind == "word":
        return "<id>" if _is_id(found) else _DIGITS.sub("<n>", found)
    return f"<{kind}>"


def _is_id(word: str) -> bool:
    """Whether a word with digits was made by a machine, or only has a number: `mia_li_3668`, `a81f`; not `step_2`."""
    if "_" in word and sum(map(len, _DIGITS.findall(word))) >= _FEWEST_DIGITS_OF_NAMED_ID:
        return True
    return len(word) >= _SHORTEST_ID and len(_TURNS.findall(word)) >= _FEWEST_TURNS_OF_ID
