"""All checks, one side after another. What one cannot look at keeps no other from looking."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from runweaver.console.doctor.check import Check, not_allowed, ok, unknown, wrong
from runweaver.console.doctor.clocks import check_clocks
from runweaver.console.doctor.machine import check_machine
from runweaver.console.doctor.pipeline import (
    check_jobs_server,
    check_pipeline,
    check_rq_versions,
    check_spread,
    check_writing,
)
from runweaver.console.doctor.rights import Role, check_rights
from runweaver.console.doctor.server import check_server_setup
from runweaver.console.doctor.settings import check_settings
from runweaver.console.facts import Expected, Observer
from runweaver.query.servers import address_of, nodes_of, read_server
from runweaver.shared.cluster import server_of, servers_of
from runweaver.shared.connection import connect, redact, server_errors
from runweaver.shared.errors import AccessRefusedError, RunweaverError
from runweaver.shared.keys import Keys
from runweaver.shared.settings import ProducerSettings, WorkerSettings
from runweaver.worker import JobQueue

_CONFIG: Final = ("appendfsync", "save", "min-replicas-to-write")


@dataclass(frozen=True)
class Wish:
    """What to look at beyond the usual."""

    #: Whose rights the user has to have.
    role: Role | None = None
    #: Whether to try to write.
    write: bool = False


def examine(environment: Mapping[str, str], wish: Wish) -> list[Check]:
    """Check the environment, this machine, the servers and the pipeline."""
    checks = list(check_settings(environment))
    if any(check.verdict == "wrong" for check in checks):
        return checks  # nobody can tell where to look
    workers, producers = WorkerSettings.load(), ProducerSettings.load()
    checks += check_machine(producers.spool_dir, producers.spool_bytes)
    url, jobs_url = workers.redis_url, workers.effective_jobs_url
    data, on_data = _reach("server", url, holds_data=True)
    checks += on_data
    jobs = data
    if jobs_url != url:
        jobs, on_jobs = _reach("RQ's server", jobs_url, holds_data=False)
        checks += on_jobs
    if data is None or jobs is None:
        return checks
    namespace, expected = workers.namespace, Expected.of(workers, producers)
    checks += _looked("rights", url, lambda: check_rights(servers_of(data)[0], jobs, namespace, wish.role))
    checks += _looked("jobs", jobs_url, lambda: check_rq_versions(JobQueue(jobs, Keys(namespace))))
    if len(servers_of(data)) > 1:
        checks += _looked("spread", url, lambda: _spread(data, Keys(namespace)))
    checks += _looked("pipeline", url, lambda: check_pipeline(Observer(workers, expected).look()))
    if wish.write:
        key = f"{namespace}-doctor:{secrets.token_hex(8)}"
        checks += _looked("writing", url, lambda: check_writing(data, key))
    return checks


def _reach(name: str, url: str, *, holds_data: bool) -> tuple[Redis | None, list[Check]]:
    """See whether a server answers, and how it is set up.

    Returns:
        A client of it, where it does.
    """
    try:
        client = connect(url, name="doctor")
        with server_errors(url):
            servers = nodes_of(client)
            for _, server in servers:
                server.ping()
    except RunweaverError as error:
        return None, [wrong(name, _sentence(error))]
    checks = [ok(name, f"{redact(url)} answers.")]
    for address, server in servers:
        look = partial(_on_server, address, server, holds_data=holds_data)
        checks += _of(address if len(servers) > 1 or not holds_data else "", _looked(name, url, look))
    on_clocks = _looked(name, url, lambda: check_clocks(servers))
    checks += _of("" if holds_data else "RQ's server", on_clocks)
    return client, checks


def _of(which: str, checks: Iterable[Check]) -> list[Check]:
    """These checks, with the name of the server where there are several."""
    return [check.model_copy(update={"name": f"{check.name} of {which}" if which else check.name}) for check in checks]


def _spread(client: Redis, keys: Keys) -> Iterable[Check]:
    partitions = range(int(client.get(keys.partitions) or 1))
    places = [address_of(server_of(client, keys.messages(partition))) for partition in partitions]
    return check_spread(places, [address for address, _ in nodes_of(client)])


def _on_server(address: str, server: Redis, *, holds_data: bool) -> Iterable[Check]:
    try:
        status = read_server(address, server)
    except NoPermissionError:
        return [not_allowed("set-up", "INFO")]
    checks = list(check_server_setup(status, _config(server), holds_data=holds_data))
    return checks if holds_data else [*checks, *check_jobs_server(status)]


def _config(server: Redis) -> dict[str, str] | None:
    """What the server runs with; none where we may not ask, or nobody may."""
    try:
        return {name: _setting(server, name) for name in _CONFIG}
    except ResponseError:
        return None


def _setting(server: Redis, name: str) -> str:
    told: Any = server.config_get(name)
    return str(told.get(name, ""))


def _looked(name: str, url: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        with server_errors(url):
            return list(look())
    except AccessRefusedError as error:
        return [unknown(name, _sentence(error), "Run `runweaver doctor` with the URL of an administrator.")]
    except RunweaverError as error:
        return [wrong(name, _sentence(error))]


def _sentence(error: RunweaverError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
