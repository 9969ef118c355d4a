"""deploy/users.acl: what each of the five users may do, tried on real servers, and that it is enough for their work."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from mcp import Client
from mcp_types import CallToolResult
from redis.backoff import NoBackoff
from redis.retry import Retry

from runweaver.producer import Producer
from runweaver.shared import ProducerSettings, RunStatus
from tests.support.asking import asking, over_stdio, refusal
from tests.support.binary import server_under_test
from tests.support.messages import Script
from tests.support.receiver import Receiver, write_hooks
from tests.support.secured import (
    ADMIN,
    DEPLOY,
    NAMESPACE,
    SERVERS,
    USERS,
    SecuredPipeline,
    SecuredServer,
    password_variable,
    users_for,
)
from tests.support.waiting import wait_until

_PAGE: Final = Path(__file__).parents[2] / "docs" / "security.md"

#: What each row of the table in docs/security.md stands for. They do no harm to a pipeline that runs meanwhile, as long
#: as what must be refused is refused.
_ACTIONS: Final[dict[str, list[tuple[Any, ...]]]] = {
    "report: add messages to a stream": [("XADD", "rw:messages:{0}", "*", "0", "{}")],
    "ask how many entries wait in a stream": [("XLEN", "rw:messages:{0}")],
    "read the messages that wait": [("XRANGE", "rw:messages:{0}", "-", "+", "COUNT", 1)],
    "take messages and acknowledge them": [
        ("XREADGROUP", "GROUP", "workers", "tried", "STREAMS", "rw:messages:{0}", "0"),
        ("XACK", "rw:messages:{0}", "workers", "1-1"),
    ],
    "delete messages that wait": [("XDEL", "rw:messages:{0}", "1-1"), ("XTRIM", "rw:messages:{tried}", "MAXLEN", 0)],
    "see which messages workers have in hand": [("XPENDING", "rw:messages:{0}", "workers")],
    "read the number of partitions": [("GET", "rw:partitions")],
    "set the number of partitions": [("SET", "rw:partitions", 1)],
    "store messages in a run": [("HSET", "rw:run:{tried}", "p/0", "{}")],
    "read an open run": [("HGETALL", "rw:run:{tried}"), ("HGET", "rw:run:{tried}", "p/0")],
    "mark a run as due or active": [("ZADD", "rw:due:{0}", 1, "nobody"), ("ZREM", "rw:active:{0}", "nobody")],
    "read an archive or figures": [("GET", "rw:archive:{tried}"), ("GET", "rw:figures:{tried}")],
    "read a summary": [("GET", "rw:summary:{tried}")],
    "write an archive": [("SET", "rw:archive:{tried}", "", "EX", 1)],
    "delete a summary": [("DEL", "rw:summary:{tried}")],
    "write indexes": [("ZADD", "rw:index:node:tried", 1, "nobody"), ("ZREM", "rw:index:node:tried", "nobody")],
    "list what is indexed": [("ZRANGE", "rw:index:all", 0, 0), ("ZCARD", "rw:index:tag:nightly")],
    "announce a summary": [("XADD", "rw:finished", "*", "run_id", "nobody")],
    "read announcements": [("XRANGE", "rw:finished", "-", "+", "COUNT", 1)],
    "take announcements and acknowledge them": [
        ("XREADGROUP", "GROUP", "webhook:tried", "tried", "STREAMS", "rw:finished", "0"),
        ("XACK", "rw:finished", "webhook:tried", "1-1"),
    ],
    "set a message aside": [("XADD", "rw:dead-letters:{9}", "*", "message", "{}")],
    "read dead letters": [("XRANGE", "rw:dead-letters:{9}", "-", "+", "COUNT", 1)],
    "replay or drop dead letters": [("XDEL", "rw:dead-letters:{9}", "1-1")],
    "set aside what a webhook's receiver did not take, replay or drop it": [
        ("XADD", "rw:webhook-dead-letters", "*", "hook", "tried"),
        ("XDEL", "rw:webhook-dead-letters", "1-1"),
    ],
    "read what was set aside so": [("XRANGE", "rw:webhook-dead-letters", "-", "+", "COUNT", 1)],
    "see how many jobs wait and have failed": [("LLEN", "rq:queue:rw-finalize"), ("ZCARD", "rq:failed:rw-finalize")],
    "enqueue a job": [("HSET", "rq:job:tried", "status", "queued"), ("RPUSH", "rq:queue:rw-finalize", "nobody")],
    "read and take jobs": [("HGETALL", "rq:job:tried"), ("LREM", "rq:queue:rw-finalize", 0, "nobody")],
    "write to another queue of RQ": [("RPUSH", "rq:queue:other", "nobody"), ("LPUSH", "rq:queue:other", "nobody")],
    "suspend RQ's workers": [("SET", "rq:suspended", 1)],
    "read or write another namespace": [("XADD", "other:messages:{0}", "*", "0", "{}"), ("GET", "other:partitions")],
    "read or write any other key": [("GET", "key"), ("SET", "key", 1), ("DEL", "key"), ("EXISTS", "key")],
    "run a script": [("EVAL", "return 1", 0)],
    "ask the server for its version": [("INFO", "server")],
    "see who is connected": [("CLIENT", "LIST")],
    "see which server of a cluster holds what": [("CLUSTER", "SLOTS")],
    "see whether a cluster is whole": [("CLUSTER", "INFO")],
    "look for keys, move or copy them": [
        *(("KEYS", "*"), ("SCAN", 0), ("RANDOMKEY",), ("DUMP", "rw:partitions"), ("TYPE", "rw:partitions")),
        *(("RENAME", "rw:messages:{0}", "rw:messages:{1}"), ("COPY", "rw:messages:{0}", "rw:messages:{1}")),
    ],
    "publish or subscribe": [("PUBLISH", "rq:pubsub:anybody", "{}"), ("SUBSCRIBE", "rq:pubsub:anybody")],
    "administer the server": [
        *(("CONFIG", "GET", "*"), ("CONFIG", "SET", "maxmemory", 1), ("ACL", "LIST"), ("ACL", "SETUSER", "me")),
        *(("FLUSHDB",), ("FLUSHALL",), ("SHUTDOWN",), ("SAVE",), ("BGREWRITEAOF",), ("MONITOR",)),
        *(
            ("SCRIPT", "FLUSH"),
            ("FUNCTION", "LIST"),
            ("MODULE", "LIST"),
            ("REPLICAOF", "NO", "ONE"),
            ("SLOWLOG", "GET"),
        ),
        *(
            ("CLIENT", "KILL", "TYPE", "normal"),
            ("CLIENT", "PAUSE", 1),
            ("SWAPDB", 0, 1),
            ("MIGRATE", "h", 1, "k", 0, 1),
        ),
    ],
}


def _table() -> dict[str, dict[str, bool]]:
    """The table in docs/security.md: for each action, whether each user may do it."""
    _, _, text = _PAGE.read_text().partition("## Who may do what\n")
    table = next(paragraph for paragraph in text.split("\n\n") if paragraph.startswith("|"))
    head, _, *rows = (line.strip("|") for line in table.splitlines())
    users = [cell.strip(" `") for cell in head.split("|")][1:]
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return {action: {user: mark == "yes" for user, mark in zip(users, marks, strict=True)} for action, *marks in cells}


@pytest.fixture(scope="module", params=SERVERS)
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredPipeline]:
    """A server with the users of the file, on which a worker and a finalizer are at work all the while."""
    directory = tmp_path_factory.mktemp("secured")
    with (
        SecuredServer(directory, SERVERS[request.param]) as server,
        SecuredPipeline(server, directory / "log") as pipeline,
    ):
        pipeline.start("worker")
        pipeline.start("finalizer")
        wait_until(lambda: pipeline.jobs.status().finalizers == 1, what="the finalizer being there")
        yield pipeline
        assert [] == pipeline.complaints


def _may(server: SecuredServer, user: str, command: tuple[Any, ...]) -> bool:
    """Try a command. Any answer but a refusal means that the user may."""
    with server.client(user) as client:
        try:
            client.execute_command(*command)
        except redis.exceptions.NoPermissionError:
            return False
        except redis.exceptions.ResponseError as error:
            # The driver has no class of its own for the refusal of a channel or within a transaction.
            return "NOPERM" not in str(error)
        return True


def _needs_use_of_keys(pipeline: SecuredPipeline) -> None:
    if not pipeline.server.selects_keys_by_use:
        pytest.skip("Redis 6.2 cannot tell reading a key from writing it")


def _producer(server: SecuredServer, partitions: int = 1) -> Producer:
    return Producer(
        settings=ProducerSettings(redis_url=server.url("producer"), namespace=NAMESPACE, partitions=partitions)
    )


def test_the_documented_table_is_what_is_tried() -> None:
    """docs/security.md lists every action that is tried here, no other, and a column for each user."""
    assert list(_ACTIONS) == list(_table())
    assert all(USERS == tuple(marks) for marks in _table().values())


@pytest.mark.parametrize("user", USERS)
def test_a_user_may_do_what_the_table_says_and_nothing_else(secured: SecuredPipeline, user: str) -> None:
    """Each command of each action is allowed or refused by the server, as docs/security.md tells."""
    _needs_use_of_keys(secured)
    table = {
        (action, *command): marks[user] for action, marks in _table().items() for command in _ACTIONS.get(action, [])
    }

    tried = {
        (action, *command): _may(secured.server, user, command)
        for action, commands in _ACTIONS.items()
        for command in commands
    }

    assert table == tried


def test_the_finalizer_may_not_read_what_it_only_writes(secured: SecuredPipeline) -> None:
    """It reads the results of jobs with a command that would read any stream, also announcements and dead letters."""
    _needs_use_of_keys(secured)
    for key in ("rw:finished", "rw:dead-letters:{0}", "rw:messages:{0}"):
        assert not _may(secured.server, "finalizer", ("XREVRANGE", key, "+", "-"))
    assert _may(secured.server, "finalizer", ("XREVRANGE", "rq:results:nobody", "+", "-"))


@pytest.mark.parametrize("user", ["worker", "finalizer"])
def test_a_script_may_do_no_more_than_its_user(secured: SecuredPipeline, user: str) -> None:
    """A script that calls what the user may not call is refused."""
    for call in ("'FLUSHALL'", "'SET', 'key', 1", "'CONFIG', 'GET', '*'"):
        with secured.server.client(user) as client, pytest.raises(redis.exceptions.ResponseError):
            client.eval(f"return redis.call({call})", 0)
    assert b"1" == secured.redis.get(secured.keys.partitions)


@pytest.mark.parametrize(
    ("user", "password"), [("default", ""), ("producer", ""), ("producer", "wrong"), ("nobody", "secret")]
)
def test_nobody_comes_in_without_the_password(secured: SecuredPipeline, user: str, password: str) -> None:
    """Neither without a user, which is the server's default one, nor with a wrong password."""
    once = Retry(NoBackoff(), 0)
    with (
        redis.Redis(port=secured.server.port, username=user, password=password, retry=once) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_a_command_says_what_it_may_not_do(secured: SecuredPipeline) -> None:
    """One sentence that names the command, without the password, and exit code 2."""
    for user, arguments in (("reader", ["dead-letters", "drop", "--all"]), ("producer", ["runs"])):
        secured.send("no message")
        secured.wait_until_merged()

        finished = secured.run_as(user, *arguments)

        assert (2, 1) == (finished.returncode, len(finished.stderr.splitlines()))
        assert re.search(r"the user at redis://localhost:\d+/0 may not do this \(.*'\w+'.*\)", finished.stderr)
        assert secured.server.passwords[user] not in finished.stderr


def test_all_that_an_llm_can_ask_needs_only_the_reader(secured: SecuredPipeline) -> None:
    """Each tool answers as the reader; another user is told that it may not, and never its password."""
    for run_id, end in (("asked", "failed"), ("other", "completed")):
        script = Script(run_id)
        secured.send(script.started("asked"), *script.steps(4), script.ended(end))
        secured.summary(run_id)
    of_one_run = ("get_summary", "explain_run", "compare_runs", "get_run", "read_value")
    of_none = ("list_goals", "goal_insights", "list_runs", "pipeline_status", "list_dead_letters")

    async def talk(client: Client) -> list[CallToolResult]:
        return [
            *[await client.call_tool(tool, {"run_id": "asked"}) for tool in of_one_run],
            *[await client.call_tool(tool, {}) for tool in of_none],
            await client.call_tool("list_runs", {"status": "running", "grep": "x"}),
        ]

    reader = asking(over_stdio(secured, RUNWEAVER_REDIS_URL=secured.server.url("reader")), talk)
    told = refusal(over_stdio(secured, RUNWEAVER_REDIS_URL=secured.server.url("producer")), "list_runs")

    assert [] == [result for result in reader if result.is_error]
    assert "may not do this" in told
    assert secured.server.passwords["producer"] not in told


def test_the_finalizer_may_look_into_failed_jobs(secured: SecuredPipeline) -> None:
    """The program in docs/operating.md shows them, as the finalizer."""
    queue = secured.jobs.queue
    queue.enqueue_call("os.system", args=("true",), job_id="refused")
    wait_until(lambda: queue.failed_job_registry.get_job_ids(cleanup=False), what="a failed job")
    programs = re.findall(r"```python\n(.*?)```", (_PAGE.parent / "operating.md").read_text(), re.DOTALL)
    [program] = [each for each in programs if "FailedJobRegistry" in each]

    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**secured.environment, "RUNWEAVER_REDIS_URL": secured.server.url("finalizer")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "rw-finalize" == queue.name
    assert "ForbiddenJobError" in shown.stdout, shown.stderr


def test_a_producer_may_not_raise_the_number_of_partitions(
    secured: SecuredPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """One with more partitions than the workers have says so, and goes on; its messages wait for such workers."""
    with _producer(secured.server, partitions=2) as producer:
        runs = [producer.start_run("goal") for _ in range(2)]
        assert producer.flush()

    assert "not allowed to announce the number of partitions" in caplog.text
    assert b"1" == secured.redis.get(secured.keys.partitions)
    assert len(runs) == 2


@pytest.mark.parametrize("binary", SERVERS)
def test_the_file_works_with_redis_6_2_and_for_another_namespace(binary: str, tmp_path: Path) -> None:
    """The changes that docs/security.md names make a file that a server takes, with the same commands for each user."""
    text = (DEPLOY / "users.acl").read_text()
    for script in re.findall(r"^    sed '(.*)' deploy/users.acl", _PAGE.read_text(), re.MULTILINE):
        changed = subprocess.run(
            ["/bin/sh", "-c", f"sed '{script}'"], input=text, capture_output=True, text=True, check=True
        ).stdout
        assert changed != text
        text = changed
    assert "%" not in text
    assert not re.search(r"\brw\b", text)
    (tmp_path / "changed.acl").write_text(text)

    with SecuredServer(tmp_path, SERVERS[binary]) as server, server.client(ADMIN) as admin:
        for line in text.splitlines():
            _, user, *rules = line.split()
            admin.execute_command("ACL", "SETUSER", f"changed-{user}", *rules)
            if user in USERS:
                mine, theirs = admin.acl_getuser(f"changed-{user}"), admin.acl_getuser(user)
                assert theirs["commands"] == mine["commands"]


def test_the_file_lets_nobody_in_by_itself(tmp_path: Path) -> None:
    """As it is, a server takes it, and no user of it has a password."""
    (tmp_path / "made.acl").touch()
    with SecuredServer(tmp_path, server_under_test().path) as server, server.client(ADMIN) as admin:
        (tmp_path / "made.acl").write_text(
            users_for(server_under_test().path) + f"user {ADMIN} on >{server.passwords[ADMIN]} ~* &* +@all\n"
        )
        assert admin.acl_load()
        for user in USERS:
            assert [] == admin.acl_getuser(user)["passwords"]
            assert "nopass" not in admin.acl_getuser(user)["flags"]


@pytest.mark.parametrize(
    ("user", "password", "reason"), [("reader", "", "is not set"), ("worker", "a b/c", "may have the characters")]
)
def test_a_server_does_not_start_without_proper_passwords(
    tmp_path: Path, user: str, password: str, reason: str
) -> None:
    """The script ends with a sentence that names the variable, and not the password."""
    environment = {**{password_variable(each): "secret" for each in USERS}, password_variable(user): password}
    finished = subprocess.run(
        ["/bin/sh", str(DEPLOY / "with-users.sh"), str(tmp_path / "made.acl"), "true"],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 2 == finished.returncode
    assert re.match(rf"with-users.sh: {password_variable(user)} {reason}", finished.stderr)
    assert "a b/c" not in finished.stderr
    assert not (tmp_path / "made.acl").exists()


@pytest.mark.parametrize("binary", SERVERS)
def test_a_pipeline_needs_no_more_than_its_users_may(binary: str, tmp_path: Path) -> None:
    """Everything that happens to runs happens, under the five users, and the server has refused nothing to anybody."""
    with SecuredServer(tmp_path, SERVERS[binary]) as server, SecuredPipeline(server, tmp_path / "log") as pipeline:
        pipeline.environment |= {"RUNWEAVER_PARTITIONS": "3", "RUNWEAVER_STUCK_AFTER_S": "2"}
        worker = pipeline.start("worker")
        pipeline.start("finalizer")
        wait_until(lambda: b"3" == pipeline.redis.get(pipeline.keys.partitions), what="three partitions")

        with _producer(server, partitions=3) as producer:
            _runs_become_summaries(pipeline, producer)
            _late_and_stuck_runs(pipeline, producer)
        _dead_letters(pipeline)
        _killed_worker(pipeline, worker)
        _webhooks(pipeline, tmp_path)

        pipeline.wait_until_idle()
        assert [0, 0, 0] == [pipeline.stop(process) for process in pipeline.processes if process.poll() is None]
        assert [] == pipeline.complaints
        assert [] == server.refused()


def _runs_become_summaries(pipeline: SecuredPipeline, producer: Producer) -> None:
    with ExitStack() as runs:
        started = [runs.enter_context(producer.start_run("goal", "See that it works")) for _ in range(6)]
        for run in started:
            run.record_outcome(run.quick_decision("Does it?", "Try"), success=True)
        producer.flush()
        _reads(pipeline, "runs", "--status", "running")
    for run in started:
        _becomes(pipeline, run.run_id, RunStatus.COMPLETED)
    _reads(pipeline, "runs", "--goal", "goal", "--status", "completed")
    _reads(pipeline, "show", started[0].run_id, "--full")
    _reads(pipeline, "status")


def _becomes(pipeline: SecuredPipeline, run_id: str, status: RunStatus) -> None:
    wait_until(
        lambda: (summary := pipeline.summaries.get(run_id)) is not None and summary.status is status,
        timeout_s=30,
        what=f"{run_id} being {status}",
    )


def _reads(pipeline: SecuredPipeline, *arguments: str) -> None:
    finished = pipeline.run_as("reader", *arguments)
    assert (0, "") == (finished.returncode, finished.stderr)


def _late_and_stuck_runs(pipeline: SecuredPipeline, producer: Producer) -> None:
    script = Script("late")
    pipeline.send(script.started(), script.ended(declare=False))
    pipeline.summary("late")
    late, silent = producer.join_run("late"), producer.start_run("goal")
    late.report_problem("warning", "It came late")
    late.leave()
    assert 2 == pipeline.summary("late", revision=2, timeout_s=30).completeness.late
    _becomes(pipeline, silent.run_id, RunStatus.STUCK)
    silent.end("failed")
    _becomes(pipeline, silent.run_id, RunStatus.FAILED)


def _dead_letters(pipeline: SecuredPipeline) -> None:
    pipeline.send("no message", partition=2)
    dead = pipeline.keys.dead_letters(2)
    wait_until(lambda: pipeline.redis.xlen(dead) == 1, what="a dead letter")
    assert "not-json" in pipeline.run_as("reader", "dead-letters", "list").stdout
    script = Script("too-large")
    pipeline.send(script.started(padding="x" * 2_000_000), partition=2)
    wait_until(lambda: pipeline.redis.xlen(dead) == 2, what="another one")
    replayed = pipeline.run_as(
        "worker", "dead-letters", "replay", "--all", "--json", RUNWEAVER_MAX_MESSAGE_BYTES="3000000"
    )
    assert (1, 1) == tuple(map(len, json.loads(replayed.stdout).values()))
    assert 0 == pipeline.run_as("worker", "dead-letters", "drop", "--all").returncode
    assert 0 == pipeline.redis.xlen(dead)


def _killed_worker(pipeline: SecuredPipeline, worker: subprocess.Popen[bytes]) -> None:
    assert 0 == pipeline.stop(worker)
    script = Script("claimed")
    pipeline.send(script.started(), script.ended(), partition=1)
    url = pipeline.server.url("worker")
    dying = pipeline.spawn([sys.executable, "-m", "tests.support.crashing", "after storing"], RUNWEAVER_REDIS_URL=url)
    assert dying.wait(20) < 0
    pipeline.start("worker")
    _becomes(pipeline, "claimed", RunStatus.COMPLETED)


def _webhooks(pipeline: SecuredPipeline, directory: Path) -> None:
    with Receiver() as receiver:
        hooks = write_hooks(directory / "hooks.toml", {"name": "a", "url": receiver.url})
        command = [sys.executable, "-m", "runweaver.console", "webhooks", "--config", str(hooks)]
        url = pipeline.server.url("webhooks")
        killed = pipeline.spawn(command, RUNWEAVER_REDIS_URL=url)
        wait_until(lambda: pipeline.redis.xinfo_groups(pipeline.keys.finished), what="the group")
        watch = [sys.executable, "-m", "runweaver.console", "watch"]
        watcher = pipeline.spawn(watch, RUNWEAVER_REDIS_URL=pipeline.server.url("reader"))
        release = receiver.hang()
        script = Script("posted")
        pipeline.send(script.started(), script.ended())
        wait_until(lambda: receiver.requests, what="a request")
        pipeline.kill(killed)
        release.set()
        # The next one takes it over, fails for now, and then for good.
        receiver.answer = lambda _: 500 if len(receiver.requests) == 2 else 400
        pipeline.spawn(command, RUNWEAVER_REDIS_URL=url)
        wait_until(lambda: pipeline.redis.xlen(pipeline.keys.webhook_dead_letters) == 1, what="a dead letter")
        _reads(pipeline, "webhooks", "dead-letters", "list")
        _reads(pipeline, "watch", "--once")
        assert 0 == pipeline.stop(watcher)
        receiver.answer = lambda _: 204
        replay = ("webhooks", "dead-letters", "replay", "--all", "--config", str(hooks))
        assert 0 == pipeline.run_as("webhooks", *replay).returncode
        assert 0 == pipeline.redis.xlen(pipeline.keys.webhook_dead_letters)
