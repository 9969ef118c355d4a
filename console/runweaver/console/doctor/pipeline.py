"""Whether somebody works, and on what was agreed."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from redis import Redis
from redis.exceptions import NoPermissionError
from rq import worker_registration

from runweaver.console.doctor.check import Check, not_allowed, ok, warning, wrong
from runweaver.console.facts import Facts
from runweaver.console.troubles import troubles_of
from runweaver.query import PipelineStatus
from runweaver.query.servers import ServerStatus
from runweaver.shared.wording import spell_count
from runweaver.worker import JobQueue

#: How long what was written to try it may stay.
_KEPT_MS: Final = 10_000
#: With so many partitions for each server of a cluster, they come out even enough.
_PARTITIONS_A_SERVER: Final = 4


def check_pipeline(facts: Facts) -> Iterator[Check]:
    """Look at who works, and at what `runweaver status` finds. Pure."""
    yield _partitions(facts.expected.partitions, facts.pipeline)
    workers = sum(worker.is_alive for worker in facts.pipeline.workers)
    yield (
        ok("workers", f"{spell_count(workers, 'worker')} at work.")
        if workers
        else warning("workers", "None is there.", "Run `runweaver worker`.")
    )
    finalizers = facts.jobs.finalizers
    yield (
        ok("finalizers", f"{spell_count(finalizers, 'finalizer')} at work.")
        if finalizers
        else warning("finalizers", "None is there.", "Run `runweaver finalizer`.")
    )
    troubles = troubles_of(facts)
    if troubles:
        what = f"{spell_count(len(troubles), 'trouble')}, the worst: {troubles[0].what}"
        found = wrong if troubles[0].severity == "wrong" else warning
        yield found("status", what, "Run `runweaver status`.")
    else:
        yield ok("status", "Nothing is wrong.")


def check_jobs_server(server: ServerStatus) -> Iterator[Check]:
    """Look at whether RQ can work with its server."""
    if server.is_of_cluster:
        what = f"{server.address} is one of a cluster, on which RQ does not work."
        yield wrong("jobs", what, "Set RUNWEAVER_JOBS_URL to a server of its own.")
    else:
        yield ok("jobs", f"RQ's jobs lie at {server.address}.")


def check_rq_versions(jobs: JobQueue) -> Iterator[Check]:
    """Look at which versions of RQ finalizers run: they share its keys, whose form changes with its first number."""
    try:
        names = worker_registration.get_keys(queue=jobs.queue)
        told: list[Any] = [jobs.queue.connection.hget(name, "version") for name in names]
    except NoPermissionError:
        yield not_allowed("rq", "HGET rq:worker:…")
        return
    # One that was killed leaves its name, and nothing under it.
    versions, here = sorted({raw.decode() for raw in told if raw is not None}), version("rq")
    if any(_first_number(each) != _first_number(here) for each in versions):
        what = f"Finalizers run RQ {', '.join(versions)}, and here is {here}."
        yield warning("rq", what, "Install the same version of Runweaver for all workers and finalizers.")
    elif versions:
        yield ok("rq", f"Finalizers run RQ {', '.join(versions)}.")


def check_spread(servers_of_partitions: list[str], servers: list[str]) -> Iterator[Check]:
    """Look at how the partitions lie on the primaries of a cluster. Pure.

    Args:
        servers_of_partitions: which server has each partition's stream.
        servers: all that there are.
    """
    shares = {server: servers_of_partitions.count(server) for server in servers}
    told = ", ".join(f"{server} {share}" for server, share in sorted(shares.items()))
    partitions, enough = len(servers_of_partitions), _PARTITIONS_A_SERVER * len(servers)
    if min(shares.values()) == 0 or max(shares.values()) * len(servers) > 2 * partitions:
        what = f"Partitions are spread unevenly: {told}."
        todo = f"Set RUNWEAVER_PARTITIONS={enough}, or more." if partitions < enough else "Move slots between servers."
        yield warning("spread", what, todo)
    else:
        yield ok("spread", f"Partitions by server: {told}.")


def check_writing(client: Redis, key: str) -> Iterator[Check]:
    """Write something, read it, and remove it.

    Args:
        client: of the server.
        key: nobody's. It is gone after some seconds, whatever happens.
    """
    try:
        client.set(key, b"runweaver doctor", px=_KEPT_MS)
        came_back = client.get(key) == b"runweaver doctor"
        client.delete(key)
    except NoPermissionError:
        yield not_allowed("writing", f"SET {key}")
        return
    yield (
        ok("writing", f"{key} was written, read and removed.")
        if came_back
        else wrong("writing", f"{key} was written, and is not there.", "Look at what stands between us and the server.")
    )


def _partitions(here: int | None, pipeline: PipelineStatus) -> Check:
    used = len(pipeline.partitions)
    if here is None or here == used:
        return ok("partitions", f"{used}.")
    what = f"RUNWEAVER_PARTITIONS is {here} here, and {used} are in use."
    if here > used:
        return wrong("partitions", what, f"Start a worker with RUNWEAVER_PARTITIONS={here}: nobody reads the others.")
    return warning("partitions", what, f"Set RUNWEAVER_PARTITIONS={used}: agents use fewer streams than there are.")


def _first_number(number: str) -> str:
    return number.partition(".")[0]
