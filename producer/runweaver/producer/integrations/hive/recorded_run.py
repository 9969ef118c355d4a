"""A run as far as this process has told of it, for an agent that wants to look at what it did."""

import json
import threading
from collections import deque
from typing import Final

from runweaver.producer.message_kind import MessageKind
from runweaver.shared.decision import Decision
from runweaver.shared.fold import Gathered, fold, metrics_of
from runweaver.shared.log import get_logger
from runweaver.shared.messages import (
    BaseMessage,
    DecisionMessage,
    EvaluationMessage,
    OutcomeMessage,
    RunStartedMessage,
    parse_message,
)
from runweaver.shared.run import Run, RunMetrics

#: So many decisions and problems are kept, and so many bytes of JSON: the newest.
MOST_KEPT: Final = 10_000
MOST_BYTES: Final = 16 * 1024 * 1024
#: So many messages wait until somebody looks at the run.
MOST_UNREAD: Final = 5_000

_COUNTS: Final = (
    "total_decisions",
    "successful_decisions",
    "failed_decisions",
    "total_tokens",
    "total_latency_ms",
)

_NOTHING: Final = RunMetrics()

_log = get_logger(__name__)


class RecordedRun:
    """Keeps one `Run` up to date with what a channel is told of it. For any thread.

    The messages are folded as the finalizer folds them, each with the decision that it speaks of, and what comes of it
    is added to the run. That costs an agent nothing that never looks: until somebody does, or there are too many of
    them, the messages only wait.

    Bounded, however long the run: what is beyond the newest `MOST_KEPT` decisions and problems, or `MOST_BYTES`, is
    let go, and only the metrics still count it.
    """

    def __init__(self, start: RunStartedMessage) -> None:
        self._run = fold({"run#0": start})
        self._unread: deque[tuple[MessageKind, bytes]] = deque()
        self._unread_bytes = 0
        self._is_watched = False
        self._has_failed = False
        self._decisions: dict[str, Decision] = {}
        # How many bytes told of each decision and problem that is kept, in order of arrival.
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self.begin()

    def begin(self) -> None:
        """Be ready for threads: at first, and again in a forked child."""
        self._lock = threading.Lock()

    def add(self, kind: MessageKind, body: bytes) -> None:
        """Take a message, as an observer of a channel is told of it. Raises nothing."""
        with self._lock:
            self._unread.append((kind, body))
            self._unread_bytes += len(body)
            while self._unread and (
                self._is_watched or len(self._unread) > MOST_UNREAD or self._unread_bytes > MOST_BYTES
            ):
                self._read_next()

    def look(self) -> Run:
        """The run as it stands: always the same object, which from now on is kept up to date with each message."""
        with self._lock:
            self._is_watched = True
            while self._unread:
                self._read_next()
            return self._run

    def _read_next(self) -> None:
        kind, body = self._unread.popleft()
        self._unread_bytes -= len(body)
        envelope = json.dumps({"type": kind.name, "run_id": self._run.id})
        raw = b"%b,%b" % (envelope[:-1].encode(), body[1:])
        try:
            self._take(parse_message(raw, max_bytes=len(raw)), len(body))
        except Exception as error:  # noqa: BLE001 - it is on its way; that the agent cannot see it is no harm
            if not self._has_failed:
                _log.warning("current_run lacks what was recorded", run_id=self._run.id, reason=repr(error))
            self._has_failed = True

    def _take(self, message: BaseMessage, size: int) -> None:
        known = self._decisions.get(_decision_of(message))
        heard = Gathered()
        if known is not None:
            # With what is known of it: what is heard later must not always count.
            heard.add(DecisionMessage(run_id=self._run.id, decision=known), (known.timestamp, ("", 0)))
        heard.add(message, (message.time, ("", 1)))
        decisions, _ = heard.joined_decisions()
        self._count(
            metrics_of(decisions, heard.edges_in_order()), metrics_of([known], []) if known is not None else _NOTHING
        )
        if known is not None:
            known.outcome, known.evaluation = decisions[0].outcome, decisions[0].evaluation
            self._keep(f"decision {known.id}", size)
        elif decisions:
            self._decisions[decisions[0].id] = decisions[0]
            self._run.decisions.append(decisions[0])
            self._keep(f"decision {decisions[0].id}", size)
        for problem in heard.problems.in_order():
            self._run.problems.append(problem)
            self._keep(f"problem {problem.id}", size)
        self._run.last_activity_at = max(self._run.last_activity_at, message.time)

    def _keep(self, what: str, size: int) -> None:
        self._sizes[what] = self._sizes.get(what, 0) + size
        self._bytes += size
        while len(self._sizes) > MOST_KEPT or (self._bytes > MOST_BYTES and len(self._sizes) > 1):
            oldest = next(iter(self._sizes))
            self._bytes -= self._sizes.pop(oldest)
            if oldest.startswith("decision"):
                del self._decisions[self._run.decisions.pop(0).id]
            else:
                self._run.problems.pop(0)

    def _count(self, now: RunMetrics, before: RunMetrics) -> None:
        metrics = self._run.metrics
        for name in _COUNTS:
            if more := getattr(now, name) - getattr(before, name):
                setattr(metrics, name, getattr(metrics, name) + more)
        for have, new in (
            (metrics.nodes_executed, now.nodes_executed),
            (metrics.edges_traversed, now.edges_traversed),
        ):
            have.extend(each for each in new if len(have) < MOST_KEPT and each not in have)


def _decision_of(message: BaseMessage) -> str:
    """The id of the decision that it speaks of."""
    if isinstance(message, DecisionMessage):
        return message.decision.id
    return message.decision_id if isinstance(message, OutcomeMessage | EvaluationMessage) else ""
