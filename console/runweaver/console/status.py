"""`runweaver status`."""

import json
import sys

from rich.console import Console
from rich.table import Table

from runweaver.query import read_status
from runweaver.shared.connection import check_server, connect, server_errors
from runweaver.shared.keys import Keys
from runweaver.shared.settings import WorkerSettings
from runweaver.worker import JobQueue


def show_status(out: Console, *, as_json: bool) -> None:
    """Look at the server and at RQ's server, and show both.

    Raises:
        ServerError: one of them does not answer.
    """
    settings = WorkerSettings.load()
    keys = Keys(settings.namespace)
    client = connect(settings.redis_url, name="query")
    check_server(client, settings.redis_url)
    with server_errors(settings.redis_url):
        pipeline = read_status(client, keys)
    with server_errors(settings.effective_jobs_url):
        jobs = JobQueue(connect(settings.effective_jobs_url, name="query"), keys).status()
    if as_json:
        totals = {
            "backlog": pipeline.backlog,
            "lag_s": pipeline.lag_s,
            "open_runs": pipeline.open_runs,
            "due_runs": pipeline.due_runs,
            "dead_letters": pipeline.dead_letters,
        }
        sys.stdout.write(json.dumps({**totals, **pipeline.model_dump(), "jobs": jobs.model_dump()}) + "\n")
        return
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    facts.add_row("waiting", f"{pipeline.backlog:,} entries, the oldest for {pipeline.lag_s:.1f} s")
    facts.add_row("runs", f"{pipeline.open_runs:,} open, {pipeline.due_runs:,} to summarise")
    facts.add_row("summaries", f"{pipeline.summaries:,}")
    facts.add_row("dead letters", f"{pipeline.dead_letters:,}")
    alive = sum(worker.is_alive for worker in pipeline.workers)
    pending = sum(worker.pending for worker in pipeline.workers)
    facts.add_row("workers", f"{alive}, with {pending:,} entries in hand")
    facts.add_row("finalizers", f"{jobs.finalizers}, {jobs.waiting:,} jobs waiting, {jobs.failed:,} failed")
    facts.add_row("partitions", str(len(pipeline.partitions)))
    out.print(facts)
    if pipeline.backlog and not alive:
        out.print("\nMessages wait and no worker is there: start one with `runweaver worker`.", highlight=False)
    if pipeline.due_runs and not jobs.finalizers:
        out.print("\nRuns wait for their summary and no finalizer is there: `runweaver finalizer`.", highlight=False)
