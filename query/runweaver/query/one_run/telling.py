"""How decisions, and what is known of them, are said in sentences; and what each sentence rests on."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from runweaver.shared.decision import Decision, Option
from runweaver.shared.evidence import Evidence
from runweaver.shared.fields import Schema
from runweaver.shared.run import Problem

#: What agents wrote is quoted so far (characters).
LONGEST_QUOTE: Final = 160
_LONGEST_NAME: Final = 80
_LONGEST_TOLD: Final = 300
#: So many ids stand behind one sentence at most.
_MOST_IDS: Final = 20


class Result(StrEnum):
    """What came of a decision."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"


class Step(Schema):
    """A decision in short."""

    decision_id: str
    node: str
    intent: str
    #: What the chosen option does; none where nothing was chosen.
    chosen: str | None
    option_id: str | None
    result: Result
    #: The outcome's error, or else what it says of itself.
    told: str


def step_of(decision: Decision) -> Step:
    """A decision in short; long texts are cut."""
    chosen = decision.chosen_option
    return Step(
        decision_id=decision.id,
        node=decision.node_id,
        intent=quote(decision.intent),
        chosen=quote(chosen.description) if chosen is not None else None,
        option_id=decision.chosen_option_id,
        result=result_of(decision),
        told=quote(told_by(decision), _LONGEST_TOLD),
    )


def result_of(decision: Decision) -> Result:
    """Whether it succeeded, failed, or is pending."""
    if decision.outcome is None:
        return Result.PENDING
    return Result.SUCCEEDED if decision.outcome.success else Result.FAILED


def told_by(decision: Decision) -> str:
    """What the outcome tells: its error, or else its summary."""
    outcome = decision.outcome
    return (outcome.error or "").strip() or outcome.summary.strip() if outcome is not None else ""


def judged_by(decision: Decision) -> str:
    """Why the decision was judged as it was; empty where nobody said."""
    evaluation = decision.evaluation
    return (evaluation.why_better or "").strip() or evaluation.explanation.strip() if evaluation is not None else ""


def said(
    sentence: str, decisions: Sequence[Decision] = (), problems: Sequence[Problem] = (), *, whole_run: bool = False
) -> Evidence:
    """A sentence with what it rests on: these decisions and problems, or the run as a whole."""
    nodes = {decision.node_id for decision in decisions}
    return Evidence(
        sentence=sentence,
        decision_ids=[decision.id for decision in decisions[:_MOST_IDS]],
        problem_ids=[problem.id for problem in problems[:_MOST_IDS]],
        node=nodes.pop() if len(nodes) == 1 else None,
        whole_run=whole_run,
    )


def place(decision: Decision) -> str:
    """Where, and what for: `[node] intent`."""
    return f"[{quote(decision.node_id, _LONGEST_NAME)}] {quote(decision.intent)}"


def choice(decision: Decision) -> str:
    """What was chosen, in quotation marks."""
    chosen = decision.chosen_option
    return quoted_option(chosen) if chosen is not None else "nothing that is known"


def quoted_option(option: Option) -> str:
    """What an option does, in quotation marks."""
    return f"“{quote(option.description or option.id)}”"


def quote(text: str, most: int = LONGEST_QUOTE) -> str:
    """A text on one line, and not longer than that."""
    # Cut first: it may be a megabyte.
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def counted(count: int, what: str) -> str:
    """`1 decision`, `2 decisions`."""
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"
