"""How the pipeline is doing, for programs: what `runweaver status --json` prints and the console answers."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from runweaver.console.facts import Facts
from runweaver.console.troubles import Trouble
from runweaver.query import PartitionStatus, WorkerStatus
from runweaver.query.announced import AnnouncementStatus
from runweaver.query.dead_letter_status import NewestLetter
from runweaver.query.servers import ServerStatus
from runweaver.query.status import QuietRun
from runweaver.worker import JobsStatus


class StatusDocument(BaseModel):
    """The pipeline and its servers at one moment, and what is wrong."""

    #: Entries that wait for a worker, and for how many seconds the oldest has.
    backlog: int
    lag_s: float
    open_runs: int
    #: Runs that are to be summarised.
    due_runs: int
    dead_letters: int
    #: The open run of which nothing was heard for the longest.
    quietest_run: QuietRun | None
    partitions: list[PartitionStatus]
    workers: list[WorkerStatus]
    #: How many there are.
    summaries: int
    #: By the server's clock.
    at: datetime
    servers: list[ServerStatus]
    #: RQ's server, where it is another.
    jobs_server: ServerStatus | None
    jobs: JobsStatus
    #: None where this user may not look at them.
    announcements: AnnouncementStatus | None
    #: How many of each code there are among the newest dead letters, up to a hundred.
    dead_letter_codes: dict[str, int]
    newest_dead_letter: NewestLetter | None
    #: The worst first.
    troubles: list[Trouble]

    @classmethod
    def of(cls, facts: Facts, troubles: list[Trouble]) -> Self:
        """The same facts, in this form."""
        pipeline = facts.pipeline
        return cls(
            backlog=pipeline.backlog,
            lag_s=pipeline.lag_s,
            open_runs=pipeline.open_runs,
            due_runs=pipeline.due_runs,
            dead_letters=pipeline.dead_letters,
            quietest_run=pipeline.quietest_run,
            partitions=pipeline.partitions,
            workers=pipeline.workers,
            summaries=pipeline.summaries,
            at=facts.at,
            servers=facts.servers,
            jobs_server=facts.jobs_server,
            jobs=facts.jobs,
            announcements=facts.announcements,
            dead_letter_codes=facts.dead_letters.codes,
            newest_dead_letter=facts.dead_letters.newest,
            troubles=troubles,
        )
