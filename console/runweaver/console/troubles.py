"""What is wrong with a pipeline, and what to do about it. Pure: facts in, troubles out."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Literal

from pydantic import BaseModel

from runweaver.console.amounts import spell_bytes, spell_many, spell_seconds
from runweaver.console.facts import Facts
from runweaver.query import WorkerStatus
from runweaver.query.servers import ServerStatus
from runweaver.shared.wording import spell_count

Severity = Literal["wrong", "warning"]

#: What a worker that was killed had in hand is taken over after the time for that and a quarter of it. If entries still
#: wait after that time and a half, more come than are merged.
_LAGS_AFTER: Final = 1.5
#: A job that is lost is made again after half a minute. Runs that wait for longer than twice that wait for something
#: else.
_OVERDUE_AFTER_S: Final = 60.0
#: With so many jobs waiting, workers make no more of them for runs that were asked for before.
_MANY_JOBS: Final = 100
_MANY_UNPOSTED: Final = 1_000
_LATELY: Final = timedelta(hours=1)
_NEARLY_FULL: Final = 0.85
_FULL: Final = 0.95
#: Of each kind, so many are named one by one.
_MOST_NAMED: Final = 3


class Trouble(BaseModel):
    """Something that is wrong."""

    #: One short word or two, for programs.
    code: str
    #: `wrong`: something does not go on, or will be lost. `warning`: it goes on, and somebody should look.
    severity: Severity
    what: str
    todo: str


def troubles_of(facts: Facts) -> list[Trouble]:
    """What is wrong, the worst first."""
    found = [trouble for look in _LOOKS for trouble in look(facts)]
    return sorted(found, key=lambda trouble: trouble.severity != "wrong")


def _no_worker(facts: Facts) -> Iterator[Trouble]:
    pipeline = facts.pipeline
    if any(worker.is_alive for worker in pipeline.workers):
        return
    if pipeline.backlog:
        waiting = spell_many(pipeline.backlog, "entry", "entries")
        what = f"No worker is there, and messages wait ({waiting})."
        yield Trouble(code="no-worker", severity="wrong", what=what, todo="Run `runweaver worker`.")
    elif pipeline.open_runs or pipeline.due_runs:
        what = "No worker is there: nobody notices that runs are overdue or silent."
        yield Trouble(code="no-worker", severity="warning", what=what, todo="Run `runweaver worker`.")


def _no_finalizer(facts: Facts) -> Iterator[Trouble]:
    due, jobs = facts.pipeline.due_runs, facts.jobs
    if not jobs.finalizers and (due or jobs.waiting):
        what = f"No finalizer is there, and {spell_count(due, 'run')} wait for a summary."
        yield Trouble(code="no-finalizer", severity="wrong", what=what, todo="Run `runweaver finalizer`.")


def _stuck_workers(facts: Facts) -> Iterator[Trouble]:
    workers = facts.pipeline.workers
    stuck = [worker for worker in workers if worker.pending and (worker.held_s or not worker.is_alive)]
    others_go_on = any(worker.is_alive and not worker.held_s for worker in workers)
    for worker in stuck[:_MOST_NAMED]:
        after = spell_seconds(facts.expected.claim_after_s)
        yield Trouble(
            code="stuck-worker",
            severity="warning" if others_go_on else "wrong",
            what=f"Worker {worker.name} {_stuck_how(worker)}.",
            todo=f"If its process is there, read its log and end it: others take over after {after}.",
        )


def _stuck_how(worker: WorkerStatus) -> str:
    held = spell_many(worker.pending, "entry", "entries")
    if worker.is_alive:
        return f"takes messages, and has had {held} in hand for {spell_seconds(worker.held_s)}"
    return f"was killed or is stuck: it has {held} in hand and was silent for {spell_seconds(worker.idle_s)}"


def _lag(facts: Facts) -> Iterator[Trouble]:
    pipeline = facts.pipeline
    if pipeline.lag_s > _LAGS_AFTER * facts.expected.claim_after_s:
        waiting = spell_many(pipeline.backlog, "entry", "entries")
        what = f"Messages wait ({waiting}), the oldest for {spell_seconds(pipeline.lag_s)}."
        yield Trouble(code="lag", severity="warning", what=what, todo="Start more: `runweaver worker`.")


def _backlog(facts: Facts) -> Iterator[Trouble]:
    most = facts.expected.max_backlog
    fullest = max(facts.pipeline.partitions, key=lambda partition: partition.about_messages, default=None)
    if fullest is None or fullest.about_messages < _NEARLY_FULL * most:
        return
    is_full = fullest.about_messages >= most
    told = "producers wait with more" if is_full else "producers will soon wait with more"
    yield Trouble(
        code="backlog",
        severity="wrong" if is_full else "warning",
        what=f"Partition {fullest.partition} holds about {fullest.about_messages:,} of {most:,} messages: {told}.",
        todo="Start more: `runweaver worker`.",
    )


def _overdue(facts: Facts) -> Iterator[Trouble]:
    expected, waited_s = facts.expected, facts.pipeline.due_for_s
    # A run that fell silent has just become due, and was heard of long ago.
    is_silent = expected.stuck_after_s <= waited_s < expected.stuck_after_s + _OVERDUE_AFTER_S
    if waited_s > max(expected.settle_s, expected.late_after_s) + _OVERDUE_AFTER_S and not is_silent:
        what = f"A run has waited for its summary for {spell_seconds(waited_s)}."
        todo = "Read the logs of finalizers; where jobs wait, start more: `runweaver finalizer`."
        yield Trouble(code="overdue", severity="warning", what=what, todo=todo)


def _not_swept(facts: Facts) -> Iterator[Trouble]:
    quiet, after_s = facts.pipeline.quietest_run, facts.expected.stuck_after_s
    # Once it is due, somebody has noticed it.
    if quiet is None or not any(worker.is_alive for worker in facts.pipeline.workers):
        return
    if facts.pipeline.due_runs or quiet.silent_s <= after_s + _OVERDUE_AFTER_S:
        return
    yield Trouble(
        code="not-swept",
        severity="warning",
        what=f"Run {quiet.run_id} was silent for {spell_seconds(quiet.silent_s)}, and does not count as stuck.",
        todo=f"Read the logs of workers, and see that theirs is RUNWEAVER_STUCK_AFTER_S={after_s:g}, as here.",
    )


def _jobs(facts: Facts) -> Iterator[Trouble]:
    jobs = facts.jobs
    if jobs.waiting >= _MANY_JOBS:
        what = f"{spell_count(jobs.waiting, 'job')} wait for a finalizer."
        yield Trouble(code="jobs-waiting", severity="warning", what=what, todo="Start more: `runweaver finalizer`.")
    if jobs.failed:
        what = f"{spell_count(jobs.failed, 'job')} failed: as many runs have no summary, or an old one."
        todo = "See docs/operating.md, RQ; then they are tried again within the hour."
        yield Trouble(code="jobs-failed", severity="warning", what=what, todo=todo)


def _dead_letters(facts: Facts) -> Iterator[Trouble]:
    newest = facts.dead_letters.newest
    if newest is not None and facts.at - newest.at < _LATELY:
        ago = spell_seconds((facts.at - newest.at).total_seconds())
        what = f"Messages are set aside, the last {ago} ago ({newest.code})."
        todo = "Run `runweaver dead-letters list`, mend the cause, then run `runweaver dead-letters replay --all`."
        yield Trouble(code="dead-letters", severity="warning", what=what, todo=todo)


def _partitions(facts: Facts) -> Iterator[Trouble]:
    here, used = facts.expected.partitions, len(facts.pipeline.partitions)
    if here is None or here == used:
        return
    if here > used:
        what = f"RUNWEAVER_PARTITIONS is {here} here, and workers serve {used}: what is sent to the others waits."
        todo = f"Start a worker with RUNWEAVER_PARTITIONS={here}."
    else:
        what = f"RUNWEAVER_PARTITIONS is {here} here, and {used} are in use: agents with that use {here} streams only."
        todo = f"Set RUNWEAVER_PARTITIONS={used}: it never falls."
    yield Trouble(code="partitions", severity="wrong" if here > used else "warning", what=what, todo=todo)


def _webhooks(facts: Facts) -> Iterator[Trouble]:
    hooks = facts.announcements.hooks if facts.announcements is not None else []
    for hook in [hook for hook in hooks if hook.waiting >= _MANY_UNPOSTED][:_MOST_NAMED]:
        what = f"{spell_many(hook.waiting, 'summary', 'summaries')} wait to be posted to the webhook {hook.hook}."
        todo = "See that `runweaver webhooks` runs, and that its receiver takes them."
        yield Trouble(code="webhook-behind", severity="warning", what=what, todo=todo)


def _servers(facts: Facts) -> Iterator[Trouble]:
    for server in (*facts.servers, *([facts.jobs_server] if facts.jobs_server is not None else [])):
        for look in (_writing, _memory, _replication, _connections):
            yield from look(server)


def _writing(server: ServerStatus) -> Iterator[Trouble]:
    where = server.address
    if server.is_loading:
        what = f"{where} is loading its data."
        yield Trouble(code="loading", severity="warning", what=what, todo="Wait for it.")
    if server.is_append_only and not server.append_ok:
        what = f"{where} could not write its append-only file."
        todo = "Make room on its disk, and read its log: what comes now may be lost."
        yield Trouble(code="append-failed", severity="wrong", what=what, todo=todo)
    if not server.snapshot_ok:
        what = f"{where} could not write its last snapshot."
        todo = "Make room on its disk or in memory, and read its log: it may refuse writes until then."
        yield Trouble(code="snapshot-failed", severity="wrong", what=what, todo=todo)


def _memory(server: ServerStatus) -> Iterator[Trouble]:
    where = server.address
    if server.memory_limit and server.deletes_data:
        what = f"{where} deletes data when its memory is full: maxmemory-policy is {server.eviction_policy}."
        todo = "Run `redis-cli -u <URL> CONFIG SET maxmemory-policy noeviction`, and set it in its file."
        yield Trouble(code="eviction", severity="wrong", what=what, todo=todo)
    if server.memory_share >= _NEARLY_FULL:
        used, limit = spell_bytes(server.memory_used), spell_bytes(server.memory_limit or 0)
        what = f"{where} uses {used} of {limit}: when it is full, it takes no messages."
        todo = "Raise its maxmemory, or keep less: see docs/operating.md, Retention and memory."
        severity: Severity = "wrong" if server.memory_share >= _FULL else "warning"
        yield Trouble(code="memory", severity=severity, what=what, todo=todo)


def _replication(server: ServerStatus) -> Iterator[Trouble]:
    where = server.address
    if server.is_replica:
        cut = "" if server.hears_primary else ", and does not hear its primary"
        what = f"{where} is a replica: it takes no writes{cut}."
        yield Trouble(code="replica", severity="wrong", what=what, todo="Name the primary in RUNWEAVER_REDIS_URL.")
    if server.lost_replicas:
        what = f"{where} had replicas, and has none any more."
        todo = "Start them again: what only one server has is lost with it."
        yield Trouble(code="replicas-lost", severity="warning", what=what, todo=todo)
    if server.replicas_behind:
        what = f"{server.replicas_behind} of {spell_count(server.replicas, 'replica')} of {where} do not keep up."
        yield Trouble(code="replicas-behind", severity="warning", what=what, todo="Look at them, and at the network.")
    if server.cluster_ok is False:
        what = f"The cluster is not whole, as {where} sees it."
        todo = f"Run `redis-cli --cluster check {where}`."
        yield Trouble(code="cluster", severity="wrong", what=what, todo=todo)


def _connections(server: ServerStatus) -> Iterator[Trouble]:
    if server.clients_share >= _NEARLY_FULL:
        what = f"{server.address} has {server.clients:,} of {server.most_clients:,} connections."
        todo = "Raise its maxclients, and look at who connects: `redis-cli -u <URL> CLIENT LIST`."
        yield Trouble(code="connections", severity="warning", what=what, todo=todo)


#: In the order in which troubles of the same severity are told: first what keeps everything else from going on.
_LOOKS: Final[tuple[Callable[[Facts], Iterator[Trouble]], ...]] = (
    _servers,
    _no_worker,
    _no_finalizer,
    _stuck_workers,
    _partitions,
    _backlog,
    _lag,
    _overdue,
    _not_swept,
    _jobs,
    _dead_letters,
    _webhooks,
)
