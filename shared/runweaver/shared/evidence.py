"""What a statement about a run rests on."""

from pydantic import Field

from runweaver.shared.fields import Schema


class Evidence(Schema):
    """A sentence about a run, and where in the run it can be checked."""

    sentence: str
    #: The decisions that it speaks of, in order of time; where they are very many, the first of them.
    decision_ids: list[str] = Field(default_factory=list)
    #: The problems that it speaks of, in order of time; where they are very many, the first of them.
    problem_ids: list[str] = Field(default_factory=list)
    #: The node that it speaks of, where it speaks of one.
    node: str | None = None
    #: It rests on the run as a whole: its status, its counts, its times, what has arrived of it.
    whole_run: bool = False
