"""What `runweaver status` finds wrong: each trouble by the facts that make it, and by those that just do not."""

from datetime import timedelta
from typing import Any

import pytest

from runweaver.console.troubles import troubles_of
from runweaver.query.announced import AnnouncementStatus, HookStatus
from runweaver.query.dead_letter_status import DeadLettersStatus, NewestLetter
from runweaver.query.status import QuietRun
from runweaver.worker import JobsStatus
from tests.unit.making import BEGINNING
from tests.unit.making_facts import facts, partition, server, worker

_GONE = worker(idle_s=20.0)


def _letter(age: timedelta) -> DeadLettersStatus:
    newest = NewestLetter(id="0:1-0", at=BEGINNING - age, code="not-json", reason="It is none")
    return DeadLettersStatus(codes={"not-json": 1}, newest=newest)


def _hook(waiting: int) -> AnnouncementStatus:
    return AnnouncementStatus(newest_at=BEGINNING, hooks=[HookStatus(hook="crm", waiting=waiting)])


def _jobs(**changed: int) -> JobsStatus:
    return JobsStatus(**{"waiting": 0, "failed": 0, "finalizers": 1, **changed})


def _full(share: float) -> dict[str, Any]:
    return {"used_memory": int(share * 1000), "maxmemory": 1000}


def test_nothing_is_wrong_where_all_is_well() -> None:
    """Also where nobody works and there is nothing to do."""
    assert [] == troubles_of(facts())
    assert [] == troubles_of(facts(workers=[], jobs=_jobs(finalizers=0)))


@pytest.mark.parametrize(
    ("expected", "changed"),
    [
        ([("no-worker", "wrong")], {"workers": [], "partitions": [partition(backlog=1)]}),
        ([("no-worker", "wrong")], {"workers": [_GONE], "partitions": [partition(backlog=1)]}),
        ([("no-worker", "warning")], {"workers": [], "partitions": [partition(open_runs=1)]}),
        ([], {"partitions": [partition(backlog=1, open_runs=1, due_runs=1)]}),
        ([("no-finalizer", "wrong")], {"jobs": _jobs(finalizers=0), "partitions": [partition(due_runs=1)]}),
        ([("no-finalizer", "wrong")], {"jobs": _jobs(finalizers=0, waiting=1)}),
        ([("stuck-worker", "warning")], {"workers": [worker("a", idle_s=20.0, pending=3), worker("b")]}),
        ([("stuck-worker", "warning")], {"workers": [worker("a", held_s=16.0, pending=3), worker("b")]}),
        ([("stuck-worker", "wrong")], {"workers": [worker(held_s=16.0, pending=3)]}),
        ([], {"workers": [worker("a", idle_s=20.0), worker("b", pending=3)]}),
        ([("lag", "warning")], {"partitions": [partition(backlog=1, lag_s=91.0)]}),
        ([], {"partitions": [partition(backlog=1, lag_s=89.0)]}),
        ([], {"partitions": [partition(backlog=1, lag_s=91.0)], "expected": {"claim_after_s": 120.0}}),
        ([("backlog", "warning")], {"partitions": [partition(), partition(1, about_messages=850_000)]}),
        ([("backlog", "wrong")], {"partitions": [partition(about_messages=1_000_000)]}),
        ([], {"partitions": [partition(about_messages=849_999)]}),
        ([("overdue", "warning")], {"partitions": [partition(due_runs=1, due_for_s=71.0)]}),
        ([], {"partitions": [partition(due_runs=1, due_for_s=69.0)]}),
        ([], {"partitions": [partition(due_runs=1, due_for_s=601.0)]}),
        ([("overdue", "warning")], {"partitions": [partition(due_runs=1, due_for_s=661.0)]}),
        ([("not-swept", "warning")], {"partitions": [partition(quietest_run=QuietRun(run_id="run", silent_s=661.0))]}),
        ([], {"partitions": [partition(quietest_run=QuietRun(run_id="run", silent_s=659.0))]}),
        ([("jobs-waiting", "warning")], {"jobs": _jobs(waiting=100)}),
        ([], {"jobs": _jobs(waiting=99)}),
        ([("jobs-failed", "warning")], {"jobs": _jobs(failed=1)}),
        ([("dead-letters", "warning")], {"dead_letters": _letter(timedelta(minutes=59))}),
        ([], {"dead_letters": _letter(timedelta(minutes=61))}),
        ([("partitions", "wrong")], {"expected": {"partitions": 2}}),
        ([("partitions", "warning")], {"expected": {"partitions": 1}, "partitions": [partition(), partition(1)]}),
        ([], {"partitions": [partition(), partition(1)]}),
        ([("webhook-behind", "warning")], {"announcements": _hook(1_000)}),
        ([], {"announcements": _hook(999)}),
    ],
)
def test_a_pipeline_has_a_trouble(expected: list[tuple[str, str]], changed: dict[str, Any]) -> None:
    """Each by what makes it."""
    assert expected == [(trouble.code, trouble.severity) for trouble in troubles_of(facts(**changed))]


@pytest.mark.parametrize(
    ("expected", "info"),
    [
        ([("memory", "warning")], _full(0.85)),
        ([("memory", "wrong")], _full(0.95)),
        ([], _full(0.84)),
        ([], {"used_memory": 10**9, "maxmemory": 0}),
        ([("eviction", "wrong")], {"maxmemory_policy": "allkeys-lru", **_full(0.1)}),
        ([], {"maxmemory_policy": "allkeys-lru", "maxmemory": 0}),
        ([("append-failed", "wrong")], {"aof_last_write_status": "err"}),
        ([], {"aof_last_write_status": "err", "aof_enabled": 0}),
        ([("snapshot-failed", "wrong")], {"rdb_last_bgsave_status": "err"}),
        ([("loading", "warning")], {"loading": 1}),
        ([("replica", "wrong")], {"role": "slave", "master_link_status": "up"}),
        ([("replicas-lost", "warning")], {"repl_backlog_active": 1}),
        ([], {"repl_backlog_active": 1, "slave0": {"state": "online", "lag": 1}}),
        ([("replicas-behind", "warning")], {"slave0": {"state": "online", "lag": 11}}),
        ([("replicas-behind", "warning")], {"slave0": {"state": "wait_bgsave", "lag": 0}}),
        ([("connections", "warning")], {"connected_clients": 85, "maxclients": 100}),
        ([], {"connected_clients": 84, "maxclients": 100}),
    ],
)
def test_a_server_has_a_trouble(expected: list[tuple[str, str]], info: dict[str, Any]) -> None:
    """As it says of itself; RQ's server as much as the one with the data."""
    for changed in ({"servers": [server(**info)]}, {"jobs_server": server(**info)}):
        assert expected == [(trouble.code, trouble.severity) for trouble in troubles_of(facts(**changed))]


def test_a_cluster_that_is_not_whole_is_a_trouble() -> None:
    """One of which we may not ask is none."""
    for cluster_ok, expected in ((True, []), (None, []), (False, ["cluster"])):
        servers = [server().model_copy(update={"cluster_ok": cluster_ok})]

        assert expected == [trouble.code for trouble in troubles_of(facts(servers=servers))]


def test_the_worst_comes_first() -> None:
    """What is wrong before what is a warning, whatever was found first."""
    troubles = troubles_of(
        facts(
            servers=[server(repl_backlog_active=1)],
            workers=[],
            partitions=[partition(backlog=1, lag_s=91.0)],
            jobs=_jobs(failed=1),
        )
    )

    assert ["no-worker", "replicas-lost", "lag", "jobs-failed"] == [trouble.code for trouble in troubles]
    assert all(trouble.what.endswith(".") and trouble.todo.endswith(".") for trouble in troubles)
