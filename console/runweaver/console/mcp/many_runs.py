"""Tools about many runs. What their docstrings say is told to the LLM."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Final, Literal, get_args

from mcp_types import CallToolResult
from pydantic import Field

from runweaver.console.live import live_summary
from runweaver.console.mcp.answers import GoalPage, InsightsAnswer, RunPage, RunRow, tell
from runweaver.console.mcp.arguments import (
    Attention,
    Cursor,
    Goal,
    Grep,
    Node,
    ProblemSeverity,
    Since,
    Status,
    Tag,
    Until,
    moment,
)
from runweaver.console.mcp.bounding import MOST_CHARACTERS, how_many_fit, shorten
from runweaver.console.sources import Sources
from runweaver.query import Filters, GoalInsights, Wanted
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.run import RunStatus
from runweaver.shared.summary import RunSummary

_LONGEST_BEGINNING: Final = 240
#: What rows may have together; the rest of the answer has the remaining room.
_ROOM: Final = MOST_CHARACTERS - 2_000

Section = Literal[
    "suggestions",
    "losses",
    "errors",
    "changes",
    "trend",
    "nodes",
    "intents",
    "pairs",
    "signs",
    "contrasts",
    "habits",
    "goals",
]
#: What is told where nobody says what they want.
_USUAL: Final[tuple[Section, ...]] = ("suggestions", "losses", "errors", "changes")
_FACTS: Final = sorted(GoalInsights.model_fields.keys() - set(get_args(Section)))


class ManyRuns:
    """What there is, and what it has in common."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def list_goals(
        self,
        since: Since = "",
        until: Until = "",
        tag: Tag = "",
        limit: Annotated[int, Field(ge=1, le=200, description="How many goals.")] = 20,
    ) -> Annotated[CallToolResult, GoalPage]:
        """Which goals agents worked on, and how many of their finished runs completed. Start here.

        Those that lost the most runs come first. A goal is what an agent is for; its id is an argument of most other
        tools. Next: goal_insights for one of them.
        """
        found = self._sources.insights.get(
            since=moment(since, "since"), until=moment(until, "until"), tag=tag or None, limit=limit + 1
        )
        more = len(found.goals) > limit
        note = "There are more goals: raise the limit, or say since when they ended, or with which tag." if more else ""
        return tell(GoalPage(goals=found.goals[:limit], note=note))

    def goal_insights(
        self,
        *,
        goal: Annotated[Goal, Field(description="A goal id; absent: all goals together.")] = "",
        since: Since = "",
        until: Until = "",
        tag: Tag = "",
        sections: Annotated[
            list[Section],
            Field(
                description="What to tell. suggestions: what to change first, by the runs that it would save; losses: "
                "runs lost in the same way; errors: that keep coming; changes: errors that came or went; trend; nodes: "
                "failure rates, latency, tokens; intents: ways that were chosen and how they did; pairs: node and "
                "option that fail far more than the rest; signs: ways whose runs complete more or less often; "
                "contrasts: what completed runs did differently from lost ones; habits: the same over all goals; goals."
            ),
        ] = [*_USUAL],  # noqa: B006 - it is only read
        limit: Annotated[int, Field(ge=1, le=50, description="How many entries of each section.")] = 5,
    ) -> Annotated[CallToolResult, InsightsAnswer]:
        """What the finished runs of a goal have in common: what fails, how often, why, and what to change first.

        Use it before you look at single runs: it counts, and a single run may be chance. Each finding names example
        run ids to look at with explain_run. A rate has its 95 % interval (low, high): do not build on wide ones.
        """
        found = self._sources.insights.get(
            goal or None, since=moment(since, "since"), until=moment(until, "until"), tag=tag or None, limit=limit
        )
        if not found.runs:
            raise InvalidArgumentError(
                f"no finished runs {f'of {goal!r:.220} ' if goal else ''}are known for this period and tag: call "
                "list_goals to see which goals there are"
            )
        return tell(InsightsAnswer.model_validate({name: getattr(found, name) for name in (*_FACTS, *sections)}))

    def list_runs(
        self,
        *,
        goal: Goal = "",
        status: Status = None,
        node: Node = "",
        tag: Tag = "",
        attention: Attention = None,
        severity: ProblemSeverity = None,
        min_tokens: Annotated[int, Field(ge=0, description="Only runs that used so many tokens, or more.")] = 0,
        min_duration_ms: Annotated[int, Field(ge=0, description="Only runs that took so long, or longer.")] = 0,
        since: Since = "",
        until: Until = "",
        grep: Grep = "",
        limit: Annotated[int, Field(ge=1, le=50, description="How many runs.")] = 10,
        cursor: Cursor = "",
    ) -> Annotated[CallToolResult, RunPage]:
        """Finished runs that match all filters, newest first, a row each; with status "running" those that go on.

        Use it to find run ids. Next: get_summary for what happened in one, explain_run for why it failed.
        """
        filters = Filters(
            goal=goal or None,
            status=status,
            node=node or None,
            tag=tag or None,
            attention=attention,
            severity=severity,
            min_tokens=min_tokens,
            min_duration_ms=min_duration_ms,
            since=moment(since, "since"),
            until=moment(until, "until"),
            grep=grep or None,
        )
        if status is RunStatus.RUNNING:
            return tell(self._running(filters, limit, cursor))
        return tell(self._finished(filters, limit, cursor))

    def _finished(self, filters: Filters, limit: int, cursor: str) -> RunPage:
        page = self._sources.summaries.list(limit=limit, cursor=cursor or None, **filters)
        rows = _rows(page.items)
        if len(rows) == len(page.items):
            return RunPage(runs=rows, next_cursor=page.next_cursor)
        # A page that ends where the room does has a cursor of its own.
        return self._finished(filters, len(rows), cursor)

    def _running(self, filters: Filters, limit: int, cursor: str) -> RunPage:
        if cursor or filters["min_duration_ms"]:
            raise InvalidArgumentError("cursor, min_duration_ms: there is no such thing for runs that go on")
        wanted = Wanted.of(**filters)
        each = ((live_summary(run), run) for run in self._sources.runs.each_running())
        matching = (
            summary for summary, run in each if wanted.matches(summary, (decision.intent for decision in run.decisions))
        )
        found = list(islice(matching, limit + 1))
        rows = _rows(found[:limit])
        note = "" if len(rows) == len(found) else "More runs go on than these: name a goal, or raise the limit."
        return RunPage(runs=rows, note=note)


def _rows(summaries: Sequence[RunSummary]) -> list[RunRow]:
    """As many as there is room for."""
    rows = [_row(summary) for summary in summaries]
    return rows[: how_many_fit((row.model_dump(mode="json") for row in rows), _ROOM)]


def _row(summary: RunSummary) -> RunRow:
    return RunRow(
        run_id=summary.run_id,
        goal=summary.goal_id,
        status=summary.status,
        ended_at=summary.finished_at,
        took_ms=summary.duration_ms,
        decisions=summary.decision_count,
        failed=summary.failed_decisions,
        problems=summary.problem_count,
        tokens=summary.tokens,
        attention=[each.flag for each in summary.attention],
        told=shorten(summary.narrative.strip().partition("\n")[0], _LONGEST_BEGINNING),
    )
