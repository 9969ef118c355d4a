"""The period that somebody looks at, as it stands in an address."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runweaver.console.moments import read_moment
from runweaver.shared.fields import utc_now

#: What a page offers, and how it is called.
OFFERED: Final = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("all", "all"))

#: For all that is kept.
ALL: Final = "all"


@dataclass(frozen=True)
class Period:
    """From when to when; none: from the first run, to now."""

    begin: datetime | None
    end: datetime | None

    def as_parameters(self) -> dict[str, str]:
        """The same for the list of runs: only what says something."""
        told = {"since": self.begin, "until": self.end}
        return {name: moment.isoformat(timespec="seconds") for name, moment in told.items() if moment is not None}


def read_period(since: str, until: str) -> Period:
    """Read it from an address.

    Args:
        since: how long ago (`24h`), a date or a time; `all` or nothing: from the first run.
        until: the same; nothing: to now.

    Raises:
        InvalidArgumentError: one of them is no moment.
    """
    now = utc_now()
    return Period(
        read_moment(since, option="since", now=now) if since not in ("", ALL) else None,
        read_moment(until, option="until", now=now) if until else None,
    )
