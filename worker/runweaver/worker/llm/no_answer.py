"""Why a model did not tell a run."""

from collections.abc import Sequence
from typing import Final

from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelTimeoutError,
)

from runweaver.shared.errors import RunweaverError

#: What the library raises, the special before the general, and what we call it.
_REASONS: Final[Sequence[tuple[tuple[type[Exception], ...], str]]] = (
    ((ModelRequestTimeout, ModelTimeoutError), "timeout"),
    ((ModelRateLimitError, ModelQuotaExceededError), "rate-limit"),
    ((ModelAuthenticationError,), "unauthorized"),
    ((ModelConnectionError,), "connection"),
    ((ContentFilterError,), "refusal"),
    ((ModelAPIError,), "error"),
)
#: What the next request would not change.
_LASTING: Final = (ModelAuthenticationError, ModelNotFoundError, ModelQuotaExceededError)
#: What says something of the server or the model, and not of the run that it was to tell.
_TROUBLES: Final = frozenset({"timeout", "rate-limit", "unauthorized", "connection", "error", "nonsense"})


class NoAnswerError(RunweaverError):
    """The model told nothing that can be used. It holds nothing of what the server or the model said."""

    def __init__(
        self, reason: str, *, detail: str = "", lasting: bool = False, retry_after_s: float | None = None
    ) -> None:
        """Say why.

        Args:
            reason: one of `runweaver.worker.totals.NARRATIONS`.
            detail: the kind of error, and a status code if there is one.
            lasting: the next request will not do better.
            retry_after_s: what the server said of that, if it did.
        """
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.lasting = lasting
        self.retry_after_s = retry_after_s

    @property
    def is_trouble(self) -> bool:
        """Whether other runs would have met with the same."""
        return self.reason in _TROUBLES


def no_answer_for(error: Exception) -> NoAnswerError:
    """What the library raised, in our words."""
    # Whatever else the library stumbles over is an answer that is none.
    reason = next((reason for kinds, reason in _REASONS if isinstance(error, kinds)), "nonsense")
    status = f" {error.status_code}" if isinstance(error, ModelHTTPError) else ""
    retry_after_s = error.retry_after if isinstance(error, ModelAPIError) else None
    return NoAnswerError(
        reason,
        detail=f"{type(error).__name__}{status}",
        lasting=isinstance(error, _LASTING),
        retry_after_s=retry_after_s,
    )
