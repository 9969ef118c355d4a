"""The story of a run: a text, and what it rests on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from runweaver.shared.evidence import Evidence


@dataclass(frozen=True)
class Story:
    """What a narrator tells of a run."""

    text: str
    #: Sentence by sentence, in the order of the text; none where it is not known.
    evidence: Sequence[Evidence] = ()
    #: Who tells it; empty where the story does not say.
    narrator: str = ""

    @classmethod
    def of_lines(cls, lines: Iterable[Sequence[Evidence]], *, narrator: str = "") -> Self:
        """The story that these sentences make, some to a line."""
        told = list(lines)
        text = "\n".join(" ".join([each.sentence for each in line]) for line in told)
        return cls(text, [each for line in told for each in line], narrator)
