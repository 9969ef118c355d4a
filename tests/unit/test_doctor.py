"""What `runweaver doctor` says of what it finds: the parts of it that need no server."""

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from runweaver.console.cli import app
from runweaver.console.doctor.check import Check
from runweaver.console.doctor.clocks import judge_clocks
from runweaver.console.doctor.machine import check_machine, check_spool
from runweaver.console.doctor.pipeline import check_spread
from runweaver.console.doctor.rights import ROLES, commands_of
from runweaver.console.doctor.server import check_server_setup
from runweaver.console.doctor.settings import COMMAND_LINE
from tests.unit.making_facts import server

_ROOT = Path(__file__).parents[2]
_GIB = 2**30
_SOUND: dict[str, Any] = {"maxmemory": _GIB, "total_system_memory": 4 * _GIB, "used_memory": 1}
_CONFIG = {"appendfsync": "everysec", "save": "", "min-replicas-to-write": "0"}
_REPLICA = {"slave0": {"state": "online", "lag": 0}}


def _unwell(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.name, check.verdict) for check in checks if check.verdict != "ok"]


@pytest.mark.parametrize(
    ("expected", "info", "config"),
    [
        ([], {}, {}),
        ([("version", "wrong")], {"redis_version": "6.0.16"}, {}),
        ([("version", "warning")], {"redis_version": "6.2.14"}, {}),
        ([("persistence", "wrong")], {"aof_enabled": 0}, {}),
        ([("persistence", "warning")], {"aof_enabled": 0}, {"save": "3600 1"}),
        ([("persistence", "warning")], {}, {"appendfsync": "no"}),
        ([], {}, {"appendfsync": "always"}),
        ([("persistence", "wrong")], {"aof_last_write_status": "err"}, {}),
        ([("eviction", "wrong")], {"maxmemory_policy": "volatile-ttl"}, {}),
        ([("eviction", "warning"), ("memory", "warning")], {"maxmemory_policy": "volatile-ttl", "maxmemory": 0}, {}),
        ([("memory", "wrong")], {"used_memory": _GIB * 9 // 10}, {}),
        ([("memory", "warning")], {"maxmemory": _GIB * 7 // 2}, {}),
        ([("memory", "warning")], {"maxmemory": 0}, {}),
        ([("replication", "wrong")], {"role": "slave"}, {}),
        ([("replication", "warning")], {"repl_backlog_active": 1}, {}),
        ([("replication", "warning")], {"slave0": {"state": "wait_bgsave"}}, {}),
        ([("replication", "warning")], _REPLICA, {}),
        ([], _REPLICA, {"min-replicas-to-write": "1"}),
        ([("connections", "warning")], {"connected_clients": 9, "maxclients": 10}, {}),
    ],
)
def test_a_server(expected: list[tuple[str, str]], info: dict[str, Any], config: dict[str, str]) -> None:
    """By what it says of itself, and by what it runs with."""
    found = list(check_server_setup(server(**{**_SOUND, **info}), {**_CONFIG, **config}, holds_data=True))

    assert expected == _unwell(found)
    assert all(check.todo for check in found if check.verdict != "ok")


def test_a_server_whose_settings_nobody_may_see() -> None:
    """What cannot be seen is unknown, not well."""
    told = [
        list(check_server_setup(server(**_SOUND, **info), None, holds_data=True))
        for info in ({}, _REPLICA, {"aof_enabled": 0})
    ]

    assert [
        [("persistence", "unknown")],
        [("persistence", "unknown"), ("replication", "unknown")],
        [("persistence", "warning")],
    ] == [_unwell(checks) for checks in told]


def test_rqs_server_need_not_keep_anything() -> None:
    """Jobs can be made again."""
    assert [] == _unwell(list(check_server_setup(server(**_SOUND, aof_enabled=0), _CONFIG, holds_data=False)))


@pytest.mark.parametrize(("cluster_ok", "verdict"), [(True, "ok"), (False, "wrong"), (None, "unknown")])
def test_a_cluster(cluster_ok: bool | None, verdict: str) -> None:  # noqa: FBT001
    """Whether it is whole, as one of its servers sees it, if we may ask."""
    status = server(**_SOUND, cluster_enabled=1).model_copy(update={"cluster_ok": cluster_ok})

    [check] = [each for each in check_server_setup(status, _CONFIG, holds_data=True) if each.name == "cluster"]

    assert verdict == check.verdict


@pytest.mark.parametrize(
    ("expected", "ahead"),
    [
        ([], {"a": 0.9, "b": 0.0}),
        ([("clock", "warning")], {"a": -1.0}),
        ([("clock of a", "wrong"), ("clocks", "warning")], {"a": 60.0, "b": 0.0}),
        ([("clocks", "warning")], {"a": 0.6, "b": -0.6}),
        ([], {}),
    ],
)
def test_clocks(expected: list[tuple[str, str]], ahead: dict[str, float]) -> None:
    """Of servers against this machine's, and against each other."""
    assert expected == _unwell(list(judge_clocks(ahead)))


@pytest.mark.parametrize(
    ("expected", "servers"),
    [
        ("ok", ["a", "b", "c", "a", "b", "c"]),
        ("ok", ["a", "a", "b", "c"]),
        ("warning", ["a", "b"]),
        ("warning", ["a"] * 10 + ["b", "c"]),
    ],
)
def test_partitions_on_a_cluster(expected: str, servers: list[str]) -> None:
    """Each server should have some, and none most of them."""
    assert [expected] == [check.verdict for check in check_spread(servers, ["a", "b", "c"])]


def test_a_spool_that_can_be_used(tmp_path: Path) -> None:
    """The directory is made where it is not there, as an agent would, and left as it was."""
    directory = tmp_path / "spool"

    [check] = [each for each in check_machine(directory, 1024) if each.name == "spool"]

    assert "ok" == check.verdict
    assert [] == list(directory.iterdir())


def test_a_spool_that_cannot_be_used(tmp_path: Path) -> None:
    """Not a directory, too small, on another machine's disk, or on one of which nothing is known."""
    (tmp_path / "file").touch()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nfar:/ {tmp_path} nfs4 rw 0 0\ndisk {tmp_path}/near xfs rw 0 0\n")

    assert ["wrong", "warning", "wrong", "unknown", "ok"] == [
        check_spool(directory, most_bytes, found).verdict
        for directory, most_bytes, found in (
            (tmp_path / "file", 1, mounts),
            (tmp_path / "near", 10**18, mounts),
            (tmp_path / "far", 1, mounts),
            (tmp_path / "near", 1, tmp_path / "none"),
            (tmp_path / "near", 1, mounts),
        )
    ]


def test_the_command_lines_own_variables_are_known() -> None:
    """They are in no settings object, and are no slips of the pen."""
    assert {str(option.envvar) for option in get_command(app).params if option.envvar} == COMMAND_LINE


@pytest.mark.parametrize("role", ROLES)
def test_each_command_that_a_role_may_use_is_asked_for(role: str) -> None:
    """deploy/users.acl gives just these; and those with which a connection and a transaction begin and end.

    Nor is there a question about what a client of a cluster asks for before anything else.
    """
    others = {"CLIENT SETNAME", "MULTI", "EXEC", "DISCARD", "CLUSTER SLOTS", "CLUSTER INFO"}
    [line] = [line for line in (_ROOT / "deploy" / "users.acl").read_text().splitlines() if f"user {role} " in line]
    given = {word[1:].replace("|", " ").upper() for word in line.split() if word.startswith("+") and word[1] != "@"}

    assert given - others == commands_of(role)  # type: ignore[arg-type]
