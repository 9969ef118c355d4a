"""What is posted: a summary, and what tells one event from another."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Self

from runweaver.shared.messages import entry_time
from runweaver.shared.summary import RunSummary

EVENT_TYPE: Final = "run.summarised"


@dataclass(frozen=True)
class Event:
    """A revision of a run's summary, for one hook."""

    #: The same whenever it is posted: a receiver that has seen it has seen this event.
    webhook_id: str
    run_id: str
    revision: int
    #: `{"type": "run.summarised", "timestamp": …, "data": <the summary>}`, as JSON.
    body: bytes

    @classmethod
    def of(cls, summary: RunSummary, *, namespace: str, hook: str, entry_id: str) -> Self:
        """The event that the announcement with this entry id stands for."""
        head = json.dumps({"type": EVENT_TYPE, "timestamp": entry_time(entry_id).isoformat()})
        # A hash, since a run's id may be made of anything, and a header may not.
        named = json.dumps([namespace, hook, summary.run_id, summary.revision]).encode()
        return cls(
            webhook_id=f"rw_{hashlib.sha256(named).hexdigest()[:40]}",
            run_id=summary.run_id,
            revision=summary.revision,
            body=f'{head[:-1]}, "data": {summary.model_dump_json()}}}'.encode(),
        )
