"""What finalizers announce, and who is behind with hearing it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import NoPermissionError

from runweaver.shared.keys import Keys, webhook_group
from runweaver.shared.messages import entry_time
from runweaver.shared.replies import as_entries


class HookStatus(BaseModel):
    """All that post to one webhook."""

    hook: str
    #: Announcements that are not posted yet: those that nobody has taken, where the server says, and those in hand.
    waiting: int


class AnnouncementStatus(BaseModel):
    """The stream of announcements."""

    #: When the newest summary was written.
    newest_at: datetime | None
    hooks: list[HookStatus]


def read_announcements(client: Redis, keys: Keys) -> AnnouncementStatus | None:
    """Look at announcements; none where this user may not (a worker's)."""
    try:
        newest = as_entries(client.xrevrange(keys.finished, count=1))
        groups: Any = client.xinfo_groups(keys.finished) if newest else []
    except NoPermissionError:
        return None
    prefix = webhook_group("")
    return AnnouncementStatus(
        newest_at=entry_time(newest[0][0]) if newest else None,
        hooks=[
            # Before Redis 7, a server does not say how far a group is behind; later ones not always.
            HookStatus(hook=name.removeprefix(prefix), waiting=(group.get("lag") or 0) + group["pending"])
            for group in groups
            if (name := group["name"].decode()).startswith(prefix)
        ],
    )
