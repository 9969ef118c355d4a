"""What the arguments of tools are, and what is told of them to an LLM.

Models fill in what they leave out: an empty text, or none, stands for an argument that is absent.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from runweaver.console.moments import read_moment
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.fields import utc_now
from runweaver.shared.run import RunStatus, Severity


def _text(value: Any) -> Any:
    return "" if value is None else value


def _choice(value: Any) -> Any:
    return None if value in ("", "null") else value


# A `str | None` would be read as JSON where it can be: a goal called `null` would be no goal.
Text = Annotated[str, BeforeValidator(_text)]

RunId = Annotated[str, Field(description="The id of a run, as list_runs gives it.", min_length=1)]
Goal = Annotated[Text, Field(description="Only runs with this goal id.")]
Tag = Annotated[Text, Field(description="Only runs with this tag.")]
Node = Annotated[Text, Field(description="Only runs that passed through this node.")]
Grep = Annotated[
    Text,
    Field(description="Only runs with this text (no pattern) in the narrative, an intent, an error or a problem."),
]
Since = Annotated[
    Text,
    Field(description="Only runs that ended since then: how long ago (30m, 2h, 7d), or a date or time in ISO 8601."),
]
Until = Annotated[Text, Field(description="Only runs that ended before then, in the same form.")]
Status = Annotated[RunStatus | None, BeforeValidator(_choice), Field(description="Only runs with this status.")]
Attention = Annotated[
    AttentionFlag | None, BeforeValidator(_choice), Field(description="Only runs that have this flag.")
]
ProblemSeverity = Annotated[
    Severity | None, BeforeValidator(_choice), Field(description="Only runs with a problem of this severity.")
]
Cursor = Annotated[Text, Field(description="next_cursor of the page before, with the same filters.")]
Offset = Annotated[int, Field(ge=0, description="next_offset of the page before.")]


def moment(text: str, option: str) -> datetime | None:
    """A moment, as it is given to a tool; none where it is absent.

    Raises:
        InvalidArgumentError: it is none.
    """
    return read_moment(text, option=option, now=utc_now()) if text else None
