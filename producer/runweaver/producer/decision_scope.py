"""Decisions around code: a block, or a decorated function, is what was decided, and how it ends is what came of it."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from runweaver.producer.current import current_run, in_place
from runweaver.producer.decision_in_progress import DecisionInProgress, tellable
from runweaver.producer.message_kind import DECISION, DEFAULT_NODE, check_choice
from runweaver.shared.decision import DecisionType, Option

if TYPE_CHECKING:
    from runweaver.producer.active_run import ActiveRun

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

OptionLike = Option | Mapping[str, Any] | str

#: The first argument of a method is the object that has it, and says nothing of the decision.
_OWNERS: Final = frozenset({"self", "cls"})


def decision(
    intent: str,
    options: Sequence[OptionLike] = (),
    chosen: str | None = None,
    reasoning: str = "",
    *,
    run: "ActiveRun | None" = None,
    content: bool = True,
    node_id: str = DEFAULT_NODE,
    decision_type: DecisionType | str = DecisionType.CUSTOM,
    active_constraints: Sequence[str] = (),
    input_context: Mapping[str, Any] | None = None,
) -> "DecisionScope":
    """Make a block or a function a decision, and how it ends the decision's outcome.

        @decision("Look the customer up", node_id="crm")
        async def look_up(customer_id: str) -> Customer: ...

        @decision("Which team?", ["refunds", "sales"])
        def route(ticket: str) -> str: ...      # what it returns is what was chosen

        with decision("Answer", ["draft", "escalate"]) as made:
            made.choose("draft", "It is simple")
            made.tokens_used = 120

    Functions of any kind can be decorated; of a generator, the decision lasts as long as it gives something. An
    exception is a failure, and goes on to the caller. Where no run is going on, the code runs as if this were not
    there.

    Args:
        intent: what the code is to find out or achieve.
        options: what could be done; a word stands for an option of that id. None: to run the code, or not.
        chosen: the id of the option that the code is. Absent where there are options: `choose` says, or the function
            returns the id.
        reasoning: why.
        run: whose decision it is; absent: of the current run, whichever that is by then.
        content: whether arguments and the result of a function are told.
        node_id, decision_type, active_constraints, input_context: see `ActiveRun.decide`.

    Raises:
        InvalidArgumentError: an argument makes no sense.
    """
    return DecisionScope(
        run,
        content=content,
        intent=intent,
        options=options,
        chosen=chosen,
        reasoning=reasoning,
        node_id=node_id,
        decision_type=decision_type,
        active_constraints=active_constraints,
        input_context=input_context or {},
    )


class DecisionScope:
    """What `decision` gives: a context manager, and a decorator."""

    def __init__(self, run: "ActiveRun | None", *, content: bool, **details: Any) -> None:
        """Nothing is told before the block is entered, or the function called.

        Args:
            run, content: as for `decision`.
            details: what else it takes, all of it.
        """
        self._run = run
        self._content = content
        self._details = {**details, "options": [_option(each) for each in details["options"]]}
        self._entered: list[AbstractContextManager[DecisionInProgress]] = []
        _check(self._details)

    def __call__(self, function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        """Decorate a function: each call is a decision."""
        if inspect.iscoroutinefunction(function):
            wrapper: Callable[..., Any] = self._around_coroutine(function)
        elif inspect.isasyncgenfunction(function):
            wrapper = self._around_async_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapper = self._around_generator(function)
        else:
            wrapper = self._around_function(function)
        return cast("Callable[_Parameters, _Result]", functools.wraps(function)(wrapper))

    def __enter__(self) -> DecisionInProgress:
        entered = self._going_on(self._whose(), None, {})
        self._entered.append(entered)
        return entered.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(kind, error, trace)

    async def __aenter__(self) -> DecisionInProgress:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _around_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        call = self._call_of(function)

        def called(*args: Any, **kwargs: Any) -> Any:
            with call(args, kwargs) as made:
                return self._returned(made, function(*args, **kwargs))

        return called

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        call = self._call_of(function)

        async def called(*args: Any, **kwargs: Any) -> Any:
            with call(args, kwargs) as made:
                return self._returned(made, await function(*args, **kwargs))

        return called

    # While a generator waits, the code of whoever asked it runs, and must not count as part of the decision.

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        call = self._call_of(function, is_current=False)

        def called(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with call(args, kwargs) as made:
                return self._returned(made, (yield from function(*args, **kwargs)))

        return called

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        call = self._call_of(function, is_current=False)

        async def called(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            with call(args, kwargs):
                generator = function(*args, **kwargs)
                step = anext(generator)
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = generator.asend((yield item))
                    except GeneratorExit:
                        await generator.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - the generator may know what to do with it
                        step = generator.athrow(error)

        return called

    def _call_of(
        self, function: Callable[..., Any], *, is_current: bool = True
    ) -> Callable[[tuple[Any, ...], dict[str, Any]], AbstractContextManager[DecisionInProgress]]:
        name = getattr(function, "__name__", None)
        signature = _signature_of(function)

        def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> AbstractContextManager[DecisionInProgress]:
            run = self._whose()
            is_told = self._content and run is not None
            told = _arguments(signature, args, kwargs) if is_told and signature is not None else {}
            return self._going_on(run, name, told, is_current=is_current)

        return call

    def _whose(self) -> "ActiveRun | None":
        return self._run if self._run is not None else current_run()

    @contextmanager
    def _going_on(
        self, run: "ActiveRun | None", name: str | None, arguments: dict[str, Any], *, is_current: bool = True
    ) -> Iterator[DecisionInProgress]:
        made = DecisionInProgress(run, _completed(self._details, name, arguments))
        with in_place(run, made) if is_current else nullcontext():
            try:
                yield made
            except GeneratorExit:
                # Whoever asked had enough.
                made._ended()  # noqa: SLF001
                raise
            except Exception as error:
                made._ended(error)  # noqa: SLF001
                raise
            made._ended()  # noqa: SLF001

    def _returned(self, made: DecisionInProgress, result: Any) -> Any:
        made._returned(result, is_told=self._content)  # noqa: SLF001
        return result


def _option(given: OptionLike) -> Option | Mapping[str, Any]:
    return {"id": given, "description": given} if isinstance(given, str) else given


def _check(details: Mapping[str, Any]) -> None:
    """Say now what is wrong: later, the agent is at work."""
    given = {**details, "id": "-", "chosen_option_id": details["chosen"]}
    fields = DECISION.build({"decision": {name: its for name, its in given.items() if name != "chosen"}})
    if details["chosen"] is not None:
        check_choice(details["chosen"], fields["decision"]["options"])


def _completed(details: Mapping[str, Any], name: str | None, arguments: dict[str, Any]) -> Mapping[str, Any]:
    """Where there are no options, to run the code is the only one."""
    if details["options"]:
        return {**details, "input_context": {**details["input_context"], **arguments}} if arguments else details
    option = {"id": name or "action", "description": name or details["intent"], "action_params": arguments}
    return {**details, "options": [option], "chosen": option["id"]}


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:
        return None  # some that are written in C do not tell


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return {}  # the function itself will say so
    given = list(bound.items())
    if given and given[0][0] in _OWNERS:
        del given[0]
    told = tellable(dict(given))
    return told if isinstance(told, dict) else {"arguments": told}
