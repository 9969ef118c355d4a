"""What an agent chose, and what came of it."""

from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from runweaver.shared.fields import Count, Schema, Share, UtcDatetime, utc_now

#: A decision of more than this quality was a good one.
GOOD_QUALITY: Final = 0.5


class DecisionType(StrEnum):
    """What kind of choice a decision was."""

    TOOL_SELECTION = "tool_selection"
    PARAMETER_CHOICE = "parameter_choice"
    PATH_CHOICE = "path_choice"
    OUTPUT_FORMAT = "output_format"
    RETRY_STRATEGY = "retry_strategy"
    DELEGATION = "delegation"
    TERMINATION = "termination"
    CUSTOM = "custom"


class Option(Schema):
    """One thing that the agent could have done."""

    id: str = Field(min_length=1)
    description: str
    #: `tool_call`, `generate`, `delegate` … or any other word.
    action_type: str = "custom"
    action_params: dict[str, Any] = Field(default_factory=dict)
    pros: list[str] = Field(default_factory=list)
    cons: list[str] = Field(default_factory=list)
    confidence: Share = 0.5


class Outcome(Schema):
    """What came of a decision."""

    success: bool
    result: Any = None
    error: str | None = None
    state_changes: dict[str, Any] = Field(default_factory=dict)
    tokens_used: Count = 0
    #: Milliseconds.
    latency_ms: Count = 0
    summary: str = ""
    timestamp: UtcDatetime = Field(default_factory=utc_now)


class DecisionEvaluation(Schema):
    """A judgement of a decision, made after the fact."""

    goal_aligned: bool = True
    alignment_score: Share = 1.0
    better_option_existed: bool = False
    better_option_id: str | None = None
    why_better: str | None = None
    outcome_quality: Share = 1.0
    contributed_to_success: bool | None = None
    explanation: str = ""


class Decision(Schema):
    """One choice: what the agent wanted, what it could have done, what it did and why."""

    id: str = Field(min_length=1)
    timestamp: UtcDatetime = Field(default_factory=utc_now)
    node_id: str = Field(min_length=1)
    intent: str
    decision_type: DecisionType = DecisionType.CUSTOM
    options: list[Option] = Field(default_factory=list)
    chosen_option_id: str | None = None
    reasoning: str = ""
    active_constraints: list[str] = Field(default_factory=list)
    input_context: dict[str, Any] = Field(default_factory=dict)
    outcome: Outcome | None = None
    evaluation: DecisionEvaluation | None = None

    @property
    def chosen_option(self) -> Option | None:
        """The option with the chosen id, or none."""
        for option in self.options:
            if option.id == self.chosen_option_id:
                return option
        return None

    @property
    def was_successful(self) -> bool:
        """It has an outcome, and that succeeded."""
        return self.outcome is not None and self.outcome.success

    @property
    def has_failed(self) -> bool:
        """It has an outcome, and that failed. A decision without an outcome is pending, which is neither."""
        return self.outcome is not None and not self.outcome.success

    @property
    def was_good_decision(self) -> bool:
        """Aligned with the goal and of more than middling quality; unjudged, whether it succeeded."""
        if self.evaluation is None:
            return self.was_successful
        return self.evaluation.goal_aligned and self.evaluation.outcome_quality > GOOD_QUALITY

    def summary_for_builder(self) -> str:
        """One line: `✓ [node] intent → what was chosen`; `✗` for a failure, `…` while pending."""
        mark = "…" if self.outcome is None else "✓" if self.outcome.success else "✗"
        chosen = self.chosen_option
        action = chosen.description if chosen is not None else "unknown action"
        quality = "" if self.evaluation is None else f" [quality: {self.evaluation.outcome_quality:.1f}]"
        return f"{mark} [{self.node_id}] {self.intent} → {action}{quality}"


def action_of(decision: Decision) -> tuple[str, ...]:
    """What was done, exactly, to compare it: option, its description, its parameters. Empty where that is not known."""
    chosen = decision.chosen_option
    return (chosen.id, chosen.description, repr(chosen.action_params)) if chosen is not None else ()
