"""A decision while it is carried out."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from runweaver.producer.failures import described
from runweaver.producer.message_kind import safe_repr
from runweaver.shared.fields import utc_now

if TYPE_CHECKING:
    from runweaver.producer.active_run import ActiveRun


class DecisionInProgress:
    """What `decision` gives to the code that carries it out. What is set here is told as its outcome, at the end.

    Where no run is going on it can be used all the same, and nothing is told.
    """

    def __init__(self, run: "ActiveRun | None", details: Mapping[str, Any]) -> None:
        """Told at once, unless it is still to be chosen.

        Args:
            run: whose decision it is.
            details: what `ActiveRun.decide` takes.
        """
        self._run = run
        self._details = details
        self._began_at = utc_now()
        self._is_told = False
        #: The decision's id; empty where no run is going on.
        self.id = run._new_decision_id() if run is not None else ""  # noqa: SLF001
        #: What came out. Of a decorated function: what it returned.
        self.result: Any = None
        #: Why it failed, where no exception says so.
        self.error: str | None = None
        #: The outcome in a few words.
        self.summary = ""
        #: How many tokens it took.
        self.tokens_used: float = 0
        #: What is different now.
        self.state_changes: Mapping[str, Any] = {}
        if details["chosen"] is not None:
            self._tell(details["chosen"], at=self._began_at)

    def choose(self, option_id: str, reasoning: str = "") -> None:
        """Say which of the options it is, where that was open. Only the first choice counts.

        Args:
            option_id: of one of the options.
            reasoning: why; absent: as was said before.

        Raises:
            InvalidArgumentError: there is no such option.
        """
        if not self._is_told:
            self._tell(option_id, reasoning)

    def _returned(self, result: Any, *, is_told: bool) -> None:
        """The function that carries it out gave this back: where the choice was open, that is the choice."""
        if not self._is_told and isinstance(result, str) and result in option_ids(self._details["options"]):
            self._tell(result)
        if is_told and self.result is None:
            self.result = result

    def _ended(self, error: BaseException | None = None) -> None:
        if not self._is_told:
            self._tell(None)
        if self._run is None:
            return
        why = described(error) if error is not None else self.error
        self._run.record_outcome(
            self.id,
            success=why is None,
            result=tellable(self.result),
            error=why,
            summary=self.summary,
            tokens_used=self.tokens_used,
            latency_ms=max(0.0, (utc_now() - self._began_at).total_seconds() * 1000),
            state_changes=self.state_changes,
        )

    def _tell(self, chosen: str | None, reasoning: str = "", *, at: datetime | None = None) -> None:
        if self._run is not None:
            given = {"chosen": chosen, "decision_id": self.id, "at": at}
            self._run.decide(**{**self._details, **given, **({"reasoning": reasoning} if reasoning else {})})
        self._is_told = True


def option_ids(options: Any) -> list[str]:
    """The ids of options, which may be mappings."""
    return [option["id"] if isinstance(option, Mapping) else option.id for option in options]


def tellable(value: Any) -> Any:
    """The same as JSON has it, or how it looks. Nobody meant to tell it: that it cannot be told is no error."""
    if value is None or isinstance(value, bool):
        return value
    try:
        return from_json(to_json(value, fallback=safe_repr))
    except Exception:  # noqa: BLE001 - whatever code an agent's objects run here, or how deep they are
        return safe_repr(value)
