"""Functions and blocks become decisions, and whatever code they call knows its run."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from runweaver.producer import (
    ActiveRun,
    ProblemHandler,
    Producer,
    current_decision,
    current_run,
    decision,
)
from runweaver.producer.log_handler import MOST_PROBLEMS
from runweaver.shared import Decision, InvalidArgumentError, Run
from tests.support.processes import Pipeline

Told = Callable[[Callable[[ActiveRun], object]], Run]


@pytest.fixture
def told(pipeline: Pipeline, producer: Producer) -> Told:
    """What a run says of code that ran in it."""

    def tell(code: Callable[[ActiveRun], object]) -> Run:
        with producer.start_run("plain") as run:
            code(run)
        pipeline.summary(run.run_id)
        folded = pipeline.runs.get(run.run_id)
        assert folded is not None
        return folded

    return tell


def _outcome(of: Decision) -> tuple[bool, Any, str | None]:
    assert of.outcome is not None
    return of.outcome.success, of.outcome.result, of.outcome.error


def test_each_call_of_a_decorated_function_is_a_decision(told: Told) -> None:
    """What it was called with is told, what it returned is its outcome, and what it raised goes on to the caller."""

    class Crm:
        @decision("Look the customer up", reasoning="We need a name", node_id="crm")
        def look_up(self, customer: str, *, region: str = "eu") -> dict[str, str]:
            if customer == "nobody":
                raise LookupError(f"no such customer in {region}")
            return {"name": customer.upper()}

    def code(_: ActiveRun) -> None:
        assert {"name": "ADA"} == Crm().look_up("ada", region="us")
        with pytest.raises(LookupError):
            Crm().look_up("nobody")

    found, missed = told(code).decisions

    assert ("Look the customer up", "crm", "We need a name") == (found.intent, found.node_id, found.reasoning)
    assert found.chosen_option is not None
    assert ("look_up", {"customer": "ada", "region": "us"}) == (
        found.chosen_option.id,
        found.chosen_option.action_params,
    )
    assert [(True, {"name": "ADA"}, None), (False, None, "LookupError: no such customer in eu")] == [
        _outcome(each) for each in (found, missed)
    ]


def test_a_function_may_be_what_chooses(told: Told) -> None:
    """Where there are options and none is chosen, it returns the id of one. What it was given is what it knew."""

    @decision("Which team?", ["refunds", {"id": "sales", "description": "They sell"}])
    def route(ticket: str) -> str:
        return "sales" if "buy" in ticket else "nobody knows"

    sales, nobody = told(lambda _: (route("I want to buy"), route("Hello"))).decisions

    assert ("sales", {"ticket": "I want to buy"}) == (sales.chosen_option_id, sales.input_context)
    assert ["refunds", "sales"] == [option.id for option in sales.options]
    assert (None, (True, "nobody knows", None)) == (nobody.chosen_option_id, _outcome(nobody))


def test_a_block_is_a_decision(told: Told) -> None:
    """It may choose, fail without an exception, and say what came out."""

    def code(run: ActiveRun) -> None:
        with run.decision("Answer", ["draft", "escalate"], node_id="writer") as made:
            made.choose("draft", "It is simple")
            made.choose("escalate", "Too late")
            made.result, made.tokens_used, made.summary = {"words": 7}, 120, "Drafted"
            made.state_changes = {"draft": 1}
        with run.decision("Send") as made:
            made.error = "No address"

    drafted, sent = told(code).decisions

    assert ("draft", "It is simple", "writer") == (drafted.chosen_option_id, drafted.reasoning, drafted.node_id)
    assert drafted.outcome is not None
    assert (True, {"words": 7}, 120, "Drafted", {"draft": 1}) == (
        drafted.outcome.success,
        drafted.outcome.result,
        drafted.outcome.tokens_used,
        drafted.outcome.summary,
        drafted.outcome.state_changes,
    )
    assert ("action", (False, None, "No address")) == (sent.chosen_option_id, _outcome(sent))


def test_what_fails_before_it_was_chosen_is_told(told: Told) -> None:
    """With the options that there were."""

    def code(run: ActiveRun) -> None:
        with pytest.raises(ValueError, match="odd"), run.decision("Answer", ["draft", "escalate"], reasoning="So far"):
            raise ValueError("odd")

    (failed,) = told(code).decisions

    assert (None, 2, "So far", (False, None, "ValueError: odd")) == (
        failed.chosen_option_id,
        len(failed.options),
        failed.reasoning,
        _outcome(failed),
    )


def test_an_option_that_is_not_there_cannot_be_chosen(producer: Producer) -> None:
    """The agent's author learns it where the choice is made, and may choose another."""
    with producer.start_run("plain") as run, run.decision("Answer", ["draft"]) as made:
        with pytest.raises(InvalidArgumentError, match="'x' is not the id of one of the options"):
            made.choose("x")
        made.choose("draft")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"options": ["a"], "chosen": "b"}, "chosen: 'b' is not the id of one of the options (a)"),
        ({"chosen": "b"}, "chosen: 'b' is not the id of one of the options (there are none)"),
        ({"options": [{"id": "a"}]}, "description"),
        ({"node_id": ""}, "node_id"),
    ],
)
def test_what_is_wrong_with_a_decorator_is_said_when_it_decorates(wrong: dict[str, Any], says: str) -> None:
    """Not when the agent is at work."""
    with pytest.raises(InvalidArgumentError) as raised:
        decision("Look", **wrong)

    assert says in str(raised.value)


def test_functions_of_all_kinds_stay_what_they_are(told: Told) -> None:
    """Coroutines, generators and asynchronous generators, with what is sent into them and what they return."""

    @decision("Fetch")
    async def fetch() -> str:
        await asyncio.sleep(0)
        return "page"

    @decision("Count")
    def count(most: int) -> Generator[int, str, str]:
        got = ""
        for number in range(most):
            got += yield number
        return got

    @decision("Stream")
    async def stream() -> AsyncGenerator[int, int]:
        got = 1
        while got:
            try:
                got = (yield got * 2) or 0
            except KeyError:
                got = 50

    def counted() -> Iterator[int | str]:
        counter = count(2)
        yield next(counter)
        yield counter.send("a")
        with pytest.raises(StopIteration) as stopped:
            counter.send("b")
        yield stopped.value.value

    async def streamed() -> list[int]:
        stream_ = stream()
        items = [await anext(stream_), await stream_.asend(7), await stream_.athrow(KeyError())]
        with pytest.raises(StopAsyncIteration):
            await stream_.asend(0)
        return items

    async def code() -> None:
        assert "page" == await fetch()
        assert [0, 1, "ab"] == list(counted())
        assert [2, 14, 100] == await streamed()

    run = told(lambda _: asyncio.run(code()))

    assert [("Fetch", (True, "page", None)), ("Count", (True, "ab", None)), ("Stream", (True, None, None))] == [
        (each.intent, _outcome(each)) for each in run.decisions
    ]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_that_is_left_early_did_what_it_should(told: Told, is_async: bool) -> None:  # noqa: FBT001
    """Whoever asked had enough. And it cleans up, as it would without the decorator."""
    cleaned = []

    @decision("Stream")
    def stream() -> Iterator[int]:
        try:
            yield 1
        finally:
            cleaned.append(True)

    @decision("Stream")
    async def stream_async() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            cleaned.append(True)

    async def leave_early() -> None:
        generator = stream_async()
        assert 1 == await anext(generator)
        await generator.aclose()

    def leave() -> None:
        generator = stream()
        assert 1 == next(generator)
        generator.close()  # type: ignore[attr-defined]

    run = told(lambda _: asyncio.run(leave_early()) if is_async else leave())

    assert [True] == cleaned
    assert [(True, None, None)] == [_outcome(each) for each in run.decisions]


def test_code_without_a_run_runs_as_it_is() -> None:
    """Nothing is told, and what is asked for in a block is there."""

    @decision("Add", ["a", "b"])
    def add(one: int, two: int) -> int:
        made = current_decision()
        assert made is not None
        made.choose("a")
        made.tokens_used = 5
        return one + two

    assert (3, None, None) == (add(1, 2), current_run(), current_decision())
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        add(1)  # type: ignore[call-arg]


def test_a_call_that_does_not_fit_fails_as_without_the_decorator(told: Told) -> None:
    """With the function's own words, and that is the decision's outcome."""

    @decision("Add")
    def add(one: int, two: int) -> int:
        return one + two

    def code(_: ActiveRun) -> None:
        with pytest.raises(TypeError):
            add(1)  # type: ignore[call-arg]

    (failed,) = told(code).decisions

    assert "missing 1 required positional argument: 'two'" in str(_outcome(failed)[2])


def test_functions_that_do_not_tell_what_they_take_can_be_decorated(told: Told) -> None:
    """As some that are written in C. Their result is told all the same."""
    latest = decision("Find the latest")(max)

    (found,) = told(lambda _: latest(3, 9)).decisions

    assert found.chosen_option is not None
    assert ("max", {}, (True, 9, None)) == (
        found.chosen_option.id,
        found.chosen_option.action_params,
        _outcome(found),
    )


class _Odd:
    def __repr__(self) -> str:
        raise RuntimeError("who asks?")


def test_whatever_a_function_takes_and_gives_it_works(told: Told) -> None:
    """Nobody meant these to be told: what JSON cannot have is told as what it looks like."""
    circular: list[Any] = []
    circular.append(circular)
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    values = [circular, deep, _Odd(), "\ud83d", b"\xff", {1: {2, 3}}, float("nan"), 10**5_000, lambda: 1]

    @decision("Pass on")
    def pass_on(value: Any) -> Any:
        return value

    run = told(lambda _: [pass_on(value) for value in values])

    assert [True] * len(values) == [_outcome(each)[0] for each in run.decisions]


def test_content_can_be_kept_back(told: Told) -> None:
    """Arguments and the result, where they are nobody's business, or large."""

    @decision("Look up", content=False)
    def look_up(name: str) -> str:
        return name

    (looked_up,) = told(lambda _: look_up("Ada")).decisions

    assert "Ada" not in looked_up.model_dump_json()


def test_a_function_says_more_of_its_decision(told: Told) -> None:
    """As what it calls does: the decision is the innermost one."""

    def ask_model() -> str:
        made = current_decision()
        assert made is not None
        made.tokens_used += 30
        return "yes"

    @decision("Inner")
    def inner() -> str:
        return ask_model()

    @decision("Outer")
    def outer() -> str:
        answer = inner()
        ask_model()
        ask_model()
        return answer

    run = told(lambda _: outer())

    assert {"Outer": 60, "Inner": 30} == {
        each.intent: each.outcome.tokens_used for each in run.decisions if each.outcome is not None
    }


def test_the_current_run_is_known_wherever_the_work_goes(producer: Producer) -> None:
    """Tasks have that of who made them, threads that which they are bound to, and blocks may be in each other."""

    async def tasks() -> list[ActiveRun | None]:
        async def child() -> ActiveRun | None:
            await asyncio.sleep(0)
            return current_run()

        async with producer.start_run("of-the-task") as run:
            found = await asyncio.gather(child(), asyncio.create_task(child()), asyncio.to_thread(current_run))
        return [run, *found, current_run()]

    of_task, *of_children, after = asyncio.run(tasks())
    assert [of_task] * 3 == of_children
    assert after is None

    with producer.start_run("outer") as outer:
        with producer.start_run("inner") as inner:
            assert inner is current_run()
            with outer.as_current():
                assert outer is current_run()
            assert inner is current_run()
        with ThreadPoolExecutor(1) as pool:
            assert [None, outer] == [pool.submit(current_run).result(), pool.submit(outer.bind(current_run)).result()]
            assert None is pool.submit(current_run).result()
        assert outer is current_run()
    assert None is current_run()


def test_a_coroutine_can_be_bound(producer: Producer) -> None:
    """It knows its run while it runs, not only when it is made."""
    run = producer.start_run("plain")

    async def find() -> ActiveRun | None:
        await asyncio.sleep(0)
        return current_run()

    assert run is asyncio.run(run.bind(find)())
    run.end()


def test_a_block_may_be_left_in_another_context(producer: Producer) -> None:
    """As fixtures and generators of asyncio's servers do."""
    run = producer.start_run("plain")

    contextvars.copy_context().run(run.__enter__)
    run.__exit__(None, None, None)

    assert None is current_run()


def test_a_generator_does_not_take_its_caller_along(told: Told) -> None:
    """While it waits, the code of whoever asked it is not part of its decision."""

    @decision("Stream")
    def stream() -> Iterator[int]:
        yield 1

    def code(run: ActiveRun) -> None:
        waiting = stream()
        next(waiting)
        assert (run, None) == (current_run(), current_decision())

    told(code)


def test_errors_that_are_logged_are_problems(told: Told) -> None:
    """With the decision that was going on, and the exception that was logged. What is logged elsewhere is not."""
    logger = logging.Logger("shop.payments")  # noqa: LOG001 - of this test alone
    logger.addHandler(ProblemHandler())
    ours = logging.Logger("runweaver.producer")  # noqa: LOG001 - as above
    ours.addHandler(ProblemHandler())

    def ask_bank() -> None:
        raise ConnectionError("bank is away")

    @decision("Pay")
    def pay() -> None:
        try:
            ask_bank()
        except ConnectionError:
            logger.exception("Could not pay %s", "42 EUR")

    def code(_: ActiveRun) -> None:
        pay()
        logger.critical("Nobody pays any more")
        logger.warning("It is late")
        ours.error("Of no run")
        elsewhere = threading.Thread(target=logger.error, args=("In a thread of its own",))
        elsewhere.start()
        elsewhere.join()

    run = told(code)

    failed, critical = run.problems
    assert ("warning", "Could not pay 42 EUR", run.decisions[0].id) == (
        failed.severity,
        failed.description,
        failed.decision_id,
    )
    assert (failed.root_cause or "").startswith("ConnectionError: bank is away, raised in ask_bank (")
    assert ("critical", "Nobody pays any more", None) == (critical.severity, critical.description, critical.decision_id)
    assert (critical.root_cause or "").startswith("logged by shop.payments (")


def test_a_run_that_logs_in_a_loop_says_so_once(told: Told) -> None:
    """A lower level lets through what is minor."""
    logger = logging.Logger("loop")  # noqa: LOG001 - of this test alone
    logger.addHandler(ProblemHandler("INFO"))

    def code(_: ActiveRun) -> None:
        for number in range(150):
            logger.info("Again %d", number)

    run = told(code)

    assert MOST_PROBLEMS == len(run.problems)
    assert ("minor", "Again 99 (what is logged after this is not told)") == (
        run.problems[-1].severity,
        run.problems[-1].description,
    )


def test_a_record_that_cannot_be_told_disturbs_nobody(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with it goes to standard error, as with each handler of the standard library."""
    logger = logging.Logger("odd")  # noqa: LOG001 - of this test alone
    logger.addHandler(ProblemHandler())

    run = told(lambda _: logger.error("%d", SimpleNamespace()))

    assert [] == run.problems
    assert "--- Logging error ---" in capsys.readouterr().err
