"""`runweaver status` and `runweaver doctor` on set-ups that are broken: each says what is wrong, and how to mend it."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runweaver.console.doctor.clocks import check_clocks
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.secured import SERVERS, SecuredPipeline, SecuredServer
from tests.support.server import Server
from tests.support.waiting import wait_until


def _troubles(pipeline: Pipeline, **environment: str) -> dict[str, str]:
    """What status finds: codes and severities. What it says for people is the same, with the same exit code."""
    told, shown = (pipeline.run("status", *options, **environment) for options in (["--json"], []))
    troubles = json.loads(told.stdout)["troubles"]
    assert 2 * [1 if troubles else 0] == [told.returncode, shown.returncode]
    words = _without_numbers(shown.stdout)
    assert [] == [trouble for trouble in troubles if _without_numbers(trouble["what"]) not in words]
    return {trouble["code"]: trouble["severity"] for trouble in troubles}


def _without_numbers(text: str) -> str:
    """Seconds go by between two looks; and a terminal has lines."""
    return " ".join(re.sub(r"[0-9]+", "", text).split())


def _checks(pipeline: Pipeline, *options: str, **environment: str) -> dict[str, dict[str, Any]]:
    """What doctor finds, by name, but for what is well. It ends with 1 where something is wrong."""
    done = pipeline.run("doctor", "--json", *options, **environment)
    checks = json.loads(done.stdout)["checks"]
    assert any(check["verdict"] == "wrong" for check in checks) == (done.returncode == 1)
    assert all(check["todo"] for check in checks if check["verdict"] in ("warning", "unknown"))
    return {check["name"]: check for check in checks if check["verdict"] != "ok"}


def _verdicts(pipeline: Pipeline, *options: str, **environment: str) -> dict[str, str]:
    return {name: check["verdict"] for name, check in _checks(pipeline, *options, **environment).items()}


def _started(pipeline: Pipeline) -> Pipeline:
    """With a worker and a finalizer that are at work."""
    pipeline.start("worker")
    pipeline.start("finalizer")
    _wait_for_worker(pipeline)
    wait_until(lambda: pipeline.jobs.status().finalizers, what="the finalizer being there")
    return pipeline


def _wait_for_worker(pipeline: Pipeline) -> None:
    stream = pipeline.keys.messages(0)
    wait_until(
        lambda: pipeline.redis.exists(stream) and pipeline.redis.xinfo_consumers(stream, "workers"), what="a worker"
    )


@pytest.fixture
def sound(server: Server, namespace: str) -> Iterator[Pipeline]:
    """On a server without a limit of memory, which is the only thing that is not quite right."""
    with Pipeline(server.url, namespace) as pipeline:
        yield pipeline


def test_a_sound_setup(sound: Pipeline) -> None:
    """Nothing is wrong, also not when something is written; and nothing of that stays."""
    _started(sound)
    before = sound.redis.keys("*-doctor:*")

    assert {} == _troubles(sound)
    assert {"memory": "warning"} == _verdicts(sound, "--write", "--role", "worker")
    assert [] == before == sound.redis.keys("*-doctor:*")


def test_a_server_that_keeps_nothing(namespace: str) -> None:
    """It works, until it is started anew."""
    with Server(appendonly="no", save="") as server, Pipeline(server.url, namespace) as pipeline:
        _started(pipeline)

        assert {} == _troubles(pipeline)
        assert {"persistence": "wrong", "memory": "warning"} == _verdicts(pipeline)


def test_a_server_that_deletes_to_make_room(namespace: str) -> None:
    """What was not summarised may be what it deletes."""
    with (
        Server(appendonly="yes", maxmemory="100mb", **{"maxmemory-policy": "allkeys-lru"}) as server,
        Pipeline(server.url, namespace) as pipeline,
    ):
        _started(pipeline)

        assert {"eviction": "wrong"} == _troubles(pipeline)
        assert {"eviction": "wrong", "status": "wrong"} == _verdicts(pipeline)
        assert "CONFIG SET maxmemory-policy noeviction" in _checks(pipeline)["eviction"]["todo"]


def test_a_server_with_too_little_memory(namespace: str) -> None:
    """It is nearly full."""
    with Server(appendonly="yes", save="") as server, Pipeline(server.url, namespace) as pipeline:
        _started(pipeline)
        pipeline.redis.setrange("ballast", 20_000_000, b"x")
        pipeline.redis.config_set("maxmemory", int(pipeline.redis.info("memory")["used_memory"] / 0.9))

        assert {"memory": "warning"} == _troubles(pipeline)
        assert {"memory": "wrong", "status": "warning"} == _verdicts(pipeline)


def test_nobody_who_merges(sound: Pipeline) -> None:
    """Messages wait."""
    sound.start("finalizer")
    wait_until(lambda: sound.jobs.status().finalizers, what="the finalizer being there")
    sound.send(Script("run").started())

    assert {"no-worker": "wrong"} == _troubles(sound)
    assert {"memory": "warning", "workers": "warning", "status": "wrong"} == _verdicts(sound)


def test_nobody_who_summarises(sound: Pipeline) -> None:
    """A run has ended, and its summary does not come."""
    script = Script("run")
    sound.start("worker")
    sound.send(script.started(), script.ended())
    wait_until(lambda: sound.is_due("run"), what="the run being due")

    assert {"no-finalizer": "wrong"} == _troubles(sound)
    assert {"memory": "warning", "finalizers": "warning", "status": "wrong"} == _verdicts(sound)


def test_a_worker_that_is_stuck(sound: Pipeline) -> None:
    """It was stopped while it had messages in hand, and nobody else is there to take them over."""
    worker = sound.start("worker")
    _wait_for_worker(sound)
    stream = sound.keys.messages(0)
    os.kill(worker.pid, signal.SIGSTOP)
    sound.send(Script("run").started())
    [stuck] = sound.redis.xinfo_consumers(stream, "workers")
    # What is handed to it now, it would have taken a moment later.
    sound.redis.xreadgroup("workers", stuck["name"], {stream: ">"})
    # It is silent for as long as it takes to be taken for stuck.
    wait_until(lambda: sound.redis.xinfo_consumers(stream, "workers")[0]["idle"] > 15_000, timeout_s=30)

    troubles = _troubles(sound)

    assert {"no-worker": "wrong", "stuck-worker": "wrong"}.items() <= troubles.items()
    assert stuck["name"].decode() in sound.run("status").stdout
    assert "warning" == _verdicts(sound)["workers"]


def test_messages_that_were_refused(sound: Pipeline) -> None:
    """The newest is told, with its reason."""
    _started(sound)
    sound.send("no message")
    wait_until(lambda: sound.redis.xlen(sound.keys.dead_letters(0)) == 1, what="a dead letter")

    assert {"dead-letters": "warning"} == _troubles(sound)
    assert "1 (1 not-json)" in sound.run("status").stdout
    assert {"memory": "warning", "status": "warning"} == _verdicts(sound)


@pytest.mark.parametrize(("here", "severity"), [("4", "wrong"), ("1", "warning")])
def test_another_number_of_partitions(sound: Pipeline, here: str, severity: str) -> None:
    """Where this environment has more than workers serve, messages would wait; with fewer, load is spread less."""
    sound.environment["RUNWEAVER_PARTITIONS"] = "2"
    _started(sound)

    assert {"partitions": severity} == _troubles(sound, RUNWEAVER_PARTITIONS=here)
    assert severity == _verdicts(sound, RUNWEAVER_PARTITIONS=here)["partitions"]


def test_a_replica_in_the_place_of_its_primary(namespace: str) -> None:
    """It answers, and takes nothing."""
    with (
        Server() as primary,
        Server(appendonly="yes", replicaof=f"127.0.0.1 {primary.port}") as replica,
        Pipeline(replica.url, namespace) as pipeline,
    ):
        wait_until(lambda: pipeline.redis.info("replication")["master_link_status"] == "up", what="the replica")

        assert {"replica": "wrong"} == _troubles(pipeline)
        assert "wrong" == _verdicts(pipeline)["replication"]
        assert "name the primary in the URL" in _checks(pipeline, "--write")["writing"]["what"]


def test_a_password_that_is_not_right(namespace: str) -> None:
    """Status cannot look, doctor says why; neither shows a password."""
    with Server() as server, Pipeline(server.url, namespace) as pipeline:
        pipeline.redis.config_set("requirepass", "right")
        url = server.url.replace("redis://", "redis://:not-right@")
        status, doctor = (pipeline.run(each, RUNWEAVER_REDIS_URL=url) for each in ("status", "doctor"))

        assert (2, 1) == (status.returncode, doctor.returncode)
        assert "refused the user or the password" in " ".join(doctor.stdout.split())
        assert "not-right" not in status.stderr + doctor.stdout + doctor.stderr


@pytest.mark.parametrize("binary", SERVERS)
def test_users_of_the_wrong_role(binary: str, tmp_path: Path) -> None:
    """The server says which rights a user lacks; each of deploy/users.acl has those of its role."""
    with SecuredServer(tmp_path, SERVERS[binary]) as server, SecuredPipeline(server, tmp_path / "log") as pipeline:
        for role in ("producer", "worker", "finalizer", "reader"):
            url = server.url(role)
            assert "rights" not in _checks(pipeline, "--role", role, RUNWEAVER_REDIS_URL=url)
        missing = _checks(pipeline, "--role", "worker", RUNWEAVER_REDIS_URL=server.url("reader"))["rights"]
        none = _checks(pipeline, RUNWEAVER_REDIS_URL=server.url("webhooks"))["rights"]

        assert "wrong" == missing["verdict"] == none["verdict"]
        assert "it lacks SET rw:partitions" in missing["what"]
        # None of the commands that it was asked about was done.
        assert [] == pipeline.redis.keys("*")


def test_what_a_user_may_not_see_is_said_to_be_unknown(tmp_path: Path) -> None:
    """A producer sees next to nothing, and a reader not the server's settings."""
    with (
        SecuredServer(tmp_path, SERVERS["valkey"], options=["--appendonly", "yes"]) as server,
        SecuredPipeline(server, tmp_path / "log") as pipeline,
    ):
        seen = {user: _checks(pipeline, RUNWEAVER_REDIS_URL=server.url(user)) for user in ("producer", "reader")}

        unknown = {
            user: [name for name in checks if checks[name]["verdict"] == "unknown"] for user, checks in seen.items()
        }
        assert ["persistence"] == unknown["reader"]
        assert ["set-up", "clock", "rq", "pipeline"] == unknown["producer"]


def test_rq_on_a_cluster(sound: Pipeline) -> None:
    """Its server must not be one of a cluster."""
    with Server(**{"cluster-enabled": "yes"}) as cluster:
        checks = _checks(sound, RUNWEAVER_JOBS_URL=cluster.url)

        [name] = [name for name in checks if name.startswith("jobs of")]
        assert "on which RQ does not work" in checks[name]["what"]


def test_settings_that_make_no_sense(sound: Pipeline) -> None:
    """Each is named; so is one that nobody reads, with the one that may have been meant."""
    done = sound.run(
        "doctor",
        RUNWEAVER_PARTITIONS="many",
        RUNWEAVER_ARCHIVE_TTL_S="0",
        RUNWEAVER_SETTLE="3",
        RUNWEAVER_NARRATOR="x:y",
    )

    words = " ".join(done.stdout.split())
    assert 1 == done.returncode
    assert all(part in words for part in ("RUNWEAVER_PARTITIONS='many'", "RUNWEAVER_ARCHIVE_TTL_S='0'"))
    assert "Nobody reads RUNWEAVER_SETTLE. Did you mean RUNWEAVER_SETTLE_S?" in words


def test_a_server_that_is_not_there(sound: Pipeline) -> None:
    """What can be checked without it is checked nevertheless."""
    checks = _checks(sound, RUNWEAVER_REDIS_URL="redis://127.0.0.1:1/0")

    assert ["server"] == list(checks)
    assert "No Redis answers at redis://127.0.0.1:1/0" in checks["server"]["what"]


def test_a_clock_that_is_off(server: Server) -> None:
    """The server's is held against this machine's, which here goes wrong."""
    with server.client() as client:
        [check] = check_clocks([("here", client)], clock=lambda: time.time() - 90)

    assert ("clock", "wrong") == (check.name, check.verdict)
    assert check.what.startswith("90.0 s ahead of this machine's")
