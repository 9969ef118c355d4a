"""A sender that writes its own messages, as one in another language would, and does all the protocol allows.

It sends in scrambled order, over all partitions, much of it again, and garbage in between. What the server has not
acknowledged it sends again. Run as `python -m tests.chaos.sender NAME SECONDS RATE JOURNAL SEED`.
"""

import heapq
import random
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from runweaver.shared import Keys, ProducerSettings
from tests.chaos.garbage import garbage
from tests.chaos.journal import Journal
from tests.support.messages import Script
from tests.support.waiting import wait_until

#: The server is never away that long.
PATIENCE_S: Final = 90.0

#: So many messages wait in no order: what is drawn is anything of them.
_SCRAMBLED: Final = 300
_LARGEST_ENTRY: Final = 40
#: Of what these senders send, so that it is a tenth and a hundredth of all: agents do neither on purpose.
_SHARE_RESENT: Final = 0.2
_SHARE_GARBAGE: Final = 0.02
_RESENT_AFTER_S: Final = 3.0
#: Some messages are held back until their run has most likely been summarised.
_SHARE_LATE: Final = 0.02
_LATE_BY_S: Final = 8.0

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Sender:
    """Sends runs of its own, for some time."""

    def __init__(self, name: str, settings: ProducerSettings, journal: Journal, dice: random.Random) -> None:
        self._name = name
        self._client = Redis.from_url(settings.redis_url, socket_timeout=3.0)
        self._keys = Keys(settings.namespace)
        self._partitions = settings.partitions
        self._journal = journal
        self._dice = dice
        self._numbers = count()
        #: Messages that are still to be sent, in no order.
        self._scrambled: list[bytes] = []
        #: Entries that are to be sent, or sent again, at their time.
        self._later: list[tuple[float, int, list[bytes]]] = []
        self._sent = 0

    def send_for(self, seconds: float, rate: float) -> None:
        """Send about `rate` messages a second, and all that is left in the end."""
        started_at = time.monotonic()
        while time.monotonic() < started_at + seconds:
            while len(self._scrambled) < _SCRAMBLED:
                self._scrambled += write_run(f"{self._name}-{next(self._numbers)}", self._dice)
            self._send_entry()
            self._send_later(until=time.monotonic())
            ahead_s = started_at + self._sent / rate - time.monotonic()
            time.sleep(max(0.0, ahead_s) * self._dice.uniform(0, 2))
        while self._scrambled:
            self._send_entry()
        self._send_later(until=float("inf"))

    def _send_entry(self) -> None:
        entry = []
        for _ in range(self._dice.choice((1, self._dice.randint(1, _LARGEST_ENTRY)))):
            if not self._scrambled:
                break
            place = self._dice.randrange(len(self._scrambled))
            self._scrambled[place], self._scrambled[-1] = self._scrambled[-1], self._scrambled[place]
            message = self._scrambled.pop()
            self._journal.message(message)
            if self._dice.random() < _SHARE_LATE:
                self._keep([message], _LATE_BY_S)
                continue
            entry.append(message)
            if self._dice.random() < _SHARE_GARBAGE:
                bad = garbage(self._dice, like=message)
                self._journal.garbage(bad)
                entry.insert(self._dice.randrange(len(entry) + 1), bad)
        if entry:
            self._put(entry)
            if self._dice.random() < _SHARE_RESENT:
                self._journal.again(len(entry))
                self._keep(entry, _RESENT_AFTER_S)

    def _keep(self, entry: list[bytes], mean_s: float) -> None:
        at = time.monotonic() + self._dice.expovariate(1 / mean_s)
        heapq.heappush(self._later, (at, next(self._numbers), entry))

    def _send_later(self, *, until: float) -> None:
        while self._later and self._later[0][0] <= until:
            self._put(heapq.heappop(self._later)[2])

    def _put(self, entry: list[bytes]) -> None:
        wait_until(lambda: self._is_acknowledged(entry), timeout_s=PATIENCE_S, what="the server takes an entry")
        self._sent += len(entry)

    def _is_acknowledged(self, entry: list[bytes]) -> bool:
        stream = self._keys.messages(self._dice.randrange(self._partitions))
        fields = [part for message in entry for part in (b"m", message)]
        with suppress(RedisError):
            self._client.execute_command("XADD", stream, "*", *fields)
            return True
        return False


def write_run(run_id: str, dice: random.Random) -> list[bytes]:
    """All messages of a run, of up to three producers who speak of the same decisions at the same times."""
    begin = _BEGIN + timedelta(seconds=dice.randrange(10_000_000))
    scripts = [Script(run_id, f"{run_id}.{number}", begin=begin) for number in range(dice.choice((1, 1, 2, 3)))]
    first, *others = scripts
    first.started(f"goal-{dice.randrange(5)}", tags=["chaos"])
    for script in scripts:
        for _ in range(dice.choice((2, dice.randint(3, 60), dice.randint(3, 60), 300 if dice.random() < 0.1 else 9))):
            _write_step(script, dice)
    for other in others:
        if dice.random() < 0.7:
            other.left()
    # Some runs never end: they are found to be stuck. Some end twice: the later end counts.
    for script in scripts[: dice.choices((0, 1, 2), (4, 90, 6))[0]]:
        script.ended(dice.choice(("completed", "completed", "failed", "cancelled")), declare=dice.random() < 0.8)
    return [message.encode() for script in scripts for message in script.written]


def _write_step(script: Script, dice: random.Random) -> None:
    # Few ids: the same decision is told more than once, and what counts must not depend on who came first.
    decision_id = f"d{dice.randrange(30)}"
    match dice.randrange(10):
        case 0 | 1 | 2:
            script.decision(decision_id, f"Step {dice.randrange(100)}", f"node-{dice.randrange(4)}")
        case 3 | 4 | 5:
            fields = {"tokens_used": dice.randrange(1000), "latency_ms": dice.randrange(1000)}
            script.outcome(decision_id, success=dice.random() < 0.7, summary=f"Result {dice.random()}", **fields)
        case 6:
            script.problem(f"problem-{dice.randrange(5)}", dice.choice(("critical", "warning", "minor")))
        case 7:
            script.edge(f"node-{dice.randrange(4)}", f"node-{dice.randrange(4)}")
        case 8:
            script.evaluation(decision_id, outcome_quality=dice.random())
        case _:
            script.heartbeat()


if __name__ == "__main__":
    name, seconds, rate, path, seed = sys.argv[1:]
    Sender(name, ProducerSettings.load(), Journal(Path(path)), random.Random(f"{name}-{seed}")).send_for(
        float(seconds), float(rate)
    )
