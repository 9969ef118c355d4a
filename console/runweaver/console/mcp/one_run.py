"""Tools about one run, or two. What their docstrings say is told to the LLM."""

from typing import Annotated, Any, Final

from mcp_types import CallToolResult
from pydantic import Field

from runweaver.console.mcp.answers import (
    ComparisonAnswer,
    ExplanationAnswer,
    RunAnswer,
    SummaryAnswer,
    ValueAnswer,
    tell,
)
from runweaver.console.mcp.arguments import Node, Offset, RunId, Text
from runweaver.console.mcp.bounding import MOST_CHARACTERS, as_json, how_many_fit, is_shortened, shorten
from runweaver.console.mcp.decisions import Detail, decision_entry, facts_of_run
from runweaver.console.sources import Sources
from runweaver.query import compare, explain
from runweaver.shared.decision import Decision
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.run import Run

#: What decisions may have together. On the first page there is also what is known of the run itself.
_ROOM: Final = MOST_CHARACTERS - 2_000
_ROOM_ON_FIRST: Final = MOST_CHARACTERS - 9_000
_LONGEST_PART: Final = MOST_CHARACTERS - 2_000
_LONGEST_NAME: Final = 500

_CUT: Final = "What ends with `[cut, N characters in all]` can be read whole with read_value."


class OneRun:
    """What happened in a run, and why."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def get_summary(
        self,
        run_id: RunId,
        *,
        evidence: Annotated[
            bool,
            Field(description="Also the ids that each sentence rests on, and what came from each producer."),
        ] = False,
    ) -> Annotated[CallToolResult, SummaryAnswer]:
        """What happened in one run, in words and numbers: read this before the run itself.

        Also for runs that go on. Next: explain_run where it failed, get_run for its decisions.
        """
        summary = self._sources.summary(run_id)
        if not evidence:
            completeness = summary.completeness.model_copy(update={"producers": {}})
            summary = summary.model_copy(update={"evidence": [], "completeness": completeness})
        note = "" if evidence else "evidence=true gives the ids behind each sentence, and what each producer sent."
        return tell(SummaryAnswer(goes_on=summary.revision == 0, summary=summary, note=note))

    def explain_run(self, run_id: RunId) -> Annotated[CallToolResult, ExplanationAnswer]:
        """Why one run ended as it did: the point of failure, what led there, root causes, what to change.

        Use it for runs that failed, are stuck or were cancelled, and for completed ones that need attention. A cause of
        source "unknown" means that the run does not show it: then compare_runs may. Each sentence has the ids of
        decisions that it rests on: read them with get_run and decision_ids.
        """
        return tell(ExplanationAnswer(explanation=explain(self._sources.run(run_id))))

    def compare_runs(
        self,
        run_id: RunId,
        other_run_id: Annotated[
            Text,
            Field(description="Another run; absent: the most similar completed run of the same goal is looked for."),
        ] = "",
    ) -> Annotated[CallToolResult, ComparisonAnswer]:
        """Where two runs part: what each chose there, and with what result. `a` is run_id, `b` the other one.

        Use it to see what a run that worked did differently from one that did not: name the failed run alone.
        """
        run = self._sources.run(run_id)
        other = self._sources.run(other_run_id) if other_run_id else self._nearest(run)
        return tell(ComparisonAnswer(comparison=compare(run, other)))

    def get_run(
        self,
        run_id: RunId,
        detail: Annotated[
            Detail,
            Field(
                description="trace: a line for each decision; reasoning: also options, reasons and evaluations; "
                "payloads: also what went in and what came out, cut to payload_characters."
            ),
        ] = Detail.TRACE,
        node: Annotated[Node, Field(description="Only decisions of this node.")] = "",
        decision_ids: Annotated[list[str], Field(description="Only these decisions.")] = [],  # noqa: B006 - only read
        *,
        only_failed: Annotated[bool, Field(description="Only decisions that failed.")] = False,
        payload_characters: Annotated[int, Field(ge=50, le=10_000, description="How long a payload may be.")] = 500,
        offset: Offset = 0,
        limit: Annotated[int, Field(ge=1, le=100, description="How many decisions.")] = 30,
    ) -> Annotated[CallToolResult, RunAnswer]:
        """The decisions of one run in order of time, in pages, and the problems that were reported.

        Ask for the trace first, then for the details of the few decisions that matter, by their ids.
        """
        run = self._sources.run(run_id)
        wanted = set(decision_ids)
        matching = [
            (number, decision)
            for number, decision in enumerate(run.decisions)
            if (not node or decision.node_id == node)
            and (not wanted or decision.id in wanted)
            and (decision.has_failed or not only_failed)
        ]
        asked = matching[offset : offset + limit]
        entries = [decision_entry(run, *each, detail, payload_characters) for each in asked]
        room = _ROOM if offset else _ROOM_ON_FIRST
        entries = entries[: how_many_fit((entry.model_dump(mode="json") for entry in entries), room)]
        end = offset + len(entries)
        answer = RunAnswer(
            run_id=run.id,
            goal=run.goal_id,
            status=run.status,
            started_at=run.started_at,
            ended_at=run.completed_at,
            decisions_total=len(run.decisions),
            matching=len(matching),
            decisions=entries,
            next_offset=end if end < len(matching) else None,
            **({} if offset else facts_of_run(run, detail, payload_characters)),
        )
        if is_shortened(answer.model_dump(mode="json")):
            answer.note = _CUT
        return tell(answer)

    def read_value(
        self,
        run_id: RunId,
        field: Annotated[
            Text,
            Field(
                description="Where in the decision, or in the run, with dots: outcome.result, options.0.action_params, "
                "reasoning, input_data; absent: all of it.",
                max_length=_LONGEST_NAME,
            ),
        ] = "",
        decision_id: Annotated[Text, Field(description="A decision of the run; absent: the run itself.")] = "",
        offset: Offset = 0,
    ) -> Annotated[CallToolResult, ValueAnswer]:
        """One value of a run or a decision in full, in parts: what another answer shows cut.

        Values can be large: ask for the field that you need.
        """
        run = self._sources.run(run_id)
        value: Any = _decision(run, decision_id) if decision_id else run
        found = _walk(value.model_dump(mode="json"), field)
        text = found if isinstance(found, str) else as_json(found)
        part = _part(text, offset)
        end = offset + len(part)
        return tell(
            ValueAnswer(
                run_id=run_id,
                decision_id=shorten(decision_id, _LONGEST_NAME),
                field=field,
                offset=offset,
                text=part,
                characters=len(text),
                next_offset=end if end < len(text) else None,
            )
        )

    def _nearest(self, run: Run) -> Run:
        found = self._sources.insights.nearest_success(run)
        if found is None:
            raise InvalidArgumentError(
                f"no other run of the goal {run.goal_id!r} has completed and is kept: name a run to compare with"
            )
        return found


def _decision(run: Run, decision_id: str) -> Decision:
    found = next((decision for decision in run.decisions if decision.id == decision_id), None)
    if found is None:
        raise InvalidArgumentError(f"run {run.id} has no decision {decision_id!r:.200}: get_run lists them")
    return found


def _walk(value: Any, field: str) -> Any:
    """What lies there. Keys may have dots: the longest that fits is taken."""
    rest = field.split(".") if field else []
    while rest:
        for count in range(len(rest), 0, -1):
            key = ".".join(rest[:count])
            if isinstance(value, dict) and key in value:
                value = value[key]
                break
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
                break
        else:
            keys = ", ".join(value) if isinstance(value, dict) else f"{len(value)} entries" if value else "nothing"
            raise InvalidArgumentError(f"field: {field!r:.200} leads nowhere: at {rest[0]!r:.100} there is {keys:.300}")
        rest = rest[count:]
    return value


def _part(text: str, offset: int) -> str:
    """So much of a text from there that its JSON has room."""
    part = text[offset : offset + _LONGEST_PART]
    while len(as_json(part)) > _LONGEST_PART:
        part = part[: len(part) // 2]
    return part
