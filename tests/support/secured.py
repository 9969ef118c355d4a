"""A server that is closed to all but the users of deploy/users.acl, and to one for the test's own eyes."""

import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import urlencode

import redis

from tests.support.binary import binary_at, server_under_test
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

DEPLOY: Final = Path(__file__).parents[2] / "deploy"

#: The namespace that the file is written for.
NAMESPACE: Final = "rw"
USERS: Final = ("producer", "worker", "finalizer", "reader", "webhooks")
#: May do everything. It is not in the file.
ADMIN: Final = "admin"

#: From here on a server tells reading a key from writing it.
SELECTS_KEYS_BY_USE: Final = (7, 0)


def _servers() -> dict[str, str]:
    system = shutil.which("redis-server")
    binaries = (*((binary_at(system),) if system else ()), server_under_test())
    return {binary.name: binary.path for binary in binaries}


#: The server under test, and the system's where that is of another make, by the names under which tests show them.
SERVERS: Final = _servers()


def users_for(binary: str) -> str:
    """The file as a server takes it: changed for Redis 6.2 as docs/security.md says."""
    text = (DEPLOY / "users.acl").read_text()
    return text if binary_at(binary).version >= SELECTS_KEYS_BY_USE else re.sub("%[RW]~", "~", text)


def password_variable(user: str) -> str:
    """The variable from which the password of a user comes."""
    return f"RUNWEAVER_{user.upper()}_PASSWORD"


class SecuredServer:
    """A server started by deploy/with-users.sh."""

    def __init__(
        self, directory: Path, binary: str, *, options: Sequence[str] = (), tls: Mapping[str, str] | None = None
    ) -> None:
        """Make one.

        Args:
            directory: for what it writes.
            binary: the server's program.
            options: of its command line.
            tls: what clients need in their URLs; then it serves TLS, with what `options` say of it, and nothing else.
        """
        self.passwords = {user: secrets.token_hex(16) for user in (*USERS, ADMIN)}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._directory = directory
        self._binary = binary
        self._options = [*(("--port", "0", "--tls-port") if tls else ("--port",)), str(self.port), *options]
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def selects_keys_by_use(self) -> bool:
        """Whether it tells reading a key from writing it."""
        return binary_at(self._binary).version >= SELECTS_KEYS_BY_USE

    def url(self, user: str, *, tls: Mapping[str, str] | None = None) -> str:
        """Where it is, for a user; with other options for TLS, or with none of it, where they are empty."""
        options = self._tls if tls is None else tls
        scheme, query = ("rediss", f"?{urlencode(options)}") if options else ("redis", "")
        return f"{scheme}://{user}:{self.passwords[user]}@localhost:{self.port}/0{query}"

    def client(self, user: str, **options: Any) -> redis.Redis:
        """A plain client of a user."""
        return redis.Redis.from_url(self.url(user), **options)

    def refused(self) -> list[dict[str, Any]]:
        """What the server has refused to whom, the newest first."""
        with self.client(ADMIN) as admin:
            log: list[dict[str, Any]] = admin.acl_log()
        # The driver introduces itself with CLIENT SETINFO. Where that is not known yet, it counts as CLIENT.
        return log if self.selects_keys_by_use else [each for each in log if each["object"] != "client"]

    def __enter__(self) -> Self:
        shutil.copy(DEPLOY / "with-users.sh", self._directory / "with-users.sh")
        admin = f"user {ADMIN} on >{self.passwords[ADMIN]} ~* &* +@all\n"
        (self._directory / "users.acl").write_text(users_for(self._binary) + admin)
        with (self._directory / "server.log").open("wb") as log:
            self._process = self._start(log)
        wait_until(self._is_up, what="the server answering")
        return self

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *("/bin/sh", str(self._directory / "with-users.sh"), str(self._directory / "made.acl"), self._binary),
                *("--bind", "127.0.0.1", "--dir", str(self._directory), "--save", "", *self._options),
            ],
            env={"PATH": "/usr/bin:/bin", **{password_variable(user): self.passwords[user] for user in USERS}},
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "server.log").read_text()
        try:
            with self.client(ADMIN) as admin:
                return bool(admin.ping())
        except redis.exceptions.ConnectionError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class SecuredPipeline(Pipeline):
    """A pipeline each of whose processes is a user of its own. The test itself looks on as the administrator."""

    def __init__(self, server: SecuredServer, log: Path) -> None:
        super().__init__(server.url(ADMIN), NAMESPACE)
        self.server = server
        self.log: Path = log

    def start(self, role: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker or a finalizer, as the user of that name."""
        return super().start(role, **{"RUNWEAVER_REDIS_URL": self.server.url(role), **environment})

    def run_as(self, user: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a `runweaver` command as a user."""
        return self.run(*arguments, RUNWEAVER_REDIS_URL=self.server.url(user), **environment)

    @property
    def complaints(self) -> list[str]:
        """What the processes have logged of things that they were not allowed to do."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if "permission" in line or "NOPERM" in line]
