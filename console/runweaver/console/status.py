"""`runweaver status`: how the pipeline is doing, what is wrong with it, and what to do about that."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from runweaver.console.amounts import spell_bytes, spell_many, spell_seconds
from runweaver.console.facts import Expected, Facts, Observer
from runweaver.console.render import plain
from runweaver.console.status_document import StatusDocument
from runweaver.console.terminal import print_json_line
from runweaver.console.troubles import Trouble, troubles_of
from runweaver.query import PartitionStatus, WorkerStatus
from runweaver.query.servers import ServerStatus
from runweaver.shared.settings import ProducerSettings, WorkerSettings

#: Of workers, reasons and the like, so many are named; the screen is for all of it.
_MOST_NAMED: Final = 4
#: A partition differs much if it has so many times the others' entries, and more than a few.
_MUCH: Final = 3
_FEW: Final = 100

_SEVERITY_STYLES: Final = {"wrong": "bold red", "warning": "bold yellow"}


def show_status(out: Console, *, all_partitions: bool, as_json: bool) -> bool:
    """Look at the server and at RQ's server, and show both.

    Returns:
        Whether nothing is wrong.

    Raises:
        ServerError: one of them does not answer.
    """
    settings = WorkerSettings.load()
    facts = Observer(settings, Expected.of(settings, ProducerSettings.load())).look()
    troubles = troubles_of(facts)
    if as_json:
        print_json_line(StatusDocument.of(facts, troubles).model_dump(mode="json"))
    else:
        out.print(status_screen(facts, troubles, all_partitions=all_partitions), highlight=False)
    return not troubles


def status_screen(facts: Facts, troubles: list[Trouble], *, all_partitions: bool = False) -> Group:
    """What people see: the facts, then the troubles."""
    return Group(_facts_table(facts, all_partitions=all_partitions), "", _told(troubles))


def _facts_table(facts: Facts, *, all_partitions: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, told in _rows(facts, all_partitions=all_partitions):
        table.add_row(name, plain(told))
    return table


def _rows(facts: Facts, *, all_partitions: bool) -> Iterator[tuple[str, str]]:
    """What is told, line by line: a name, and what belongs to it. A line without name goes on with the one before."""
    pipeline, jobs = facts.pipeline, facts.jobs
    yield from _named("server", map(_server_line, facts.servers))
    if facts.jobs_server is not None:
        yield "RQ's server", _server_line(facts.jobs_server)
    waiting = spell_many(pipeline.backlog, "entry", "entries")
    yield "waiting", f"{waiting}, the oldest for {pipeline.lag_s:.1f} s, in {_partitions(len(pipeline.partitions))}"
    shown = pipeline.partitions if all_partitions else _uneven(pipeline.partitions)
    yield from (("", _partition_line(partition)) for partition in shown)
    yield from _named("workers", _workers(pipeline.workers))
    yield "runs", f"{pipeline.open_runs:,} open, {pipeline.due_runs:,} to summarise{_quietest(facts)}"
    yield "finalizers", f"{jobs.finalizers}, {jobs.waiting:,} jobs waiting, {jobs.failed:,} failed"
    yield "summaries", f"{pipeline.summaries:,}{_newest_summary(facts)}"
    yield from _named("dead letters", _dead_letters(facts))
    if facts.announcements is not None and facts.announcements.hooks:
        yield from _named("webhooks", _webhooks(facts))


def _named(name: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for place, line in enumerate(lines):
        yield name if place == 0 else "", line


def _server_line(server: ServerStatus) -> str:
    role = "replica" if server.is_replica else "primary"
    if server.replicas:
        role += f" with {server.replicas} replicas" if server.replicas > 1 else " with a replica"
    limit = f" of {spell_bytes(server.memory_limit)}" if server.memory_limit else ""
    keeps = "AOF" if server.is_append_only else "no AOF"
    return (
        f"{server.address} {server.product} {server.version}, {role}, {spell_bytes(server.memory_used)}{limit}, "
        f"{keeps}, up {spell_seconds(server.up_s)}"
    )


def _partitions(count: int) -> str:
    return f"{count} partitions" if count > 1 else "1 partition"


def _uneven(partitions: list[PartitionStatus]) -> list[PartitionStatus]:
    """The fullest partitions, where they have far more than the others."""
    mean = sum(partition.backlog for partition in partitions) / len(partitions)
    full = [partition for partition in partitions if partition.backlog > max(_FEW, _MUCH * mean)]
    return sorted(full, key=lambda partition: partition.backlog, reverse=True)[:_MOST_NAMED]


def _partition_line(partition: PartitionStatus) -> str:
    waiting = spell_many(partition.backlog, "entry", "entries")
    return (
        f"partition {partition.partition}: {waiting} ({partition.lag_s:.1f} s), "
        f"{partition.open_runs:,} open, {partition.due_runs:,} due, {partition.dead_letters:,} dead"
    )


def _workers(workers: list[WorkerStatus]) -> Iterator[str]:
    alive = [worker for worker in workers if worker.is_alive]
    silent = [worker for worker in workers if not worker.is_alive]
    pending = spell_many(sum(worker.pending for worker in alive), "entry", "entries")
    yield f"{len(alive)}, with {pending} in hand" + (f"; {len(silent)} silent or gone" if silent else "")
    for worker in [*silent, *(worker for worker in alive if worker.pending)][:_MOST_NAMED]:
        asked = "" if worker.is_alive else f", silent for {spell_seconds(worker.idle_s)}"
        yield f"{worker.name}: {worker.pending:,} in hand{asked}"


def _quietest(facts: Facts) -> str:
    quiet = facts.pipeline.quietest_run
    return f"; silent for the longest: {quiet.run_id}, {spell_seconds(quiet.silent_s)}" if quiet is not None else ""


def _newest_summary(facts: Facts) -> str:
    newest_at = facts.announcements.newest_at if facts.announcements is not None else None
    return f", the newest {spell_seconds(_age_s(facts, newest_at))} ago" if newest_at is not None else ""


def _dead_letters(facts: Facts) -> Iterator[str]:
    newest = facts.dead_letters.newest
    if newest is None:
        yield f"{facts.pipeline.dead_letters:,}"
        return
    codes = ", ".join(f"{count} {code}" for code, count in list(facts.dead_letters.codes.items())[:_MOST_NAMED])
    of_newest = f"of the newest {sum(facts.dead_letters.codes.values())}: "
    is_all = sum(facts.dead_letters.codes.values()) == facts.pipeline.dead_letters
    yield f"{facts.pipeline.dead_letters:,} ({'' if is_all else of_newest}{codes})"
    yield f"{newest.id}, {spell_seconds(_age_s(facts, newest.at))} ago: {newest.reason:.120}"


def _webhooks(facts: Facts) -> Iterator[str]:
    assert facts.announcements is not None
    for hook in facts.announcements.hooks[:_MOST_NAMED]:
        yield f"{hook.hook}: {hook.waiting:,} to post"


def _age_s(facts: Facts, at: datetime) -> float:
    return max(0.0, (facts.at - at).total_seconds())


def _told(troubles: list[Trouble]) -> RenderableType:
    if not troubles:
        return Text("Nothing is wrong.", style="green")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for trouble in troubles:
        severity = Text(trouble.severity, style=_SEVERITY_STYLES[trouble.severity])
        table.add_row(severity, Text(" ").join([plain(trouble.what), plain(trouble.todo)]))
    return table
