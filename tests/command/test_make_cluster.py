"""deploy/make-cluster.sh makes a cluster of servers, once, and says what stands in its way."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.cluster import SLOTS, Node
from tests.support.ports import free_port
from tests.support.secured import DEPLOY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    not (shutil.which("redis-cli") or shutil.which("valkey-cli")), reason="needs redis-cli or valkey-cli"
)

_CLUSTERED: Final = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Node]]:
    """Six servers that know nothing of each other."""
    with ExitStack() as stack:
        started = [Node(tmp_path, *_CLUSTERED) for _ in range(6)]
        for node in started:
            node.start()
            stack.callback(node.kill)
        yield started


def _make(nodes: Sequence[Node | str], **environment: str) -> subprocess.CompletedProcess[str]:
    addresses = [node if isinstance(node, str) else node.address for node in nodes]
    return subprocess.run(
        ["/bin/sh", str(DEPLOY / "make-cluster.sh"), *addresses],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _info(node: Node) -> dict[str, str]:
    with node.client() as client:
        return client.execute_command("CLUSTER INFO")  # type: ignore[no-any-return]


def _slots(node: Node) -> list[tuple[int, int, list[object]]]:
    with node.client() as client:
        return [(start, end, servers) for start, end, *servers in client.execute_command("CLUSTER SLOTS")]


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr or done.stdout).splitlines()[-1].removeprefix("make-cluster.sh: ")


def test_it_makes_a_cluster_once(nodes: list[Node]) -> None:
    """Three primaries share the slots and have a replica each; the second time, nothing is changed."""
    made = _make(nodes)
    assert (0, "made a cluster of 6 servers") == (made.returncode, _last_line(made)), made.stdout
    for node in nodes:
        info = _info(node)
        assert ("ok", "6", "3") == (info["cluster_state"], info["cluster_known_nodes"], info["cluster_size"])
    # A replica is listed once it has what its primary has.
    wait_until(lambda: [len(servers) for *_, servers in _slots(nodes[0])] == [2, 2, 2], what="replicas that keep up")
    before = _slots(nodes[0])
    assert SLOTS == sum(end - start + 1 for start, end, _ in before)

    again = _make(nodes)
    assert (0, "they are a cluster already") == (again.returncode, _last_line(again))
    assert before == _slots(nodes[0])


def test_it_tells_servers_each_others_new_addresses(nodes: list[Node]) -> None:
    """All of them come back elsewhere, as containers do: with its help they find each other again."""
    assert 0 == _make(nodes).returncode
    with nodes[0].client() as client:
        names = client.execute_command("CLUSTER MYID")
    for node in nodes:
        node.kill()
    for node in nodes:
        node.port = free_port()
        node.start()
    wait_until(lambda: _info(nodes[0])["cluster_state"] == "fail", what="a cluster that has lost itself")

    again = _make(nodes)
    assert (0, "they are a cluster already") == (again.returncode, _last_line(again))
    assert ["ok"] * 6 == [_info(node)["cluster_state"] for node in nodes]
    with nodes[0].client() as client:
        assert names == client.execute_command("CLUSTER MYID")


def test_it_waits_for_all_servers(nodes: list[Node]) -> None:
    """One that does not come in time is named, and nothing is made."""
    nodes[4].kill()
    done = _make(nodes, RUNWEAVER_PATIENCE_S="1")

    assert (1, f"{nodes[4].address} does not answer, for 1 s") == (done.returncode, _last_line(done))
    assert "1" == _info(nodes[0])["cluster_known_nodes"]
    nodes[4].start()


def test_it_takes_no_server_of_another_cluster(nodes: list[Node]) -> None:
    """Two clusters are not merged, and one that is blank is not added by the way."""
    assert 0 == _make(nodes[:3], RUNWEAVER_REPLICAS="0").returncode
    done = _make(nodes[:4])

    assert 1 == done.returncode
    assert _last_line(done).startswith(f"{nodes[3].address} and {nodes[0].address} are not of the same cluster.")
    assert "1" == _info(nodes[3])["cluster_known_nodes"]


def test_it_takes_no_server_that_is_by_itself(nodes: list[Node], tmp_path: Path) -> None:
    """One without `cluster-enabled` is named."""
    single = Node(tmp_path)
    single.start()
    done = _make([*nodes[:5], single])
    single.kill()

    assert (1, f"{single.address} does not run with cluster-enabled yes") == (done.returncode, _last_line(done))


def test_it_takes_no_server_that_holds_something(nodes: list[Node]) -> None:
    """What it holds would not be where the cluster looks for it."""
    with nodes[2].client() as client:
        client.execute_command("CLUSTER ADDSLOTS", 0)
    done = _make(nodes)

    assert 1 == done.returncode
    assert _last_line(done).startswith(f"{nodes[2].address} is in no cluster and holds slots, or data.")
    assert "1" == _info(nodes[0])["cluster_known_nodes"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which servers: make-cluster.sh host:port host:port …"),
        (("here",), "here is not host:port"),
        (("here:there",), "here:there is not host:port"),
    ],
)
def test_it_says_what_it_was_told_wrong(arguments: tuple[str, ...], said: str) -> None:
    """Before it waits for anything."""
    done = _make(arguments)

    assert (1, said) == (done.returncode, _last_line(done))


def test_it_does_not_wait_where_it_is_refused(nodes: list[Node]) -> None:
    """A wrong password will not become right."""
    with nodes[0].client() as client:
        client.execute_command("ACL SETUSER operator on >right -@all +ping")
    done = _make(nodes, RUNWEAVER_OPERATOR_PASSWORD="wrong")  # noqa: S106

    assert 1 == done.returncode
    assert _last_line(done).startswith(f"{nodes[0].address} refuses the user: ")
