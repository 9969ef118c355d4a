"""Narrators that ask a model, and runs for them to tell."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

from runweaver.shared import FinalizerSettings, Run
from runweaver.worker import PlainNarrator, Story
from runweaver.worker.llm import LlmNarrator
from runweaver.worker.totals import NarrationTotals
from tests.support.messages import Script
from tests.support.model_server import says
from tests.unit.making import fold_of

#: Stands in nothing but in the headers of requests.
KEY: Final = "sk-the-secret-of-this-test"
#: What a model may say of `failed()`.
GOOD: Final = says(("No seat was left on that flight.", ["d1"]), ("It was tried again in vain.", ["d2", "p1"]))


class Telling:
    """A narrator, and what it counts."""

    def __init__(self, url: str, **settings: Any) -> None:
        given = {"llm_url": url, "llm_model": "small", "llm_key": KEY, "llm_timeout_s": 0.6, **settings}
        self.totals = NarrationTotals()
        self._narrator = LlmNarrator(FinalizerSettings(**given), self.totals)

    def __call__(self, run: Run) -> Story:
        return self._narrator.narrate(run)

    def close(self) -> None:
        """No thread and no connection is left behind."""
        self._narrator.close()

    @property
    def results(self) -> dict[str, int]:
        """What came of it, but for what never did."""
        return {result: count for result, count in self.totals.results.items() if count}


class Teller:
    """Makes narrators. As a context manager it closes them."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __call__(self, url: str, **settings: Any) -> Telling:
        telling = Telling(url, **settings)
        self._stack.callback(telling.close)
        return telling

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def failed(run_id: str = "run", **texts: str) -> Run:
    """A run with decisions `d1` to `d3`, as the model knows them, and a problem `p1`."""
    script = Script(run_id)
    told = {"intent": "Take a seat", "reasoning": "It is the cheapest", "error": "no seat", **texts}
    return fold_of(
        script.started("book", goal_description="Book a flight"),
        script.decision("a", told["intent"], "seats", reasoning=told["reasoning"]),
        script.outcome("a", success=False, error=told["error"]),
        script.decision("b", told["intent"], "seats"),
        script.outcome("b", success=False, error=told["error"]),
        script.decision("c", "Say sorry", "talk"),
        script.outcome("c"),
        script.problem("x", "critical", told.get("problem", "No seats")),
        script.ended("failed"),
    )


def completed(run_id: str = "run") -> Run:
    """One that deserves nobody's attention."""
    script = Script(run_id)
    return fold_of(script.started(), script.decision("a"), script.outcome("a"), script.ended())


def first_line(run: Run) -> str:
    """How the narrator that comes along begins."""
    return PlainNarrator().narrate(run).text.partition("\n")[0]
