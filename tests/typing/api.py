"""What a user's typed code may rely on. It is checked by mypy as a user's code would be, and never run."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

from runweaver.producer import ActiveRun, DecisionInProgress, ProblemHandler, Producer, current_run, decision
from runweaver.query import (
    BEGINNING,
    Batch,
    Comparison,
    Divergence,
    Explanation,
    Filters,
    Fleet,
    GoalOverview,
    Insights,
    Page,
    Runs,
    Subscription,
    Summaries,
    TraceEntry,
    Wanted,
    compare,
    explain,
    trace,
)
from runweaver.shared import (
    Attention,
    AttentionFlag,
    AttentionThresholds,
    Completeness,
    Decision,
    DecisionType,
    Evidence,
    InvalidArgumentError,
    Option,
    Outcome,
    Problem,
    ProducerSettings,
    Run,
    RunMetrics,
    RunStatus,
    RunSummary,
    RunweaverError,
    ServerError,
    attention_of,
)
from runweaver.worker import DeadLetter, DeadLetters, Narrator, PlainNarrator, Story, story_of


def look_up() -> str:
    return "found"


async def look_up_slowly() -> int:
    await asyncio.sleep(0)
    return 7


@decision("Add", ["one", Option(id="two", description="Two")], node_id="sums")
def add(one: int, two: int = 0) -> str:
    return str(one + two)


@decision("Add slowly", content=False)
async def add_slowly(one: int) -> int:
    return one


async def decisions_around_code(producer: Producer) -> None:
    with producer.start_run("goal") as run, run.decision("Answer") as made:
        made.tokens_used, in_progress = 7, made
    added: str = add(1, two=2)
    add("1")  # type: ignore[arg-type]
    slowly: int = await add_slowly(1)
    bound: str = run.bind(add)(slowly)
    progress: DecisionInProgress = in_progress
    progress.choose(added + bound)
    carried: dict[str, str] = {**run.carrier(), **run.environment()}
    with producer.join_run(carried) as joined, joined.as_current():
        found: ActiveRun | None = current_run()
    if found is not None and found.is_sampled:
        found.leave()
    ProblemHandler("WARNING").setLevel("ERROR")
    Producer(sample=0.5, keep_failed=True).close()


def a_run_by_hand(producer: Producer) -> None:
    run: ActiveRun = producer.start_run("goal", "In words", input_data={"lead": 1}, run_id="run-1", tags=["a"])
    producer.start_run("goal", trace_context={"traceparent": "00-…", "tracestate": ""})
    producer.start_run("goal", trace_context=7)  # type: ignore[arg-type]
    decision_id: str = run.decide(
        "Is there a budget?",
        [{"id": "ask", "description": "Ask"}, Option(id="infer", description="Infer")],
        "ask",
        "It is quick",
        node_id="qualifier",
        decision_type=DecisionType.TOOL_SELECTION,
        active_constraints=["be polite"],
        input_context={"lead": 1},
    )
    run.decide("Wait?", [], None, decision_type="path_choice")
    run.record_outcome(decision_id, True, result=[1, 2], summary="Asked", tokens_used=5, latency_ms=1.5)  # noqa: FBT003
    run.record_outcome(decision_id, success=False, error="No answer", state_changes={"asked": True})
    run.evaluate(decision_id, outcome_quality=0.9, better_option_id="infer", contributed_to_success=None)
    problem_id: str = run.report_problem("critical", "No budget", decision_id=decision_id, root_cause=problem_text())
    run.traverse("qualifier", problem_id)
    run.heartbeat()
    run.leave()
    run.end("cancelled", output_data={"a": 1}, narrative="All told")
    run_id: str = run.run_id
    joined: ActiveRun = producer.join_run(run_id)
    joined.leave()


def problem_text() -> str | None:
    return None


def what_was_executed(run: ActiveRun) -> None:
    found: tuple[str, str] = run.decide_and_execute("Look", [], None, "", look_up)
    counted: tuple[str, int] = run.decide_and_execute("Count", [], None, "", lambda: 7, node_id="counter")
    later: Awaitable[tuple[str, int]] = run.decide_and_execute("Look", [], None, "", look_up_slowly)
    quick: str = run.quick_decision("Look", "Go there", "It is near", node_id="walker")
    wrong: tuple[str, int] = run.decide_and_execute("Look", [], None, "", look_up)  # type: ignore[arg-type, assignment]
    run.end("stuck")  # type: ignore[arg-type]
    run.report_problem("fatal", "Odd")  # type: ignore[arg-type]
    print(found[1].upper(), counted[1] + 1, later, quick, wrong)  # noqa: T201


async def what_was_awaited(run: ActiveRun) -> tuple[str, int]:
    decision_id, result = await run.decide_and_execute("Look", [], None, "", look_up_slowly)
    text: str = decision_id
    number: int = result
    return text, number


def with_contexts() -> bool:
    settings = ProducerSettings(redis_url="redis://localhost", namespace="mine", partitions=2)
    with Producer(settings=settings) as producer, producer.start_run("goal") as run:
        run.quick_decision("Look", "Go there")
    dropped: int = producer.dropped
    return producer.flush(timeout=1.0) and producer.close(1.0) and dropped == 0


async def with_async_contexts() -> None:
    async with Producer("redis://localhost", name="agent") as producer, producer.start_run("goal") as run:
        await what_was_awaited(run)


def what_was_summarised() -> list[str]:
    summaries = Summaries("redis://localhost", namespace="mine")
    summary: RunSummary | None = summaries.get("run-1")
    page: Page = summaries.list(
        goal="goal", status=RunStatus.FAILED, node="qualifier", since=datetime(2026, 1, 1, tzinfo=UTC), limit=10
    )
    cursor: str | None = page.next_cursor
    more: list[RunSummary] = summaries.list(status="failed", cursor=cursor).items
    told: list[str] = [each.narrative for each in more]
    subscription: Subscription
    with summaries.subscribe(after=BEGINNING, goal="goal", status="failed", attention="loop") as subscription:
        told += [each.narrative for each in subscription]
        place: str = subscription.place
    told += [each.narrative for each in summaries.subscribe(after=place, status=RunStatus.STUCK).read(wait_s=2.5)]
    if summary is not None:
        rate: float = summary.success_rate
        completeness: Completeness = summary.completeness
        told += summary.key_decisions + summary.critical_problems + [f"{rate:.0%}, {completeness.missing} missing"]
    return told


def what_was_found(now: datetime) -> list[str]:
    summaries = Summaries()
    filters: Filters = {"tag": "nightly", "attention": "loop", "severity": "critical", "min_tokens": 1_000}
    page: Page = summaries.list(min_duration_ms=60_000, since=now, grep="budget", until=None, limit=5)
    found: list[str] = [summary.run_id for summary in summaries.each(**filters)]
    batch: Batch
    for batch in summaries.batches(at_once=100, **filters):
        cursor: str = batch.cursor
        found += [summary.run_id for summary in batch.items] + [cursor] * batch.looked_at
    most: int = summaries.count_at_most(goal="goal")
    wanted: Wanted = Wanted.of(**filters)
    going_on: list[Run] = [run for run in Runs().each_running() if wanted.matches(RunSummary.from_run(run))]
    summaries.list(colour="red")  # type: ignore[call-arg]
    summaries.each(min_tokens="many")  # type: ignore[arg-type]
    return found if most and page.items and going_on else []


def what_ran() -> list[Decision]:
    runs = Runs()
    run: Run | None = runs.get("run-1")
    running: list[Run] = runs.running(limit=5)
    if run is None:
        return [decision for each in running for decision in each.decisions]
    metrics: RunMetrics = run.metrics
    problems: list[Problem] = run.problems
    outcomes: list[Outcome | None] = [decision.outcome for decision in run.decisions]
    chosen: Option | None = run.decisions[0].chosen_option
    took: int = run.duration_ms + metrics.pending_decisions + len(problems) + len(outcomes)
    line: str = run.decisions[0].summary_for_builder()
    return run.decisions if took and chosen and line else []


def why_it_ended_so(run: Run, other: Run) -> list[str]:
    explanation: Explanation = explain(run)
    told: list[str] = [cause.sentence for cause in explanation.causes if not explanation.is_unknown]
    ids: list[str] = explanation.verdict.decision_ids + [link.decision_id for link in explanation.chain]
    entries: list[TraceEntry] = list(trace(run, full=True))
    near: Run | None = Insights().nearest_success(run)
    comparison: Comparison = compare(run, near or other)
    first: Divergence | None = comparison.first_divergence
    changed: list[str] = [change.path for change in first.changed] if first is not None else []
    return told + ids + changed + [entry.text for entry in entries]


def look_at_the_fleet() -> list[str]:
    overview = Fleet().over(timedelta(hours=6), goals=5)
    worse: list[GoalOverview] = [goal for goal in overview.goals if goal.direction == "worse"]
    rates: list[float] = [step.success.rate for step in overview.steps]
    errors: list[str] = [change.error for change in Fleet().changes(timedelta(days=1)).changes]
    return [goal.goal for goal in worse] + errors + [str(rate) for rate in rates]


class ShortNarrator:
    """A narrator of one's own needs no base class."""

    def narrate(self, run: Run) -> str:
        return f"{run.goal_id}: {run.status}"


class CarefulNarrator:
    """It says what its words rest on."""

    def narrate(self, run: Run) -> Story:
        failed = [decision for decision in run.decisions if decision.has_failed]
        return Story.of_lines([[Evidence.of_run("So it was."), Evidence.of_decisions("These failed.", failed)]])


class SilentNarrator:
    """This is none: it has another method."""

    def tell(self, run: Run) -> str:
        return run.narrative


NARRATORS: list[Narrator] = [ShortNarrator(), CarefulNarrator(), PlainNarrator()]
NO_NARRATOR: Narrator = SilentNarrator()  # type: ignore[assignment]


def what_needs_attention(run: Run) -> list[str]:
    story: Story = story_of(run, CarefulNarrator())
    summary: RunSummary = RunSummary.from_run(run, evidence=story.evidence, thresholds=AttentionThresholds(steps=5))
    evidence: list[Evidence] = summary.evidence
    found: list[Attention] = summary.attention + attention_of(run)
    ids: list[str] = [name for each in evidence for name in each.decision_ids + each.problem_ids]
    return ids + [each.reason for each in found if each.flag is AttentionFlag.LOOP and each.value > each.threshold]


def what_was_set_aside(letters: DeadLetters) -> bool:
    letter: DeadLetter
    for letter in letters:
        reason: str = letter.reason
        message: bytes = letter.message
        if reason and message:
            return letters.drop(letter.id)
    return False


def what_can_go_wrong(run: ActiveRun) -> str:
    try:
        run.decide("Look", [], "nowhere")
    except InvalidArgumentError as error:
        return str(error)
    except ServerError:
        return "away"
    except (RunweaverError, ValueError):
        return "otherwise"
    return ""
