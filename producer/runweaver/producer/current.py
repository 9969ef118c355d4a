"""Which run the code at hand works for, wherever it is called from."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from runweaver.producer.active_run import ActiveRun
    from runweaver.producer.decision_in_progress import DecisionInProgress

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class _Place(NamedTuple):
    run: "ActiveRun | None"
    decision: "DecisionInProgress | None"


_NOWHERE = _Place(None, None)
_place: ContextVar[_Place] = ContextVar("runweaver_place", default=_NOWHERE)


def current_run() -> "ActiveRun | None":
    """The run that this thread or task works for: that of the innermost `with`, if there is one.

    Tasks of asyncio have that of who made them; a thread has none until it is told (`ActiveRun.bind`).
    """
    return _place.get().run


def current_decision() -> "DecisionInProgress | None":
    """The decision that this code carries out: that of the innermost `with decision(…)` or decorated function.

    if made := current_decision():
        made.tokens_used = response.usage.total_tokens
    """
    return _place.get().decision


@contextmanager
def in_place(run: "ActiveRun | None", decision: "DecisionInProgress | None" = None) -> Iterator[None]:
    """Work for a run, and carry out one of its decisions, until the block is left."""
    before = _place.get()
    _place.set(_Place(run, decision))
    try:
        yield
    finally:
        # Not by a token: a fixture or a generator may be left in another context than it was entered in.
        _place.set(before)


def bound_to(run: "ActiveRun", function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """The same function, whose code works for the run wherever it is called."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def bound_async(*args: Any, **kwargs: Any) -> Any:
            with in_place(run):
                return await function(*args, **kwargs)

        return cast("Callable[_Parameters, _Result]", bound_async)

    @functools.wraps(function)
    def bound(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with in_place(run):
            return function(*args, **kwargs)

    return bound
