"""Who looks at a page, as far as pages have to know."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Visit:
    """What a visitor may do."""

    #: Whether they have shown what it takes; who has not sees the page where it is shown, and nothing else.
    is_in: bool = False
    #: Whether they have a session, which can be ended.
    has_session: bool = False
    #: Whether they may change something.
    may_write: bool = False
    #: What their forms have to say in the field `proof`.
    proof: str = ""
