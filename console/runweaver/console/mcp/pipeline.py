"""Tools about the pipeline itself. What their docstrings say is told to the LLM."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Final

from mcp_types import CallToolResult
from pydantic import Field

from runweaver.console.mcp.answers import LetterPage, LetterRow, PipelineAnswer, tell
from runweaver.console.mcp.arguments import Text
from runweaver.console.mcp.bounding import MOST_CHARACTERS, how_many_fit, shorten
from runweaver.console.sources import Sources
from runweaver.query import PipelineStatus, read_status
from runweaver.shared.connection import server_errors
from runweaver.worker import DeadLetter, DeadLetters, JobQueue, JobsStatus

_ROOM: Final = MOST_CHARACTERS - 2_000
_LONGEST_MESSAGE: Final = 500


class PipelineTools:
    """Whether what other tools tell is up to date."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def pipeline_status(self) -> Annotated[CallToolResult, PipelineAnswer]:
        """Whether the pipeline keeps up: what waits where, and who works. No argument.

        Use it where a run that should be there is not, or where numbers look too low.
        """
        settings = self._sources.settings
        with server_errors(settings.redis_url):
            pipeline = read_status(self._sources.client, self._sources.keys)
        with server_errors(settings.effective_jobs_url):
            jobs = JobQueue(self._sources.jobs_client, self._sources.keys).status()
        workers = sum(worker.is_alive for worker in pipeline.workers)
        return tell(
            PipelineAnswer(
                waiting_entries=pipeline.backlog,
                lag_s=pipeline.lag_s,
                open_runs=pipeline.open_runs,
                due_runs=pipeline.due_runs,
                summaries=pipeline.summaries,
                dead_letters=pipeline.dead_letters,
                workers=workers,
                finalizers=jobs.finalizers,
                jobs_waiting=jobs.waiting,
                jobs_failed=jobs.failed,
                concerns=list(_concerns(pipeline, workers, jobs)),
            )
        )

    def list_dead_letters(
        self,
        limit: Annotated[int, Field(ge=1, le=50, description="How many.")] = 10,
        after: Annotated[Text, Field(description="next_after of the page before.")] = "",
    ) -> Annotated[CallToolResult, LetterPage]:
        """Messages of agents that were refused, and why, the oldest first.

        Use it where a run lacks messages: an agent may send what cannot be accepted. Sending them again or dropping
        them is for a person, with the command line.
        """
        with server_errors(self._sources.settings.redis_url):
            letters = DeadLetters(self._sources.client, self._sources.keys)
            found = list(islice(letters.after(after or None), limit + 1))
            total = read_status(self._sources.client, self._sources.keys).dead_letters
        rows = [_row(letter) for letter in found[:limit]]
        rows = rows[: how_many_fit((row.model_dump(mode="json") for row in rows), _ROOM)]
        return tell(LetterPage(letters=rows, total=total, next_after=rows[-1].id if len(rows) < len(found) else None))


def _concerns(pipeline: PipelineStatus, workers: int, jobs: JobsStatus) -> Iterator[str]:
    if pipeline.backlog and not workers:
        yield "Messages wait and no worker is there: runs and summaries are not up to date."
    if pipeline.due_runs and not jobs.finalizers:
        yield "Runs wait for their summary and no finalizer is there: their summaries are missing or old."
    if jobs.failed:
        yield "Some runs could not be summarised: docs/operating.md says how to look into failed jobs."
    if pipeline.dead_letters:
        yield "Some messages were refused: list_dead_letters says why."


def _row(letter: DeadLetter) -> LetterRow:
    return LetterRow(
        id=letter.id,
        at=letter.at,
        code=shorten(letter.code, _LONGEST_MESSAGE),
        reason=shorten(letter.reason, _LONGEST_MESSAGE),
        message=shorten(letter.message.decode(errors="backslashreplace"), _LONGEST_MESSAGE),
        bytes=len(letter.message),
    )
