"""Agents with the real producer, which take part in each other's runs.

What leaves the producer is written down first; in the end the producer has to say that all of it arrived. Run as
`python -m tests.chaos.agent NUMBER AGENTS SECONDS RATE JOURNAL SEED`.
"""

import random
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from runweaver.producer import Producer
from runweaver.producer.active_run import ActiveRun
from runweaver.shared import ProducerSettings
from tests.chaos.journal import Journal
from tests.chaos.sender import PATIENCE_S
from tests.support.waiting import wait_until

_RUNS_AT_ONCE: Final = 6
#: A producer is closed, and another one takes its place, after this many runs.
_RUNS_A_PRODUCER: Final = 60
_DECISIONS: Final = 20


class Agent:
    """One process of a fleet of them."""

    def __init__(self, number: int, agents: int, journal: Journal, dice: random.Random) -> None:
        self._number = number
        self._neighbour = (number + 1) % agents
        self._journal = journal
        self._dice = dice
        self._runs = count()
        self._sent = 0

    def work_for(self, seconds: float, rate: float) -> None:
        """Make about `rate` messages a second, with one producer after another."""
        started_at = time.monotonic()
        while (left_s := started_at + seconds - time.monotonic()) > 0:
            producer = self._new_producer()
            self._work(producer, time.monotonic() + left_s, started_at, rate)
            # Short waits, as an agent would: true comes late, but it comes.
            wait_until(lambda made=producer: made.flush(0.5), timeout_s=PATIENCE_S, what="everything is flushed")  # type: ignore[misc]
            assert producer.close(PATIENCE_S), "the producer was closed, and says that something is lost"
            assert producer.dropped == 0, f"the producer dropped {producer.dropped} messages"

    def _new_producer(self) -> Producer:
        producer = Producer(name=f"agent-{self._number}")
        put = producer._outbox.put

        def put_and_tell(raw: bytes | None, *, essential: bool = True) -> bool:
            assert raw is not None
            self._journal.message(raw)
            self._sent += 1
            return put(raw, essential=essential)

        producer._outbox.put = put_and_tell  # type: ignore[method-assign]
        return producer

    def _work(self, producer: Producer, until: float, started_at: float, rate: float) -> None:
        runs: list[ActiveRun] = []
        numbers = [next(self._runs) for _ in range(_RUNS_A_PRODUCER)]
        while time.monotonic() < until and (numbers or runs):
            if numbers and len(runs) < _RUNS_AT_ONCE:
                runs += self._begin(producer, numbers.pop(0))
            run = self._dice.choice(runs)
            if self._dice.random() < 0.06:
                runs.remove(run)
                self._finish(run)
            else:
                self._step(run)
            if self._dice.random() < 0.01:
                producer.flush(self._dice.uniform(0, 0.3))
            ahead_s = started_at + self._sent / rate - time.monotonic()
            time.sleep(max(0.0, ahead_s) * self._dice.uniform(0, 2))
        for run in runs:
            self._finish(run)

    def _begin(self, producer: Producer, number: int) -> list[ActiveRun]:
        """A run of our own; now and then ours again, and a neighbour's of that number: begun, ended or to come."""
        goal = f"goal-{self._dice.randrange(5)}"
        runs = [producer.start_run(goal, "Survive", run_id=f"agent-{self._number}-{number}", tags=["chaos"])]
        others = [
            whose for whose, share in ((self._neighbour, 0.3), (self._number, 0.1)) if self._dice.random() < share
        ]
        return [*runs, *(producer.join_run(f"agent-{whose}-{number}") for whose in others)]

    def _step(self, run: ActiveRun) -> None:
        dice = self._dice
        # Whoever takes part in a run speaks of the same decisions.
        decision_id = f"d{dice.randrange(_DECISIONS)}"
        options = [{"id": "a", "description": "The first way"}, {"id": "b", "description": "The second way"}]
        match dice.randrange(9):
            case 0 | 1:
                node = f"node-{dice.randrange(4)}"
                run.decide("Choose", options, dice.choice("ab"), "Dice", node_id=node, decision_id=decision_id)
            case 2 | 3:
                success = dice.random() < 0.7
                run.record_outcome(decision_id, success=success, summary="Done", tokens_used=dice.randrange(1000))
            case 4:
                run.report_problem(dice.choice(("critical", "warning", "minor")), f"Odd: {dice.random()}")
            case 5:
                run.traverse(f"node-{dice.randrange(4)}", f"node-{dice.randrange(4)}")
            case 6:
                run.evaluate(decision_id, outcome_quality=dice.random())
            case 7:
                run.heartbeat()
            case _:
                with suppress(ZeroDivisionError):
                    run.decide_and_execute("Divide", options, "a", "To see", lambda: 1 / dice.randrange(3))

    def _finish(self, run: ActiveRun) -> None:
        if run._joined:
            run.leave()
            return
        match self._dice.randrange(20):
            case 0:
                # Nobody ends it: it is found to be stuck.
                run.leave()
            case 1 | 2 | 3:
                with suppress(RuntimeError), run:
                    raise RuntimeError("it broke")
            case 4 | 5:
                run.end("cancelled", narrative="Called off.")
            case 6 | 7:
                run.end("failed", output_data={"reason": "dice"})
            case _:
                run.end()


if __name__ == "__main__":
    number, agents, seconds, rate, path, seed = sys.argv[1:]
    ProducerSettings.load()
    Agent(int(number), int(agents), Journal(Path(path)), random.Random(f"agent-{number}-{seed}")).work_for(
        float(seconds), float(rate)
    )
