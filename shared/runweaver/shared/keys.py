"""The names of everything in Redis. Braces mark the hash slot: all keys of one run share one."""

from collections.abc import Iterable
from itertools import islice
from typing import Final
from zlib import crc32

from runweaver.shared.attention import AttentionFlag
from runweaver.shared.run import RunStatus

#: The consumer group that all workers are members of.
WORKER_GROUP: Final = "workers"

#: A run is found by so many of its tags: agents may give any number.
FINDABLE_TAGS: Final = 20

#: A tag of more bytes than that has no index.
INDEXED_TAG_BYTES: Final = 200


def findable_tags(tags: Iterable[str]) -> list[str]:
    """The tags by which a run is found: the first of them, each once."""
    return list(islice(dict.fromkeys(tags), FINDABLE_TAGS))


def has_index(tag: str) -> bool:
    """Whether there is an index of the runs with this tag. Without one, all runs are looked through."""
    return len(tag.encode()) <= INDEXED_TAG_BYTES


def webhook_group(hook: str) -> str:
    """The consumer group, on announcements, of all that post to this hook."""
    return f"webhook:{hook}"


def partition_of(run_id: str, partitions: int) -> int:
    """The partition whose `active` and `due` sets hold this run."""
    return crc32(run_id.encode()) % partitions


class Keys:
    """The key names of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

        #: The highest partition count ever used: a number. Workers serve all of them.
        self.partitions = f"{namespace}:partitions"
        #: A stream with one entry for each summary written.
        self.finished = f"{namespace}:finished"
        #: The stream of summaries that a webhook's receiver did not take.
        self.webhook_dead_letters = f"{namespace}:webhook-dead-letters"
        #: Held by the worker that sweeps.
        self.sweep_lock = f"{namespace}:sweep-lock"

        #: Finished runs by end time (ms).
        self.index_all = f"{namespace}:index:all"
        #: Finished runs by the time (ms) when their summary has been kept long enough.
        self.index_expiry = f"{namespace}:index:expiry"

    def messages(self, partition: int) -> str:
        """The stream of messages not yet merged."""
        return f"{self.namespace}:messages:{{{partition}}}"

    def dead_letters(self, partition: int) -> str:
        """The stream of messages that could not be accepted."""
        return f"{self.namespace}:dead-letters:{{{partition}}}"

    def suspects(self, partition: int) -> str:
        """A hash with notes on messages that workers may have died of; gone after a day."""
        return f"{self.namespace}:suspects:{{{partition}}}"

    def active(self, partition: int) -> str:
        """Open runs by last activity (ms)."""
        return f"{self.namespace}:active:{{{partition}}}"

    def due(self, partition: int) -> str:
        """Runs to finalize by when to look (ms)."""
        return f"{self.namespace}:due:{{{partition}}}"

    def run(self, run_id: str) -> str:
        """The live message set: a hash."""
        return f"{self.namespace}:run:{{{run_id}}}"

    def archive(self, run_id: str) -> str:
        """The finished run's message set, compressed."""
        return f"{self.namespace}:archive:{{{run_id}}}"

    def summary(self, run_id: str) -> str:
        """The RunSummary as JSON."""
        return f"{self.namespace}:summary:{{{run_id}}}"

    def figures(self, run_id: str) -> str:
        """What the run adds to what is known of its goal: the packed RunFigures."""
        return f"{self.namespace}:figures:{{{run_id}}}"

    def index_goal(self, goal_id: str) -> str:
        """Finished runs of a goal by end time (ms)."""
        return f"{self.namespace}:index:goal:{goal_id}"

    def index_status(self, status: RunStatus) -> str:
        """Finished runs of a status by end time (ms)."""
        return f"{self.namespace}:index:status:{status}"

    def index_goal_status(self, goal_id: str, status: RunStatus) -> str:
        """Finished runs of a goal and a status by end time (ms)."""
        return f"{self.namespace}:index:goal-status:{status}:{goal_id}"

    def index_node(self, node_id: str) -> str:
        """Finished runs that passed through a node by end time (ms)."""
        return f"{self.namespace}:index:node:{node_id}"

    def index_tag(self, tag: str) -> str:
        """Finished runs with a tag by end time (ms)."""
        return f"{self.namespace}:index:tag:{tag}"

    def index_attention(self, flag: AttentionFlag) -> str:
        """Finished runs with an attention flag by end time (ms)."""
        return f"{self.namespace}:index:attention:{flag}"
