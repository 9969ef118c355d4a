"""Servers that belong together, as processes: a cluster, or a primary with replicas and sentinels."""

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import redis
from redis.crc import key_slot

from tests.support.binary import server_under_test
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.waiting import wait_until

SLOTS: Final = 16_384
#: How long a server may be silent before the others replace it.
NODE_TIMEOUT_MS: Final = 2_000


class Node:
    """One server process, on a port of its own."""

    def __init__(self, directory: Path, *options: str, authority: Authority | None = None) -> None:
        """Make one that is not started yet.

        Args:
            directory: for what it writes, in one of its own.
            options: of its command line.
            authority: signed its certificate; then it speaks TLS and nothing else.
        """
        self.port = free_port()
        self.directory = directory / str(self.port)
        self.directory.mkdir()
        #: What `client` logs in with.
        self.login: Mapping[str, Any] = {}
        self._binary = server_under_test().path
        self._options = options
        self._port_option = "--port"
        if authority is not None:
            self.login = {"ssl": True, **authority.client_options}
            # The server under test may have no TLS.
            self._binary = shutil.which("redis-server") or ""
            self._options = (
                *(*options, "--port", "0", *authority.server_options),
                *("--tls-replication", "yes", "--tls-cluster", "yes"),
            )
            self._port_option = "--tls-port"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """What runs, or ran last."""
        assert self._process is not None
        return self._process

    def client(self) -> redis.Redis:
        """A plain client of this server alone."""
        return redis.Redis(port=self.port, socket_timeout=5, **self.login)

    def start(self) -> None:
        """Start it, with what it had on disk, and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._binary, *self._options, self._port_option, str(self.port), "--bind", "127.0.0.1"),
                    *("--dir", str(self.directory), "--save", "", "--daemonize", "no"),
                ],
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, what=f"an answer of {self.address}")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False


class Cluster:
    """Some primaries with their replicas."""

    def __init__(
        self, directory: Path, *more: str, primaries: int, replicas: int, authority: Authority | None = None
    ) -> None:
        """Make one that is not started yet: see `running_cluster`."""
        options = (
            *more,
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"),
            *("--cluster-require-full-coverage", "no"),
        )
        self._primaries, self._replicas = primaries, replicas
        self._authority = authority
        self.nodes = [Node(directory, *options, authority=authority) for _ in range(primaries * (1 + replicas))]

    @property
    def url(self) -> str:
        """As our settings take it."""
        return _url("cluster", self.nodes[:2], "", self._authority)

    def primary_of(self, key: str) -> Node:
        """Who holds this key now."""
        return self.primary_of_slot(key_slot(key.encode()))

    def primary_of_slot(self, slot: int) -> Node:
        """Who holds this slot now."""
        for start, end, primary, *_ in self._slots():
            if start <= slot <= end:
                return self.node(int(primary[1]))
        raise AssertionError(slot)

    def replica_of(self, primary: Node) -> Node:
        """Its replica."""
        for _, _, node, *replicas in self._slots():
            if int(node[1]) == primary.port and replicas:
                return self.node(int(replicas[0][1]))
        raise AssertionError(primary.address)

    def node(self, port: int) -> Node:
        """The server with this port."""
        return next(node for node in self.nodes if node.port == port)

    def start(self) -> None:
        """Start all of them, make them one, and wait until each says that it is complete."""
        for node in self.nodes:
            node.start()
        primaries, replicas = self.nodes[: self._primaries], self.nodes[self._primaries :]
        share = SLOTS // self._primaries + 1
        for number, node in enumerate(primaries):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(number * share, min(SLOTS, (number + 1) * share)))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            with node.client() as client:
                client.execute_command("CLUSTER MEET", "127.0.0.1", primaries[0].port)
        for primary, replica in zip(itertools.cycle(primaries), replicas, strict=False):
            wait_until(lambda p=primary, r=replica: _replicate(p, r), what="a replica")  # type: ignore[misc]
        self.wait_until_complete()

    def wait_until_complete(self) -> None:
        """Wait until all slots are served, and each primary has the replica that it should have, which keeps up."""
        wait_until(self._is_complete, timeout_s=40, what="a complete cluster")

    def _is_complete(self) -> bool:
        for node in self.nodes:
            with node.client() as client:
                info = client.execute_command("CLUSTER INFO")
                slots = client.execute_command("CLUSTER SLOTS")
                if info["cluster_state"] != "ok" or sum(row[1] - row[0] + 1 for row in slots) != SLOTS:
                    return False
                # After its range, a row names the primary and each replica.
                if any(len(row) < 3 + min(1, self._replicas) for row in slots):
                    return False
                replication = client.info("replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
        return True

    def _slots(self) -> Sequence[Any]:
        for node in self.nodes:
            if node.process.poll() is None:
                with suppress(redis.RedisError), node.client() as client:
                    return client.execute_command("CLUSTER SLOTS")  # type: ignore[no-any-return]
        raise AssertionError


@contextmanager
def running_cluster(
    *options: str,
    login: Mapping[str, str] | None = None,
    primaries: int = 3,
    replicas: int = 1,
    authority: Authority | None = None,
) -> Iterator[Cluster]:
    """Some primaries with their replicas, and nothing of them afterwards.

    Args:
        options: of each server's command line.
        primaries: how many.
        replicas: how many of each.
        login: the user and password of somebody who may do everything.
        authority: signed their certificates; then they speak TLS and nothing else.
    """
    with tempfile.TemporaryDirectory(prefix="runweaver-cluster-", ignore_cleanup_errors=True) as directory:
        cluster = Cluster(Path(directory), *options, primaries=primaries, replicas=replicas, authority=authority)
        for node in cluster.nodes:
            node.login = {**node.login, **(login or {})}
        with ExitStack() as stack:
            for node in cluster.nodes:
                stack.callback(_end, node)
            cluster.start()
            yield cluster


class Sentinels:
    """A primary with replicas, and as many sentinels that watch over them."""

    #: What they call the primary.
    NAME: Final = "runs"

    def __init__(self, directory: Path, size: int = 3, authority: Authority | None = None) -> None:
        """Make them, not started yet: see `running_sentinels`."""
        self._authority = authority
        options = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
        self.servers = [Node(directory, *options, authority=authority) for _ in range(size)]
        self.sentinels = [
            Node(directory, self._config(directory, number), "--sentinel", authority=authority)
            for number in range(size)
        ]

    @property
    def url(self) -> str:
        """As our settings take it."""
        return _url("sentinel", self.sentinels, f"/{self.NAME}", self._authority)

    @property
    def primary(self) -> Node:
        """Whom the sentinels name now."""
        with self.sentinels[0].client() as client:
            _, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self.NAME)
        return next(node for node in self.servers if node.port == int(port))

    def start(self) -> None:
        """Start all of them, and wait until the sentinels know everybody."""
        first, *others = self.servers
        for node in self.servers:
            node.start()
        for node in others:
            with node.client() as client:
                client.replicaof("127.0.0.1", first.port)
        for node in self.sentinels:
            node.start()
        wait_until(self._know_all, timeout_s=40, what="sentinels that know everybody")

    def _know_all(self) -> bool:
        for node in self.sentinels:
            with node.client() as client:
                facts = client.execute_command("SENTINEL MASTER", self.NAME)
                if min(int(facts["num-slaves"]), int(facts["num-other-sentinels"])) < len(self.sentinels) - 1:
                    return False
        return True

    def _config(self, directory: Path, number: int) -> str:
        path = directory / f"sentinel-{number}.conf"
        path.write_text(
            f"sentinel monitor {self.NAME} 127.0.0.1 {self.servers[0].port} {len(self.servers) // 2 + 1}\n"
            f"sentinel down-after-milliseconds {self.NAME} {NODE_TIMEOUT_MS}\n"
            f"sentinel failover-timeout {self.NAME} 10000\n"
        )
        return str(path)


@contextmanager
def running_sentinels(size: int = 3, authority: Authority | None = None) -> Iterator[Sentinels]:
    """A primary with replicas and sentinels, and nothing of them afterwards.

    Args:
        size: how many servers there are, and how many sentinels.
        authority: signed their certificates; then they speak TLS and nothing else.
    """
    with tempfile.TemporaryDirectory(prefix="runweaver-sentinels-", ignore_cleanup_errors=True) as directory:
        sentinels = Sentinels(Path(directory), size, authority)
        with ExitStack() as stack:
            for node in (*sentinels.servers, *sentinels.sentinels):
                stack.callback(_end, node)
            sentinels.start()
            yield sentinels


def _url(kind: str, nodes: Sequence[Node], path: str, authority: Authority | None) -> str:
    addresses = ",".join(node.address for node in nodes)
    if authority is None:
        return f"redis+{kind}://{addresses}{path}"
    return f"rediss+{kind}://{addresses}{path}?{urlencode(authority.client_options)}"


def _replicate(primary: Node, replica: Node) -> bool:
    with primary.client() as client:
        name = client.execute_command("CLUSTER MYID")
    with suppress(redis.ResponseError), replica.client() as client:
        return bool(client.execute_command("CLUSTER REPLICATE", name))
    return False


def _end(node: Node) -> None:
    with suppress(AssertionError):
        node.kill()
