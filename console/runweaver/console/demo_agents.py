"""The agents of the demo: a process that makes runs the way a real agent would.

Run as `python -m runweaver.console.demo_agents RUNS SEED`. It tells how far it is on standard output, one line of
JSON at a time: `{"runs": 3, "messages": 47}`.
"""

import json
import random
import sys
import time
from dataclasses import dataclass
from typing import Final

from runweaver.producer import ActiveRun, Producer


@dataclass(frozen=True)
class _Step:
    node: str
    intent: str
    options: tuple[tuple[str, str], ...]
    #: How likely the first option fails; the second is what a retry takes.
    risk: float
    error: str
    success: str
    #: About how long it takes, slow enough to watch.
    latency_ms: int
    tokens: int


#: All runs of the demo have it.
DEMO_TAG: Final = "demo"

_GOALS: Final[dict[str, tuple[str, tuple[_Step, ...]]]] = {
    "qualify-leads": (
        "Qualify sales leads",
        (
            _Step("research", "Find the company's size", (("crm", "Look it up in the CRM"), ("web", "Search the web")),
                  0.25, "CRM: no record of this company", "About 250 employees", 150, 310),
            _Step("qualifier", "Does the lead have budget?", (("ask", "Ask the contact"), ("infer", "Infer from size")),
                  0.35, "No answer within the time limit", "Budget of $50k inferred", 240, 512),
            _Step("writer", "Write the hand-over note", (("short", "Three bullet points"), ("long", "A full page")),
                  0.05, "The note was over the limit", "Hand-over note written", 400, 1240),
        ),
    ),
    "triage-tickets": (
        "Triage support tickets",
        (
            _Step("classifier", "Which product is it about?", (("rules", "Keyword rules"), ("model", "Ask the model")),
                  0.3, "Two rules matched", "Billing", 60, 140),
            _Step("resolver", "Find a known solution", (("kb", "Search the knowledge base"), ("past", "Past tickets")),
                  0.4, "Search timed out", "Article 4711 fits", 350, 830),
            _Step("responder", "Answer or escalate?", (("answer", "Answer the customer"), ("escalate", "Escalate")),
                  0.1, "The customer's address is unknown", "Answered", 130, 420),
        ),
    ),
    "plan-trip": (
        "Plan a business trip",
        (
            _Step("flights", "Book a flight under $400", (("direct", "Direct flight"), ("stop", "One stopover")),
                  0.45, "Fare is no longer available", "Booked for $380", 300, 690),
            _Step("hotels", "Book a hotel near the venue", (("chain", "The usual chain"), ("other", "Best rated")),
                  0.2, "No rooms left", "Booked two nights", 200, 450),
        ),
    ),
}  # fmt: skip


def main() -> None:
    """Make runs, one after the other."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)  # noqa: S311 - a play, not a secret
    messages = 0
    with Producer(name="demo") as producer:
        for number in range(1, count + 1):
            messages += _one_run(producer, dice)
            sys.stdout.write(json.dumps({"runs": number, "messages": messages}) + "\n")
            sys.stdout.flush()


def _one_run(producer: Producer, dice: random.Random) -> int:
    goal_id = dice.choice(list(_GOALS))
    description, steps = _GOALS[goal_id]
    run = producer.start_run(goal_id, description, input_data={"case": dice.randrange(10_000)}, tags=[DEMO_TAG])
    messages = 2
    for index, step in enumerate(steps):
        if index:
            run.traverse(steps[index - 1].node, step.node)
            messages += 1
        attempts, worked = _take(run, step, dice)
        messages += 2 * attempts
        if not worked:
            run.report_problem(
                "critical",
                f"{step.intent}: no way worked",
                root_cause=step.error,
                suggested_fix=f"Give {step.node} another way",
            )
            run.end("failed", output_data={"stopped_at": step.node})
            return messages + 1
    run.end("completed", output_data={"steps": len(steps)})
    return messages


def _take(run: ActiveRun, step: _Step, dice: random.Random) -> tuple[int, bool]:
    """Try the first way, then the second.

    Returns:
        How many attempts, and whether the last one worked.
    """
    options = [{"id": name, "description": text, "action_type": "tool_call"} for name, text in step.options]
    for attempt, (name, _) in enumerate(step.options, 1):
        reasoning = "It is the usual way" if attempt == 1 else "The usual way did not work"
        decision = run.decide(step.intent, options, name, reasoning, node_id=step.node)
        started_at = time.monotonic()
        time.sleep(step.latency_ms / 1000 * dice.uniform(0.6, 1.6))
        worked = dice.random() >= step.risk
        run.record_outcome(
            decision,
            worked,
            summary=step.success if worked else "",
            error=None if worked else step.error,
            tokens_used=round(step.tokens * dice.uniform(0.7, 1.4)),
            latency_ms=(time.monotonic() - started_at) * 1000,
        )
        if worked:
            return attempt, True
    return len(step.options), False


if __name__ == "__main__":
    main()
